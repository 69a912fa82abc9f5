"""A locked symbol: nothing is entered, exits leave, and the audit log has it all."""

from datetime import timedelta
from typing import Any

import pytest

from trading_risk import operations
from trading_risk.models import SymbolLock
from trading_system.contracts.execution import OrderChange
from trading_system.errors import Invalid, NotFound
from trading_system.vocabulary import Side

pytestmark = pytest.mark.integration


@pytest.fixture
def now(account: Any) -> Any:
    """An account to which the market's time was told by a signal."""
    with account.database.transaction() as tx:
        tx.publish(account.signal("OTHER", may_trade=False))
    return account


def lock(account: Any, symbol: str = "AAPL", until: Any = None) -> SymbolLock:
    with account.database.transaction() as tx:
        return operations.lock_symbol(tx, symbol, until, "earnings tonight", "ada")


def release(account: Any, symbol: str = "AAPL") -> None:
    with account.database.transaction() as tx:
        operations.release_symbol(tx, symbol, "the figures are out", "ada")


def audited(account: Any) -> list[tuple[str, str, str]]:
    rows = account.sql(
        "select operation, user_id, reason from shared.audit_log"
        " where table_name = 'risk_management.symbol_locks' and :account in"
        " (old_values ->> 'account_id', new_values ->> 'account_id')"
        " order by audit_id"
    )
    return [tuple(row) for row in rows]


def test_a_locked_symbol_is_not_entered_and_another_is(now: Any) -> None:
    lock(now)
    answer = now.ask("AAPL")
    assert (answer.outcome, answer.code) == ("denied", "SYMBOL_LOCKED")
    assert answer.detail == "locked: earnings tonight"
    assert now.ask("MSFT").outcome == "approved"


def test_an_exit_leaves_a_locked_symbol(now: Any) -> None:
    now.holds("AAPL", "50", "100")
    lock(now)
    assert now.ask("AAPL", side=Side.SELL).outcome == "approved"


def test_a_released_symbol_is_entered_again_and_all_of_it_is_told(now: Any) -> None:
    lock(now)
    lock(now)
    release(now)
    assert now.ask("AAPL").outcome == "approved"
    with pytest.raises(NotFound, match="AAPL is not locked"):
        release(now)
    said = now.events("risk.symbol_lock_changed")
    assert [event["locked"] for event in said] == [True, True, False]
    assert audited(now) == [
        ("INSERT", "ada", "earnings tonight"),
        ("UPDATE", "ada", "earnings tonight"),
        ("DELETE", "ada", "the figures are out"),
    ]


def test_a_lock_runs_out_at_its_market_time(now: Any) -> None:
    with now.database.read_only() as tx:
        market_time = tx.market_time()
    lock(now, until=market_time + timedelta(minutes=30))
    assert now.ask("AAPL").code == "SYMBOL_LOCKED"
    later = market_time + timedelta(minutes=31)
    assert now.ask("AAPL", strategy="other", market_time=later).outcome == "approved"
    with pytest.raises(Invalid, match="which is past"):
        lock(now, until=market_time)


def test_what_a_replacement_would_be_answered_is_foreseen(now: Any) -> None:
    wanted = operations.ManualRequest(
        symbol="AAPL",
        side="buy",
        quantity="50",
        order_type="limit",
        limit_price="100",
        reason="a test",
    )
    with now.database.transaction() as tx:
        old = operations.order_by_hand(tx, wanted, "key-1234", "ada", now.surroundings)
    now.write_order(old, "ACCEPTED", limit_price="100")
    change, before = OrderChange(limit_price="99"), now.outcomes()

    def foreseen() -> Any:
        with now.database.read_only() as tx:
            return operations.what_if_replaced(
                tx, old.order_id, change, now.surroundings
            )

    answer = foreseen()
    assert (answer.approved, answer.quantity) == (True, 50)
    lock(now)
    assert foreseen().code == "SYMBOL_LOCKED"
    assert now.outcomes() == before
