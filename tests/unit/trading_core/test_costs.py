"""Fees by date, worked by hand."""

from datetime import date
from decimal import Decimal

import pytest

from trading_core.costs import accrued_fees, daily_fees, night_costs, schedule_on

pytestmark = pytest.mark.unit
D = Decimal


def test_a_sale_pays_all_three_fees() -> None:
    # 1,000 shares at $100: $100,000 sold x $20.60 per million = 2.06.
    fees = accrued_fees(date(2026, 9, 17), "sell", D(1000), D(100))
    assert (fees.sec, fees.taf, fees.cat) == (D("2.06"), D("0.195"), D("0.003"))
    assert fees.total == D("2.258")


def test_a_purchase_pays_for_the_audit_trail_only() -> None:
    fees = accrued_fees(date(2026, 9, 17), "buy", D(1000), D(100))
    assert (fees.sec, fees.taf, fees.cat) == (D(0), D(0), D("0.003"))


@pytest.mark.parametrize(
    ("day", "sec"),
    [
        (date(2025, 5, 13), "27.80"),
        (date(2025, 5, 14), "0"),
        (date(2026, 4, 3), "0"),
        (date(2026, 4, 4), "20.60"),
    ],
)
def test_the_sec_fee_follows_its_dates(day: date, sec: str) -> None:
    assert schedule_on(day).sec_per_million == D(sec)


def test_the_taf_has_a_cap_and_a_holiday() -> None:
    assert accrued_fees(date(2026, 9, 1), "sell", D(100_000), D(1)).taf == D("9.79")
    assert accrued_fees(date(2026, 11, 1), "sell", D(100_000), D(1)).taf == 0


def test_a_day_is_summed_and_rounded_up_once() -> None:
    day = daily_fees(date(2026, 9, 17), [("sell", D(10), D(100))] * 3)
    # sec 3 x 0.0206 = 0.0618, taf 3 x 0.00195 = 0.00585, cat 3 x 0.00003 = 0.00009
    assert (day.sec, day.taf, day.cat) == (D("0.07"), D("0.01"), D("0.01"))
    assert daily_fees(date(2026, 9, 17), []).total == 0


def test_a_night_costs_what_is_borrowed_each_rounded_up() -> None:
    held = [("KO", D(-10_000)), ("PEP", D(-1_000)), ("AMD", D(50_000))]
    # A weekend of 0.3 %: 10,000 x 0.003 x 3 / 360 = 0.25, and 0.025 of the other.
    weekend = night_costs(D(5_000), held, D("0.003"), D("0.0625"), 3)
    assert dict(weekend.borrow) == {"KO": D("0.25"), "PEP": D("0.03")}
    assert weekend.interest == 0 and weekend.total == D("0.28")
    # 5,000 x 0.0625 / 360 = 0.868...
    night = night_costs(D(-5_000), held[2:], D("0.003"), D("0.0625"), 1)
    assert (dict(night.borrow), night.interest) == ({}, D("0.87"))


def test_a_day_before_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="No fee schedule"):
        schedule_on(date(1980, 1, 1))
