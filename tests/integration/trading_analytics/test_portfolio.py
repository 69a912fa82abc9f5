"""The portfolio by symbol says what the books say."""

from decimal import Decimal as D

import pytest
from analytics_books import FEED, MONDAY, TUESDAY, Books, at

from trading_analytics import operations
from trading_analytics.handlers import handlers
from trading_system.consumer import Consumer
from trading_system.contracts.execution import AccountUpdated

pytestmark = pytest.mark.integration


def summarize(books: Books) -> int:
    with books.database.transaction() as tx:
        return operations.summarize_portfolio(tx, at(MONDAY, 16))


def test_cash_and_each_symbol_have_a_row_with_value_and_profit(books: Books) -> None:
    books.opening("5000", at(MONDAY, 14))
    books.holds("AAPL", "10", cost="1000", value="1050")
    books.holds("MSFT", "-5", cost="-500", value="-520")
    assert summarize(books) == 3
    rows = {r["symbol"]: (r["total_value"], r["pnl"]) for r in books.portfolio()}
    assert rows == {"$USD": (5000, 0), "AAPL": (1050, 50), "MSFT": (-520, -20)}


def test_a_second_summary_changes_nothing(books: Books) -> None:
    books.opening("5000", at(MONDAY, 14))
    books.holds("AAPL", "10", cost="1000", value="1050")
    summarize(books)
    before = books.state()
    assert summarize(books) == 0
    assert books.state() == before


def test_a_symbol_that_has_left_the_books_leaves_the_portfolio(books: Books) -> None:
    books.holds("AAPL", "10", cost="1000", value="1050")
    summarize(books)
    books.sql("delete from execution.positions where account_id = :account")
    summarize(books)
    assert [row["symbol"] for row in books.portfolio()] == ["$USD"]


def test_an_account_update_brings_the_portfolio_up_to_date(books: Books) -> None:
    books.opening("5000", at(MONDAY, 14))
    books.holds("AAPL", "10", cost="1000", value="1050")
    with books.database.transaction() as tx:
        tx.publish(
            AccountUpdated(
                account_id=books.account_id,
                cash=D(5000),
                equity=D(6050),
                long_value=D(1050),
                short_value=D(0),
                unrealized_pnl=D(50),
                realized_pnl=D(0),
                session_closed=False,
                market_time=at(TUESDAY, 15),
            )
        )
    books.heard(Consumer(books.database, handlers(FEED)))
    rows = books.portfolio()
    assert sum(D(str(row["total_value"])) for row in rows) == D(6050)
    assert {row["market_time"][:16] for row in rows} == {"2026-03-03T15:00"}
