"""Performance per strategy and session, against numbers worked by hand."""

from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from analytics_books import (
    DAYS,
    MOMENTUM,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Books,
    at,
)

from trading_analytics import operations

pytestmark = pytest.mark.integration


@pytest.fixture
def traded(books: Books) -> Books:
    """Three sessions: one strategy in AAPL all along, another in MSFT from Tuesday.

    Momentum: bought 10 at 100 (fee 0.10), marked 102, then 99, sold at 108 (fee 0.20).
    Reversal: bought 5 at 200, marked 202, then 198.
    """
    books.opening("100000", at(MONDAY, 14))
    books.fill("buy", "10", "100", at(MONDAY, 15), fees="0.10")
    books.fill("buy", "5", "200", at(TUESDAY, 15), strategy="reversal", symbol="MSFT")
    books.fill("sell", "10", "108", at(WEDNESDAY, 16), fees="0.20")
    for day, aapl, msft in zip(DAYS, (102, 99, 120), (201, 202, 198), strict=True):
        books.bar("AAPL", at(day, 19), 77)
        books.bar("AAPL", at(day, 20), aapl)
        books.bar("AAPL", at(day, 20), 5, feed="sip")
        books.bar("MSFT", at(day, 20), msft)
    books.worth("100004", at(MONDAY, 16), closed=False)
    for day, equity in zip(DAYS, ("100019.90", "99999.90", "100069.70"), strict=True):
        books.worth(equity, at(day, 21))
    return books


def returns(books: Books) -> dict[tuple[str, str], Any]:
    return {
        (row["strategy"], row["date"]): row["returns"]
        for row in books.rows("performance_metrics")
    }


def figures(books: Books, strategy: str, day: date) -> dict[str, Any]:
    (row,) = [
        row
        for row in books.rows("performance_metrics")
        if (row["strategy"], row["date"]) == (strategy, day.isoformat())
    ]
    return {figure["name"]: figure for figure in row["metrics"]}


def test_daily_returns_equal_those_worked_by_hand(traded: Books) -> None:
    result = traded.perform()
    assert (result.status, result.examined) == ("done", 3)
    # Momentum earns 19.90, -30 and 89.80; reversal 10 and -20. Each is over the
    # account's equity of the evening before.
    wanted = {
        ("portfolio", "2026-03-02"): 19.90 / 100000,
        ("portfolio", "2026-03-03"): -20.00 / 100019.90,
        ("portfolio", "2026-03-04"): 69.80 / 99999.90,
        (MOMENTUM, "2026-03-02"): 19.90 / 100000,
        (MOMENTUM, "2026-03-03"): -30.00 / 100019.90,
        (MOMENTUM, "2026-03-04"): 89.80 / 99999.90,
        ("reversal", "2026-03-03"): 10.00 / 100019.90,
        ("reversal", "2026-03-04"): -20.00 / 99999.90,
    }
    assert returns(traded) == pytest.approx(wanted, rel=1e-12)
    assert result.changed == len(wanted)


def test_figures_carry_their_value_or_why_there_is_none(traded: Books) -> None:
    traded.perform()
    found = figures(traded, "portfolio", WEDNESDAY)
    assert found["total_return"]["value"] == pytest.approx(69.70 / 100000)
    assert found["max_drawdown"]["value"] == pytest.approx(-20.00 / 100019.90)
    assert found["sharpe_ratio"]["value"] is None
    assert found["sharpe_ratio"]["reason"] == "needs 60 sessions, has 3"
    assert all(figure["convention"] for figure in found.values())


def test_a_second_calculation_changes_nothing(traded: Books) -> None:
    traded.perform()
    before = traded.state()
    again = traded.perform()
    assert again.changed == 0
    assert traded.state() == before
    (told,) = traded.events("performance_calculated")
    assert told["day"] == "2026-03-04"
    assert set(told["strategies"]) == {MOMENTUM, "reversal"}
    assert told["portfolio_return"] == pytest.approx(69.80 / 99999.90)


def test_a_later_value_of_the_same_session_corrects_its_row(traded: Books) -> None:
    traded.perform()
    traded.worth("100100", at(WEDNESDAY, 22))
    assert traded.perform().changed == 1
    assert returns(traded)["portfolio", "2026-03-04"] == pytest.approx(
        float(D("100100") / D("99999.90") - 1)
    )


def test_a_day_without_a_session_is_no_observation(traded: Books) -> None:
    sunday = MONDAY - timedelta(days=1)
    traded.worth("100000", at(sunday, 20))
    traded.worth("100000", at(MONDAY, 9))
    assert traded.perform().examined == 3


def test_a_factor_without_a_loss_is_infinite_and_says_so(traded: Books) -> None:
    lucky = {"strategy": "lucky", "symbol": "KO"}
    for minute in range(0, 20, 2):
        traded.fill("buy", "1", "10", at(TUESDAY, 16, minute), **lucky)
        traded.fill("sell", "1", "11", at(TUESDAY, 16, minute + 1), **lucky)
    traded.analyze()
    traded.perform()
    factor = figures(traded, "lucky", TUESDAY)["profit_factor"]
    assert (factor["value"], factor["reason"], factor["n"]) == (None, "is infinite", 10)
    won = figures(traded, "lucky", WEDNESDAY)["hit_rate"]
    assert (won["value"], won["n"]) == (1.0, 10)


def test_without_any_value_there_is_nothing_to_do(books: Books) -> None:
    result = books.perform()
    assert (result.status, result.changed) == ("nothing to do", 0)


def test_a_report_holds_its_period_and_is_written_once(traded: Books) -> None:
    traded.analyze()
    traded.perform()
    with traded.database.transaction() as tx:
        first = operations.generate_report(tx, "daily", None)
    before = traded.state()
    with traded.database.transaction() as tx:
        again = operations.generate_report(tx, "daily", WEDNESDAY)
    assert (first.changed, again.changed) == (1, 0)
    assert first.detail == again.detail
    assert traded.state() == before
    (report,) = traded.rows("reports")
    assert report["title"] == "SIMULATED daily report 2026-03-04"
    content = report["content"]
    assert (content["opening_equity"], content["closing_equity"]) == (
        "99999.9",
        "100069.7",
    )
    assert content["days"] == [{"day": "2026-03-04", "equity": "100069.7"}]
    (trade,) = content["trades"]
    assert (trade["symbol"], trade["net_pnl"]) == ("AAPL", "79.7")
    assert len(traded.events("report_generated")) == 1


def test_a_week_and_a_month_begin_with_the_opening(traded: Books) -> None:
    for kind in ("weekly", "monthly"):
        with traded.database.transaction() as tx:
            operations.generate_report(tx, kind, TUESDAY)
    weekly, monthly = sorted(
        traded.rows("reports"), key=lambda row: row["kind"], reverse=True
    )
    assert (weekly["period_start"], weekly["period_end"]) == (
        "2026-03-02",
        "2026-03-08",
    )
    assert (monthly["period_start"], monthly["period_end"]) == (
        "2026-03-01",
        "2026-03-31",
    )
    for report in (weekly, monthly):
        assert report["content"]["opening_equity"] == "100000"
        assert len(report["content"]["days"]) == 3
