"""What other programs get: the same rows, whole, in UTC."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from fake_services import NOW, empty, trading

from trading_system.contracts.execution import EquityPoint
from trading_system.vocabulary import View
from trading_web.pages.export import PAGE, TABLES, as_csv, as_file, walked
from trading_web.pages.performance import monthly

pytestmark = pytest.mark.unit


class Row(View):
    at: datetime
    amount: Decimal
    words: str


@pytest.mark.parametrize("fill", [trading, empty])
async def test_every_table_is_handed_out_also_when_it_is_empty(open_browser, fill):
    browser = open_browser(fill())
    await browser.sign_in()
    for table in TABLES:
        for kind in ("csv", "json"):
            answer = await browser.get(f"/export/{table}.{kind}")
            assert answer.status_code == 200, table
            name = f'filename="{table}.{kind}"'
            assert name in answer.headers["content-disposition"]


async def test_a_list_is_narrowed_as_on_its_page(open_browser):
    browser = open_browser(trading())
    await browser.sign_in()
    rows = (await browser.get("/export/history.json?symbol=xom")).json()
    assert rows
    assert {row["symbol"] for row in rows} == {"XOM"}


async def test_there_is_nothing_to_get_without_a_session_or_a_table(open_browser):
    browser = open_browser(trading())
    assert (await browser.get("/export/positions.csv")).status_code == 401
    await browser.sign_in()
    assert (await browser.get("/export/secrets.csv")).status_code == 404


def test_numbers_are_whole_times_are_utc_and_words_are_no_formulas():
    at = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
    row = Row(at=at, amount=Decimal("-0.123456789"), words="=cmd()")
    line = next(csv.DictReader(io.StringIO(as_csv([row]))))
    assert line == {
        "at": "2026-11-20T15:30:00Z",
        "at_new_york": "2026-11-20T10:30:00-05:00",
        "amount": "-0.123456789",
        "words": "'=cmd()",
    }


def test_a_list_is_followed_to_its_last_page_and_no_further():
    numbers = [Row(at=NOW, amount=Decimal(i), words="x") for i in range(2 * PAGE + 1)]
    asked = []

    def read(last):
        asked.append(last)
        start = 0 if last is None else int(last) + 1
        return numbers[start : start + PAGE]

    assert walked(read, "amount") == numbers
    assert asked == [None, PAGE - 1, 2 * PAGE - 1]


def test_a_month_runs_from_the_last_value_before_it():
    def point(month: int, day: int, equity: int) -> EquityPoint:
        at = datetime(2026, month, day, 21, tzinfo=UTC)
        return EquityPoint(market_time=at, equity=Decimal(equity), cash=Decimal(0))

    points = [
        point(9, 29, 100),
        point(9, 30, 110),
        point(10, 5, 90),
        point(10, 30, 121),
    ]
    (year,) = monthly(points)
    assert year.months == {9: pytest.approx(0.10), 10: pytest.approx(0.10)}
    assert year.total == pytest.approx(0.21)
    assert monthly([]) == []


def test_a_file_can_be_named_after_anything():
    answer = as_file("bars-∞\r\nX: 1", "csv", [])
    named = 'attachment; filename="bars-___X__1.csv"'
    assert answer.headers["content-disposition"] == named
