"""A trading day on the real paper exchange: its bars, our adapter, both services."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from trading_core.calendar import Calendar, Timeframe
from trading_ingestion import operations
from trading_ingestion.adapters.alpaca import AlpacaMarketData
from trading_ingestion.domain.due import Pace
from trading_ingestion.operations import Source
from trading_ingestion.repository import IngestionTransaction
from trading_strategy import operations as strategy_operations
from trading_strategy.handlers import handlers
from trading_strategy.operations import Engine
from trading_strategy.repository import StrategyTransaction
from trading_system import plugins
from trading_system.config import strategies
from trading_system.config.settings import Settings
from trading_system.config.shipped import shipped
from trading_system.consumer import Consumer
from trading_system.database import Database
from trading_system.runtime import databases, sessions, urls

pytestmark = pytest.mark.integration

TOKEN = "control-token"
Control = Callable[..., dict[str, Any]]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[str]:
    """The address of an exchange whose clock stands five minutes before an open."""
    command = [sys.executable, "-m", "paper_exchange", "--port", "0"]
    command += ["--data-dir", str(tmp_path), "--control-token", TOKEN]
    with (tmp_path / "exchange.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert " on http://" in line, (tmp_path / "exchange.log").read_text()
    yield line.split(" on ")[-1].strip()
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.fixture
def control(exchange: str) -> Control:
    """Read the market's clock, or move it."""

    def asked(**body: Any) -> dict[str, Any]:
        answer = httpx.request(
            "POST" if body else "GET",
            f"{exchange}/control/clock",
            json=body or None,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    return asked


@pytest.fixture
def market_data(exchange: str, tmp_path: Path, monkeypatch) -> AlpacaMarketData:
    monkeypatch.chdir(tmp_path)
    return AlpacaMarketData(
        Settings(
            trading_mode="simulated",
            alpaca_base_url=exchange,
            alpaca_data_url=exchange,
            alpaca_api_key="paper",
            alpaca_secret_key="paper",
        )
    )


def test_a_day_gives_every_symbol_its_bars_and_its_decisions(
    url: str, service_url: str, market_data: AlpacaMarketData, control: Control
) -> None:
    opening = datetime.fromisoformat(control()["now"])
    sessions.fill(url, date(2026, 9, 14))
    bars = Database.connect(service_url, IngestionTransaction)
    decisions = Database.connect(
        urls.with_user(url, databases.role_of("strategy"), "only-for-tests"),
        StrategyTransaction,
    )
    source = Source(market_data, Pace(timedelta(0), lockstep=True))
    engine = Engine(
        plugins.discover(),
        strategies.load(shipped("config/strategies.yaml")),
        market_data.feed,
    )
    with decisions.transaction() as tx:
        strategy_operations.follow_file(tx, engine)
    consumer = Consumer(decisions, handlers(engine))

    history = operations.load_history(bars, source)
    assert history.symbols == 25
    assert history.rows_stored == 25 * 60 * 7

    with bars.read_only() as tx:
        calendar: Calendar = tx.calendar
    ends = calendar.bar_ends(opening, opening + timedelta(hours=12), Timeframe.ONE_HOUR)
    assert len(ends) == 7
    for end in ends:
        control(advance_to=end.isoformat())
        result = operations.fetch_due_bars(bars, source, end)
        assert result.bar_ends == [end]
        assert (result.rows_stored, result.missing, result.problems) == (25, [], 0)
        assert result.market_time == end
        while consumer.consume():
            pass

    with decisions.read_only() as tx:
        counted = tx.session.execute(
            text(
                "select count(*), count(distinct (symbol, bar_end)),"
                " count(*) filter (where may_trade),"
                " count(*) filter (where outcome in ('signal', 'no_signal'))"
                " from strategy_engine.decisions"
            )
        ).one()
    assert tuple(counted) == (175, 175, 175, 175)
    assert operations.fetch_due_bars(bars, source).status == "nothing due"
    quality = operations.validate_data_quality(bars, source)
    assert {"gap", "outside_session", "stale"} & set(quality.by_check) == set()
    bars.close()
    decisions.close()
    market_data.close()
