"""Keys in `.env` and `TRADING_MODE=paper`: the same line trades the broker's account.

The broker is the paper exchange, started as a program of its own whose clock nobody but
the test steers, so the stack has nothing but Alpaca's protocols to know it by.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from reserved_ports import reserved_ports
from shell import Shell
from stack import left_of

from trading_core.calendar import Calendar, xnys_sessions
from trading_system.runtime import run_file

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.long,
    pytest.mark.timeout(900),
]

KEY, SECRET, TOKEN = "PKPAPERTEST", "a-secret-of-the-account", "control"
ENV = """
TRADING_MODE=paper
ALPACA_API_KEY={key}
ALPACA_SECRET_KEY={secret}
ALPACA_BASE_URL={url}
ALPACA_DATA_URL={url}
"""
PATIENCE = 240.0


@dataclass
class Broker:
    """Somebody else's program, as far as the stack can tell."""

    url: str

    def ask(self, path: str) -> Any:
        """Return what a client with the keys is answered."""
        keys = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
        answer = httpx.get(self.url + path, headers=keys, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def steer(self, **move: Any) -> None:
        """Move the market's clock, which the stack cannot."""
        httpx.post(
            f"{self.url}/control/clock",
            json=move,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
            trust_env=False,
        ).raise_for_status()

    def now(self) -> datetime:
        """Return the market's time."""
        told = datetime.fromisoformat(self.ask("/v2/clock")["timestamp"])
        return told.astimezone(UTC)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    command = [sys.executable, "-m", "paper_exchange", "--port", "0"]
    options = ["--key", KEY, "--secret", SECRET, "--control-token", TOKEN]
    process = subprocess.Popen(
        [*command, *options, "--data-dir", str(tmp_path / "broker")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield Broker(process.stdout.readline().split()[-1])
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture
def shell(broker: Broker, tmp_path: Path) -> Iterator[Shell]:
    """A shell in the folder of a `.env` that holds mode and keys."""
    tmp_path.chmod(0o755)
    written = ENV.format(key=KEY, secret=SECRET, url=broker.url)
    (tmp_path / ".env").write_text(written)
    shell = Shell(tmp_path / "data", {"TRADING_ENV_FILE": ".env"}, tmp_path)
    yield shell
    shell("down")


def eventually(look: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return what a look finds in the end."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"it never came to pass: {what}"
        time.sleep(1)
    return found


def test_keys_in_a_file_trade_the_brokers_paper_account(
    shell: Shell, broker: Broker
) -> None:
    account = broker.ask("/v2/account")["account_number"]
    with reserved_ports() as base:
        up = shell("up", "--detach", "--no-browser", "--port-base", str(base))
        assert up.returncode == 0, up.stderr
    assert f"trading at speed 1: mode paper, {broker.url}, account {account}" in (
        up.stderr.splitlines()
    )
    for output in (up.stdout, up.stderr):
        assert SECRET not in output and KEY not in output
    run = run_file.read(shell.data / "run.json")
    assert run is not None
    # Nothing simulates here: neither a market of ours nor anyone who moves its time.
    assert "exchange" not in {child.name for child in run.children}
    status = shell.json("status")
    assert (status["mode"], status["speed"]) == ("paper", None)

    def has_history() -> bool:
        series = [each for each in shell.json("data", "list") if each["bars"] > 100]
        return len({each["symbol"] for each in series}) == 25

    eventually(has_history, "history of every symbol")

    ends = bar_ends(broker.now())
    orders: list[dict[str, Any]] = []
    while not orders:
        # At speed 1 an hour takes an hour: the test does not wait for it.
        broker.steer(advance_to=(next(ends) + timedelta(seconds=61)).isoformat())
        broker.steer(run=1)
        fetched = shell("flows", "run", "fetch_market_data", "--timeout", "120")
        assert fetched.returncode == 0, fetched.stdout + fetched.stderr
        eventually(lambda: settled(shell), "answers to every signal")
        orders = shell.json("orders")
    filled = eventually(
        lambda: [o for o in shell.json("orders") if Decimal(o["filled_quantity"])],
        "an order that filled",
    )
    known = {order["client_order_id"] for order in broker.ask("/v2/orders?status=all")}
    assert {order["client_order_id"] for order in filled} <= known
    assert eventually(lambda: broker.ask("/v2/positions"), "shares at the broker")
    books = eventually(lambda: books_that_hold(shell), "books that agree")
    assert "agree with the broker" in books

    link = re.search(r"http://\S+", shell("login").stdout)
    assert link is not None
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=30) as browser:
        browser.get(link.group(0))
        page = browser.get(run.urls["gateway"] + "/").text
    assert '<span class="badge mode">PAPER</span>' in page
    assert "SIMULATED" not in page

    assert shell("down").returncode == 0
    assert not left_of(run)


def bar_ends(since: datetime) -> Iterator[datetime]:
    """Return the ends of the hourly bars that are still to come."""
    calendar = Calendar(xnys_sessions(since.date(), since.date() + timedelta(days=9)))
    for session in calendar.sessions:
        for _, end in calendar.bars(session, "1Hour"):
            if end > since:
                yield end


def settled(shell: Shell) -> bool:
    """Say whether no event waits for anybody."""
    consumers = json.loads(shell("events", "consumers", "--json").stdout)
    return bool(consumers) and all(each["behind"] == 0 for each in consumers)


def books_that_hold(shell: Shell) -> str:
    """Return what the doctor says of the books once nothing is wrong with them."""
    done = shell("doctor", "--books")
    return done.stdout if done.returncode == 0 else ""
