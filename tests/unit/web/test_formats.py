"""Numbers, times and durations as a page writes them."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_web import formats

pytestmark = pytest.mark.unit

NUMERIC = (formats.money, formats.pnl, formats.price, formats.quantity)
NUMERIC += (formats.percent, formats.basis_points, formats.ratio, formats.figure)

numbers = st.one_of(
    st.none(),
    st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=True),
    st.floats(),
    st.integers(-(10**12), 10**12),
)


@pytest.mark.parametrize("write", NUMERIC, ids=lambda write: write.__name__)
@given(value=numbers)
def test_no_number_is_written_as_nan_none_or_with_an_exponent(write, value):
    text = write(value)
    assert not re.search(r"nan|none|inf|e[+-]?\d|n/a", text, re.IGNORECASE)
    assert "-" not in text, "a hyphen is no minus sign"
    assert text == formats.MISSING or re.search(r"\d", text)


@given(value=st.decimals(min_value=-(10**9), max_value=10**9, places=4))
def test_a_profit_or_loss_always_has_its_sign(value):
    text = formats.pnl(value)
    shown = Decimal(re.sub(r"[^\d.]", "", text))
    if shown == 0:
        assert text == "$0.00"
    else:
        assert text[0] == (formats.MINUS if value < 0 else "+")


@given(value=st.decimals(min_value=0, max_value=10**9, places=9))
def test_a_quantity_reads_back_as_the_same_number(value):
    assert Decimal(formats.quantity(value).replace(",", "")) == value


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formats.money(Decimal("1234.56")), "$1,234.56"),
        (formats.money(Decimal("-87.3")), "−$87.30"),
        (formats.pnl(Decimal("412.1")), "+$412.10"),
        (formats.pnl(Decimal("-0.001")), "$0.00"),
        (formats.price(Decimal("231.4")), "231.40"),
        (formats.price(Decimal("0.51237")), "0.5124"),
        (formats.quantity(Decimal("1500")), "1,500"),
        (formats.quantity(Decimal("0.123450000")), "0.12345"),
        (formats.percent(0.0124), "+1.24\u202f%"),
        (formats.percent(-0.00001), "0.00\u202f%"),
        (formats.percent(0.395, 1, signed=False), "39.5\u202f%"),
        (formats.basis_points(1.25), "+1.2"),
        (formats.money(None), "—"),
        (formats.price(float("nan")), "—"),
        (formats.duration(timedelta(hours=3, minutes=12)), "3\u202fh 12\u202fm"),
        (formats.duration(timedelta(days=2, hours=4)), "2\u202fd 4\u202fh"),
        (formats.duration(timedelta(milliseconds=412)), "412\u202fms"),
        (formats.limit("max_daily_loss", Decimal("0.02")), "2.0\u202f%"),
        (formats.limit("max_orders_per_day", Decimal(200)), "200"),
        (formats.limit("overnight_entries", Decimal(1)), "on"),
        (
            formats.minus_signs("20-bar return -0.03 < -.02"),
            "20-bar return −0.03 < −.02",
        ),
    ],
)
def test_what_people_read(written, expected):
    assert written == expected


def test_times_are_new_york_in_summer_and_in_winter():
    winter = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
    summer = datetime(2026, 7, 20, 14, 30, tzinfo=UTC)
    assert formats.clock_time(winter) == formats.clock_time(summer) == "10:30:00 ET"
    assert formats.bar_span(winter, winter + timedelta(hours=1)) == (
        "20 Nov 10:30–11:30 ET"
    )


def test_times_are_written_in_the_zone_that_was_chosen():
    at = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
    with formats.shown_in(formats.zone_named("Europe/Berlin")):
        assert formats.clock_time(at) == "16:30:00 CET"
        assert formats.day_time(at) == "20 Nov 16:30 CET"
        assert formats.all_zones(at).endswith("16:30:00 Europe/Berlin")
    with formats.shown_in(formats.zone_named("UTC")):
        assert formats.bar_span(at, at) == "20 Nov 15:30–15:30 UTC"
    assert formats.short_time(at) == "10:30 ET"


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../../etc/passwd", "/etc", "\0"])
def test_a_zone_that_is_none_is_new_york(name):
    assert formats.zone_named(name) == formats.NEW_YORK
