"""Figures worked by hand, and that too little data gives none."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from trading_core import metrics

pytestmark = pytest.mark.unit
FIRST = date(2013, 1, 2)
# Sixty returns that alternate +2 % and -1 %: mean 0.005, deviations +-0.015.
RETURNS = np.array([0.02, -0.01] * 30)
EQUITY = 100 * np.concatenate([[1.0], np.cumprod(1 + RETURNS)])


def test_total_return_compounds() -> None:
    found = metrics.total_return([100.0, 110.0, 99.0])
    assert found.value == pytest.approx(-0.01)
    assert found.n == 2


def test_cagr_counts_calendar_days_with_the_first() -> None:
    last = FIRST + timedelta(days=364)
    found = metrics.cagr([100.0, 110.0], FIRST, last)
    assert found.value == pytest.approx(1.1 ** (365.25 / 365) - 1)
    assert found.n == 365


def test_volatility_sharpe_and_sortino() -> None:
    deviation = 0.015 * math.sqrt(60 / 59)
    root = math.sqrt(252)
    assert metrics.volatility(RETURNS).value == pytest.approx(deviation * root)
    assert metrics.sharpe(RETURNS).value == pytest.approx(0.005 / deviation * root)
    below = 0.01 / math.sqrt(2)
    assert metrics.sortino(RETURNS).value == pytest.approx(0.005 / below * root)


def test_the_risk_free_rate_is_taken_off_daily() -> None:
    daily = 1.04 ** (1 / 252) - 1
    deviation = 0.015 * math.sqrt(60 / 59)
    found = metrics.sharpe(RETURNS, risk_free=0.04)
    assert found.value == pytest.approx((0.005 - daily) / deviation * math.sqrt(252))
    assert "rf 0.04" in found.convention


def test_drawdown_is_measured_from_the_highest_so_far() -> None:
    assert metrics.max_drawdown([100, 120, 90, 130, 110]).value == pytest.approx(-0.25)
    assert metrics.max_drawdown([100, 110]).value == 0


def test_calmar_divides_growth_by_the_deepest_fall() -> None:
    last = FIRST + timedelta(days=730)
    found = metrics.calmar([100, 120, 90, 130], FIRST, last)
    growth = metrics.cagr([100, 120, 90, 130], FIRST, last).value
    assert growth is not None
    assert found.value == pytest.approx(growth / 0.25)


def test_scratches_are_neither_wins_nor_losses() -> None:
    profits = [30.0, 10.0, -20.0, 0.0, 0.0] + [-5.0] * 4 + [5.0]
    assert metrics.hit_rate(profits).value == pytest.approx(3 / 8)
    assert metrics.profit_factor(profits).value == pytest.approx(45 / 40)
    assert metrics.expectancy(profits).value == pytest.approx(0.5)


def test_the_profit_factor_without_a_loss_is_infinite() -> None:
    assert metrics.profit_factor([1.0] * 10).value == math.inf
    assert metrics.profit_factor([0.0] * 10).value is None


def test_exposure_and_turnover() -> None:
    assert metrics.exposure([0.0, 5.0, 5.0, 0.0]).value == 0.5
    # 1,000 bought and 1,000 sold in 21 sessions at a mean equity of 1,000: 12 a year.
    assert metrics.turnover(2000.0, [1000.0] * 21).value == pytest.approx(12)


@pytest.mark.parametrize(
    ("found", "least"),
    [
        (metrics.volatility(RETURNS[:19]), 20),
        (metrics.sharpe(RETURNS[:59]), 60),
        (metrics.sortino(RETURNS[:59]), 60),
        (metrics.max_drawdown([100.0]), 2),
        (metrics.total_return([100.0]), 1),
        (metrics.cagr([100, 101], FIRST, FIRST + timedelta(days=88)), 90),
        (metrics.calmar([100, 101], FIRST, FIRST + timedelta(days=363)), 365),
        (metrics.hit_rate([1.0] * 9), 10),
        (metrics.profit_factor([]), 10),
        (metrics.expectancy([]), 10),
        (metrics.exposure([]), 1),
        (metrics.turnover(1.0, [1.0] * 19), 20),
    ],
)
def test_too_little_data_gives_no_figure_and_the_reason(
    found: metrics.Metric, least: int
) -> None:
    assert found.value is None
    assert found.reason.startswith(f"needs {least} ")


def test_returns_that_stand_still_have_no_sharpe_ratio() -> None:
    assert metrics.sharpe(np.full(60, 0.001)).value is None
    assert metrics.sortino(np.full(60, 0.001)).value is None
    assert metrics.sharpe(np.full(60, 0.001)).reason == "the returns do not vary"


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_equity_that_cannot_be_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="Equity"):
        metrics.total_return([100.0, bad])
