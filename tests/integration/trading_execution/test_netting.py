"""Opposing orders of two strategies meet each other before they leave."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from trading_execution.repository.identities import IDENTITIES
from trading_system.contracts.risk import OrderApproved
from trading_system.vocabulary import Side, new_id

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.integration

CLOSE = Decimal("101.5")


def asked(
    bench: "Bench", strategy: str, side: Side, quantity: int, bar: Any, **more: Any
) -> OrderApproved:
    """Approve what a strategy wants on a bar."""
    values: dict[str, Any] = {
        "strategy": strategy,
        "side": side,
        "quantity": Decimal(quantity),
        "correlation_id": bar,
        "decision_price": CLOSE,
    }
    return bench.approve(**values | more)


def parts(bench: "Bench") -> dict[str, Decimal]:
    with bench.database.read_only() as tx:
        found = tx.books.parts(bench.account_id)
        return {part.strategy: part.quantity for part in found}


def cash_of(bench: "Bench") -> dict[str, Decimal]:
    rows = bench.sql(
        "select strategy, sum(cash_delta) from execution.ledger"
        " where account_id = :account and kind in ('fill', 'cross') group by 1"
    )
    return {row[0]: row[1] for row in rows}


def assert_identities_hold(bench: "Bench") -> None:
    for identity in IDENTITIES:
        assert bench.sql(identity.broken) == [], identity.name


def test_only_what_is_left_of_the_larger_order_leaves(bench: "Bench") -> None:
    bar = new_id()
    buy = asked(bench, "momentum", Side.BUY, 30, bar)
    sell = asked(bench, "reversion", Side.SELL, 10, bar)
    bench.submit()
    assert bench.broker.calls == [bench.client_id(buy)]
    assert bench.broker.orders[bench.client_id(buy)].quantity == 20
    assert (bench.status(buy), bench.status(sell)) == ("ACCEPTED", "NOT_SENT")
    assert "netted with order" in bench.order(sell).reason
    assert parts(bench) == {"momentum": 10, "reversion": -10}
    assert bench.positions() == {}
    bench.tell(bench.broker.fill(bench.client_id(buy), "20", "102"))
    assert bench.status(buy) == "FILLED"
    assert parts(bench) == {"momentum": 30, "reversion": -10}
    assert bench.positions() == {"AAPL": 20}
    assert cash_of(bench) == {
        "momentum": -10 * CLOSE - 20 * 102,
        "reversion": 10 * CLOSE,
    }
    [said] = bench.events("orders_crossed")
    assert (said["quantity"], said["price"]) == ("10", "101.5")
    assert (said["buyer"], said["seller"]) == ("momentum", "reversion")
    assert bench.reconcile().clean
    bench.assert_books_agree()
    assert_identities_hold(bench)


def test_orders_of_one_size_both_stay(bench: "Bench") -> None:
    bar = new_id()
    buy = asked(bench, "momentum", Side.BUY, 10, bar)
    sell = asked(bench, "reversion", Side.SELL, 10, bar)
    bench.submit()
    bench.submit()
    assert bench.broker.calls == []
    assert {bench.status(buy), bench.status(sell)} == {"NOT_SENT"}
    assert cash_of(bench) == {"momentum": -10 * CLOSE, "reversion": 10 * CLOSE}
    bench.assert_books_agree()
    assert_identities_hold(bench)


def test_an_account_that_holds_shares_gains_nothing_by_a_cross(bench: "Bench") -> None:
    held = bench.approve(strategy="reversion", quantity=Decimal(50))
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(held), "50", "90"))
    bar = new_id()
    asked(bench, "momentum", Side.BUY, 10, bar)
    sell = asked(bench, "reversion", Side.SELL, 10, bar, reduces=True)
    bench.submit()
    assert parts(bench) == {"momentum": 10, "reversion": 40}
    with bench.database.read_only() as tx:
        [position] = tx.books.positions(bench.account_id)
        parted = {p.strategy: p for p in tx.books.parts(bench.account_id)}
        [cross] = tx.books.crosses(sell.order_id)
    assert (position.quantity, position.avg_price, position.realized_pnl) == (50, 90, 0)
    assert parted["reversion"].realized_pnl == 10 * (CLOSE - 90)
    assert (parted["momentum"].avg_price, cross.price) == (CLOSE, CLOSE)
    bench.assert_books_agree()


def test_three_strategies_net_in_the_order_they_came(bench: "Bench") -> None:
    bar = new_id()
    first = asked(bench, "momentum", Side.BUY, 6, bar)
    second = asked(bench, "breakout", Side.BUY, 6, bar)
    sell = asked(bench, "reversion", Side.SELL, 8, bar)
    bench.submit()
    assert [bench.order(o).netted_quantity for o in (first, second, sell)] == [6, 2, 8]
    assert bench.broker.calls == [bench.client_id(second)]
    assert bench.broker.orders[bench.client_id(second)].quantity == 4
    assert_identities_hold(bench)


@pytest.mark.parametrize(
    "differs",
    [
        {"correlation_id": new_id()},
        {"strategy": "momentum"},
        {"order_type": "limit", "limit_price": Decimal(101)},
        {"tag": "flatten"},
        {"symbol": "MSFT"},
    ],
    ids=["another bar", "the same strategy", "a limit", "a flatten", "another symbol"],
)
def test_what_is_not_alike_is_not_netted(
    bench: "Bench", differs: dict[str, Any]
) -> None:
    bar = new_id()
    asked(bench, "momentum", Side.BUY, 10, bar)
    asked(
        bench,
        **{"strategy": "reversion", **differs},
        side=Side.SELL,
        quantity=10,
        bar=bar,
    )
    bench.submit()
    assert len(bench.broker.calls) == 2
    assert bench.events("orders_crossed") == []


@pytest.mark.parametrize("stop", ["halt", "hold", "doubt", "late"])
def test_what_may_not_leave_is_not_netted_either(bench: "Bench", stop: str) -> None:
    bar = new_id()
    buy = asked(bench, "momentum", Side.BUY, 10, bar)
    asked(bench, "reversion", Side.SELL, 10, bar, reduces=True)
    if stop == "halt":
        bench.set_state("HALTED")
    elif stop == "hold":
        with bench.database.transaction() as tx:
            tx.reconciliations.hold(bench.account_id, "AAPL", "test", "test")
    elif stop == "doubt":
        bench.desk.trust.doubt("test")
    else:
        bench.broker.now += timedelta(hours=3)
    bench.submit()
    assert bench.broker.calls == []
    assert parts(bench) == {}
    assert bench.order(buy).netted_quantity == 0


def test_in_a_reduced_state_an_entry_meets_no_exit(bench: "Bench") -> None:
    bar = new_id()
    buy = asked(bench, "momentum", Side.BUY, 10, bar)
    sell = asked(bench, "reversion", Side.SELL, 10, bar, reduces=True)
    bench.set_state("REDUCING")
    bench.submit()
    assert (bench.status(buy), bench.status(sell)) == ("READY", "ACCEPTED")
    assert parts(bench) == {}


def test_an_order_that_was_attempted_is_not_netted_any_more(bench: "Bench") -> None:
    bar = new_id()
    buy = asked(bench, "momentum", Side.BUY, 10, bar)
    bench.broker.script = ["lose"]
    bench.submit()
    bench.resolve()
    assert bench.status(buy) == "READY"
    asked(bench, "reversion", Side.SELL, 10, bar)
    bench.submit()
    # The broker may still take the first call in: it goes again under the same id.
    assert bench.order(buy).netted_quantity == 0
    assert bench.broker.orders[bench.client_id(buy)].quantity == 10


def test_what_is_left_is_sent_again_under_the_same_id_and_no_larger(
    bench: "Bench",
) -> None:
    bar = new_id()
    buy = asked(bench, "momentum", Side.BUY, 30, bar)
    asked(bench, "reversion", Side.SELL, 10, bar)
    bench.broker.script = ["lose"]
    bench.submit()
    bench.resolve()
    bench.submit()
    assert bench.broker.calls == [bench.client_id(buy)] * 2
    assert bench.broker.orders[bench.client_id(buy)].quantity == 20
    assert len(bench.events("orders_crossed")) == 1
