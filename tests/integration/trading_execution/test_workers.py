"""The loops: what they do, when they count as idle, and what halts make of them."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from trading_execution.domain.order_status import OrderStatus
from trading_execution.handlers import on
from trading_execution.operations import flatten, marks, resolve, views
from trading_execution.workers import workers
from trading_system.consumer import Consumer
from trading_system.contracts.risk import OrderApproved, TradingStateChanged
from trading_system.vocabulary import Side, TradingState, identity, new_id, order_id
from trading_system.worker import Worker

if TYPE_CHECKING:
    from conftest import Bench, FakeStream

pytestmark = pytest.mark.integration


@pytest.fixture
def loops(bench: "Bench", stream: "FakeStream") -> dict[str, Worker]:
    """The workers, which the test runs by hand, in lockstep."""
    bench.desk.lockstep = True
    made: Sequence[Worker] = workers(bench.desk, stream)
    return {worker.name: worker for worker in made}


def run(loops: dict[str, Worker]) -> None:
    """Let every loop do what it has to do, until none has anything left."""
    for _ in range(20):
        for worker in loops.values():
            worker._bell.clear()
            worker._work()
        if not any(worker.is_pending() for worker in loops.values()):
            return
    raise AssertionError([w.name for w in loops.values() if w.is_pending()])


def halt(bench: "Bench", level: int) -> None:
    state = TradingState.HALTED if level == 3 else TradingState.REDUCING
    bench.set_state(state if level else "ACTIVE")
    event = TradingStateChanged(
        account_id=bench.account_id,
        state=state if level else TradingState.ACTIVE,
        level=level,
        reason="a drill",
        by="test",
        market_time=bench.broker.now,
    )
    with bench.database.transaction() as tx:
        tx.publish(event)
    hear(bench)


def hear(bench: "Bench") -> None:
    consumer = Consumer(bench.database, on)
    while consumer.consume():
        pass


def hold(bench: "Bench", symbol: str, quantity: int, **changes: Any) -> None:
    approved = bench.approve(symbol, quantity=Decimal(quantity), **changes)
    bench.submit()
    bench.tell(bench.broker.fill(bench.client_id(approved), str(quantity), "10"))
    bench.broker.prices[symbol] = Decimal(10)


def fill_all(bench: "Bench") -> None:
    for order in list(bench.broker.orders.values()):
        if order.status is OrderStatus.ACCEPTED and order.quantity is not None:
            bench.broker.fill(order.client_order_id, str(order.quantity), "10")


def test_an_approval_that_is_heard_becomes_an_order(bench: "Bench") -> None:
    signal = identity("signal", new_id())
    event = OrderApproved(
        outcome_id=new_id(),
        signal_id=signal,
        order_id=order_id(signal),
        strategy="momentum_strategy",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal("1.5"),
        decision_price=Decimal(10),
        reduces=False,
        valid_until=bench.broker.now + timedelta(hours=1),
        market_time=bench.broker.now,
        correlation_id=new_id(),
    )
    with bench.database.transaction() as tx:
        tx.publish(event)
    hear(bench)
    hear(bench)
    order = bench.order(event)
    assert (order.status, order.quantity) == ("READY", Decimal("1.5"))
    assert order.correlation_id == event.correlation_id


def test_the_service_is_idle_only_when_every_fill_is_booked(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    run(loops)
    approved = bench.approve()
    assert loops["submit"].is_pending()
    run(loops)
    assert bench.status(approved) == "ACCEPTED"
    bench.broker.fill(bench.client_id(approved), "10", "9")
    bench.broker.now += timedelta(hours=1)
    assert loops["book"].is_pending()
    run(loops)
    assert bench.status(approved) == "FILLED"
    bench.assert_books_agree()


def test_an_order_that_ended_unheard_is_followed_in_lockstep(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    approved = bench.approve()
    run(loops)
    bench.broker.end(bench.client_id(approved), OrderStatus.EXPIRED)
    bench.broker.now += timedelta(hours=1)
    run(loops)
    assert bench.status(approved) == "EXPIRED"


def test_an_order_whose_end_a_mute_stream_hid_is_asked_for(
    bench: "Bench", stream: "FakeStream", monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("LISTENED", "UNDER_WAY"):
        monkeypatch.setattr(f"trading_execution.workers.{pause}", 0.0)
    loops = {each.name: each for each in workers(bench.desk, stream)}
    approved = bench.approve()
    run(loops)
    bench.broker.end(bench.client_id(approved), OrderStatus.EXPIRED)
    # The message may be on its way: it is waited for, once.
    loops["book"]._work()
    assert (bench.status(approved), stream.suspected) == ("ACCEPTED", 0)
    loops["book"]._work()
    assert (bench.status(approved), stream.suspected) == ("EXPIRED", 1)


def test_what_cannot_move_does_not_keep_the_market_waiting(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    bench.set_state("HALTED")
    approved = bench.approve()
    run(loops)
    assert bench.status(approved) == "READY"


def test_an_unclear_order_keeps_the_market_waiting(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    run(loops)
    bench.broker.script = ["accept and lose the answer"]
    bench.approve()
    bench.submit()
    assert loops["resolve"].is_pending()
    run(loops)
    assert not loops["resolve"].is_pending()


def test_a_new_connection_is_followed_by_a_comparison_before_the_next_claim(
    bench: "Bench", loops: dict[str, Worker], stream: "FakeStream"
) -> None:
    run(loops)
    stream.reconnect()
    approved = bench.approve()
    loops["submit"]._work()
    assert bench.status(approved) == "READY"
    assert loops["reconcile"].is_pending()
    run(loops)
    assert bench.status(approved) == "ACCEPTED"


def test_a_deaf_stream_is_connected_again(
    bench: "Bench", loops: dict[str, Worker], stream: "FakeStream"
) -> None:
    approved = bench.approve()
    run(loops)
    bench.broker.end(bench.client_id(approved), OrderStatus.CANCELED)
    bench.age(approved)
    bench.desk.trust.doubt("test")
    loops["reconcile"]._work()
    assert stream.suspected == 1


def test_a_process_that_is_not_the_executor_does_nothing(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    approved = bench.approve()
    bench.desk.lease.held = lambda: False  # type: ignore[method-assign]
    run(loops)
    assert bench.status(approved) == "READY"
    assert bench.broker.calls == []


def test_the_account_is_marked_at_each_minute_and_at_the_close(bench: "Bench") -> None:
    hold(bench, "AAPL", 10)
    bench.broker.prices["AAPL"] = Decimal(12)
    assert marks.mark(bench.desk)
    assert not marks.mark(bench.desk)
    bench.broker.now += timedelta(minutes=1)
    assert marks.mark(bench.desk)
    bench.broker.is_open = False
    bench.broker.now += timedelta(minutes=1)
    assert marks.mark(bench.desk)
    bench.broker.now += timedelta(hours=5)
    assert not marks.mark(bench.desk)
    said = bench.events("account_updated")
    assert [event["session_closed"] for event in said] == [False, False, True]
    assert {event["equity"] for event in said} == {"100020"}
    with bench.database.read_only() as tx:
        [position] = tx.books.positions(bench.account_id)
    assert (position.last_price, position.unrealized_pnl) == (12, 20)


def test_a_position_shows_how_its_price_changed_since_the_day_before(
    bench: "Bench",
) -> None:
    hold(bench, "AAPL", 10)
    bench.broker.prices["AAPL"] = Decimal(12)
    marks.mark(bench.desk, force=True)
    with bench.database.read_only() as tx:
        [view] = views.position_views(tx, bench.account_id)
    assert view.day_change_fraction is None
    bench.broker.closes["AAPL"] = Decimal(16)
    marks.mark(bench.desk, force=True)
    with bench.database.read_only() as tx:
        [view] = views.position_views(tx, bench.account_id)
    assert view.day_change_fraction == -0.25


def test_a_position_that_the_broker_has_no_price_for_keeps_its_last(
    bench: "Bench",
) -> None:
    hold(bench, "AAPL", 10)
    bench.broker.prices.clear()
    marks.mark(bench.desk, force=True)
    with bench.database.read_only() as tx:
        [position] = tx.books.positions(bench.account_id)
    assert position.last_price == 10


def test_a_halt_of_level_two_cancels_open_orders_and_sells_nothing(
    bench: "Bench",
) -> None:
    hold(bench, "AAPL", 10)
    at_broker, ready = bench.approve("MSFT"), bench.approve("NVDA")
    bench.sql(
        "update execution.orders set valid_until = valid_until - interval '1 second'"
        " where order_id = :order",
        order=at_broker.order_id,
    )
    bench.broker.room = 1
    submit_one(bench)
    halt(bench, 2)
    resolve.cancel_wanted(bench.desk)
    assert bench.status(at_broker) == "CANCELED"
    assert bench.status(ready) == "NOT_SENT"
    assert flatten.advance(bench.desk) == 0
    assert bench.positions() == {"AAPL": 10}


def test_a_halt_of_level_three_closes_every_position(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    hold(bench, "AAPL", 10)
    hold(bench, "MSFT", 4, strategy="another")
    open_order = bench.approve("AAPL")
    run(loops)
    halt(bench, 3)
    run(loops)
    assert bench.status(open_order) == "CANCELED"
    fill_all(bench)
    bench.broker.now += timedelta(minutes=1)
    run(loops)
    assert bench.positions() == {}
    bench.assert_books_agree()
    with bench.database.read_only() as tx:
        assert tx.open_flatten_requests(bench.account_id) == []


def test_a_flatten_waits_for_orders_that_may_hold_the_shares(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    hold(bench, "AAPL", 10)
    resting = bench.approve("AAPL", side=Side.SELL, reduces=True, quantity=Decimal(4))
    run(loops)
    bench.broker.cancel = lambda broker_order_id: None  # type: ignore[method-assign]
    halt(bench, 3)
    loops["submit"]._work()
    assert len(bench.broker.calls) == 2
    # The sale had been filled before the cancellation arrived: six shares are left.
    bench.tell(bench.broker.fill(bench.client_id(resting), "4", "10"))
    loops["submit"]._work()
    [last] = [o for o in bench.broker.orders.values() if o.filled_quantity == 0]
    assert (last.side, last.quantity) == ("sell", 6)


def test_a_repeated_halt_does_not_sell_twice(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    hold(bench, "AAPL", 10)
    run(loops)
    halt(bench, 3)
    halt(bench, 3)
    run(loops)
    assert len(bench.broker.calls) == 2


def test_trading_on_again_ends_the_demand_to_flatten(bench: "Bench") -> None:
    hold(bench, "AAPL", 10)
    halt(bench, 3)
    halt(bench, 0)
    assert flatten.advance(bench.desk) == 0
    assert bench.positions() == {"AAPL": 10}


def test_opposing_books_of_two_strategies_are_closed_one_after_the_other(
    bench: "Bench", loops: dict[str, Worker]
) -> None:
    hold(bench, "AAPL", 10, strategy="one")
    hold(bench, "AAPL", 4, strategy="two", side=Side.SELL)
    run(loops)
    halt(bench, 3)
    for _ in range(2):
        run(loops)
        fill_all(bench)
        bench.broker.now += timedelta(minutes=1)
    run(loops)
    sides = [o.side for o in bench.broker.orders.values()]
    assert sides == ["buy", "sell", "buy", "sell"]
    with bench.database.read_only() as tx:
        assert tx.books.parts(bench.account_id) == []
    bench.assert_books_agree()


def submit_one(bench: "Bench") -> None:
    """Send the oldest order only."""
    from trading_execution.operations import submit

    claims = submit.claim(bench.desk)
    with bench.database.engine.connect() as look:
        sent = submit._send(bench.desk, claims[0], look)
    submit.record(bench.desk, [sent])
