"""A simulated day and night with random clients: memory stays flat, sums stay true."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.soak]

SYMBOLS = ("KO", "PEP", "AAPL", "XOM", "JPM")
ROUNDS, WARM_UP = 120, 40
GROWTH = 1.25


def resident(process: Any) -> int:
    """Return the resident size of a process in kB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def act(exchange: Any, draw: random.Random) -> None:
    """Do one thing that a client may do; refusals are answers too."""
    symbol = draw.choice(SYMBOLS)
    body = {
        "symbol": symbol,
        "qty": str(draw.randint(1, 20)),
        "side": draw.choice(("buy", "sell")),
        "type": draw.choice(("market", "limit")),
        "time_in_force": draw.choice(("day", "gtc", "ioc")),
    }
    if body["type"] == "limit":
        body["limit_price"] = str(draw.randint(20, 300))
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/v2/orders", {"json": body}),
        ("GET", "/v2/orders", {"params": {"status": "all", "limit": 100}}),
        (
            "GET",
            "/v2/stocks/bars",
            {"params": {"symbols": symbol, "timeframe": "1Hour"}},
        ),
        ("GET", "/v2/account/portfolio/history", {}),
        ("DELETE", f"/v2/positions/{symbol}", {}),
        ("DELETE", "/v2/orders", {}),
    ]
    weights = (60, 10, 10, 5, 10, 5)
    method, path, more = draw.choices(requests, weights)[0]
    assert exchange.raw(method, path, **more).status_code < 500


def holds(exchange: Any) -> None:
    """Check that cash and holdings are the equity, and fills are the holdings."""
    account = exchange.raw("GET", "/v2/account").json()
    positions = exchange.raw("GET", "/v2/positions").json()
    held = sum(Decimal(one["market_value"]) for one in positions)
    assert abs(Decimal(account["cash"]) + held - Decimal(account["equity"])) < 1
    for order in exchange.raw("GET", "/v2/orders", params={"status": "all"}).json():
        filled = Decimal(order["filled_qty"])
        assert (order["status"] == "filled") == (filled == Decimal(order["qty"]))


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads sizes from /proc")
def test_a_day_of_random_clients_leaves_memory_flat_and_sums_true(start: Any) -> None:
    exchange = start(directory="soak")
    exchange.control(advance_to="2026-09-14T13:30:00Z")
    draw = random.Random(7)
    warm = 0
    for turn in range(ROUNDS):
        exchange.control(run=36_000, skip_closed=False)
        for _ in range(10):
            act(exchange, draw)
        exchange.control(stop=True)
        holds(exchange)
        if turn == WARM_UP:
            warm = resident(exchange.process)

    clock = exchange.control()
    assert clock["now"] > "2026-09-15T13:30:00Z"
    assert resident(exchange.process) < warm * GROWTH
