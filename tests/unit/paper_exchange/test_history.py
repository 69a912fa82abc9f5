"""Portfolio history: every period and timeframe, and the bookings in their steps."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from paper_exchange import history
from paper_exchange.accounts import Account
from paper_exchange.corporate import CorporateAction
from paper_exchange.errors import ApiError
from paper_exchange.exchange import Exchange
from paper_exchange.instants import MINUTE, SECOND
from trading_core.matching import ALPACA_PAPER

pytestmark = pytest.mark.unit

Build = Callable[..., Exchange]
WHOLE = replace(ALPACA_PAPER, partial_odds=0.0)


def held_for_three_days(build: Build) -> tuple[Exchange, Account]:
    """Return an account that bought 100 KO, and got a dividend on the second day."""
    exchange = build(model=WHOLE)
    days = exchange.sessions.days
    exchange.advance(days[2].open + 30 * MINUTE)
    (account,) = exchange.accounts.values()
    order = {"symbol": "KO", "side": "buy", "type": "market", "qty": "100"}
    exchange.submit(account, {**order, "time_in_force": "day"})
    second = days[3].day.isoformat()
    exchange.announce(CorporateAction("1", "dividend", "KO", second, second, "0.50"))
    exchange.advance(days[4].close)
    exchange.journal.commit()
    return exchange, account


def asked(exchange: Exchange, account: Account, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "period": None,
        "timeframe": None,
        "start": None,
        "end": None,
        "reporting": "market_hours",
        "resets_daily": False,
        "flows": frozenset(),
        **changes,
    }
    wanted = history.span(exchange, account, **options)
    return history.portfolio(exchange, account, wanted)


@pytest.mark.parametrize("period", ["1D", "5D", "2W", "1M", "1A", "all"])
@pytest.mark.parametrize("timeframe", [None, "1Min", "5Min", "15Min", "1H", "1D"])
@pytest.mark.parametrize("reporting", ["market_hours", "extended_hours", "continuous"])
def test_every_period_in_every_timeframe(
    build: Build, period: str, timeframe: str | None, reporting: str
) -> None:
    exchange, account = held_for_three_days(build)
    choice = {"period": period, "timeframe": timeframe, "reporting": reporting}
    if period == "1A" and timeframe not in (None, "1D"):
        with pytest.raises(ApiError) as refused:
            asked(exchange, account, **choice)
        assert (refused.value.status, refused.value.code) == (422, 40010001)
        return
    found = asked(exchange, account, **choice)
    usual = {"1D": "1Min", "5D": "1Min", "2W": "15Min", "all": "1Min"}
    assert found["timeframe"] == (timeframe or usual.get(period, "1D"))
    columns = [found[name] for name in ("equity", "profit_loss", "profit_loss_pct")]
    times = found["timestamp"]
    assert times and [len(column) for column in columns] == [len(times)] * 3
    assert times == sorted(set(times))
    assert times[-1] * SECOND <= exchange.now
    # Nothing trades after the last step: it ends with the equity of now.
    assert found["equity"][-1] == round(float(exchange.value(account).equity), 2)
    first = found["base_value"] + found["profit_loss"][0]
    assert first == pytest.approx(found["equity"][0], abs=0.011)


def test_bookings_are_told_in_the_steps_of_their_days(build: Build) -> None:
    exchange, account = held_for_three_days(build)
    daily = {"period": "1W", "timeframe": "1D"}
    assert asked(exchange, account, **daily)["cashflow"] == {}
    for flows in (frozenset({"ALL"}), frozenset({"DIV", "FEE"})):
        found = asked(exchange, account, **daily, flows=flows)
        assert found["cashflow"] == {"DIV": [0.0, 50.0, 0.0]}
    fees = asked(exchange, account, **daily, flows=frozenset({"FEE"}))
    assert fees["cashflow"] == {}
    hourly = asked(exchange, account, period="1W", timeframe="1H", flows={"DIV"})
    assert sum(hourly["cashflow"]["DIV"]) == 50
    first = hourly["cashflow"]["DIV"].index(50)
    opens = exchange.sessions.days[3].open
    assert hourly["timestamp"][first] * SECOND == opens
    cash = Decimal("100050") - account.cash
    assert cash == account.holdings["KO"].cost
