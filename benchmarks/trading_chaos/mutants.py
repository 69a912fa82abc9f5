"""Defects put in on purpose: a suite that misses one of them proves nothing.

Each is a change that a tired person could make. It is put into the processes of a seed,
or into its database, and never stands in the code that is shipped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, text

import trading_execution.repository
import trading_risk.repository.books
import trading_risk.repository.state
from trading_execution.adapters import alpaca
from trading_execution.domain.lookup import Next
from trading_execution.domain.order_status import OrderStatus
from trading_execution.operations import (
    evidence,
    fills,
    ledger,
    orders,
    reconcile,
    resolve,
    submit,
)
from trading_execution.operations.evidence import Booked
from trading_execution.ports import OrderTicket, Refused, Unclear
from trading_system import clock, consumer
from trading_system.crash import crash_point


def _nothing() -> None:
    return


def _no_change(engine: Engine) -> None:
    return


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect: put into every process of a seed, or into its database."""

    what: str
    apply: Callable[[], None] = _nothing
    change: Callable[[Engine], None] = _no_change


def _put(where: Any, name: str, value: Any) -> Any:
    """Put something in the place of what is there, and return that."""
    before = getattr(where, name)
    setattr(where, name, value)
    return before


def _random_id() -> None:
    def renamed(self: Any, ticket: Any) -> Any:
        name = f"ts1s-{uuid4().hex[:26]}"
        return send(self, replace(ticket, client_order_id=name))

    send = _put(alpaca.AlpacaBroker, "submit", renamed)


def _timeout_is_rejected() -> None:
    def certain(self: Any, ticket: Any) -> Any:
        answer = send(self, ticket)
        if isinstance(answer, Unclear):
            return Refused(answer.reason, answer.http_status or 408)
        return answer

    send = _put(alpaca.AlpacaBroker, "submit", certain)


def _duplicate_is_rejected() -> None:
    def certain(response: Any) -> Any:
        answer = classified(response)
        if isinstance(answer, Unclear) and answer.http_status == 422:
            return Refused(answer.reason, 422)
        return answer

    def final(tx: Any, answered: Any, now: Any) -> Any:
        if isinstance(answered.answer, Refused):
            first = replace(answered.claim, attempt=1)
            answered = replace(answered, claim=first)
        return step(tx, answered, now)

    classified = _put(alpaca, "_classified", certain)
    step = _put(submit, "_classified", final)


def _intent_after_call() -> None:
    def sent_first(desk: Any) -> int:
        if desk.trust.doubted or not desk.trust.covers_entries:
            return 0
        with desk.submitting:
            now = desk.clock.now()
            with desk.database.read_only() as tx:
                state = tx.trading_state_now(desk.account_id)
                ready = tx.orders.with_status(desk.account_id, {OrderStatus.READY})
            for order in ready if state == "ACTIVE" else ():
                if order.cancel_requested_at is not None or order.valid_until < now:
                    continue
                answer = desk.broker.submit(_ticket(order))
                crash_point("after_call")
                with desk.database.transaction() as tx:
                    tx.fence(desk.epoch)
                    row = tx.orders.lock(order.order_id)
                    if row.status != OrderStatus.READY:
                        continue
                    claimed = submit._claim(tx, row, desk.epoch, now)
                at = clock.utc_now()
                submit.record(desk, [submit.Answered(claimed, at, answer, at)])
        return 0

    def state_now(self: Any, account_id: str) -> Any:
        query = text(
            "select state from risk_management.trading_state where account_id = :a"
        )
        return self.session.scalar(query, {"a": account_id})

    setattr(
        trading_execution.repository.ExecutionTransaction,
        "trading_state_now",
        state_now,
    )
    _put(submit, "submit_ready", sent_first)


def _ticket(order: Any) -> OrderTicket:
    return OrderTicket(
        order.order_id,
        order.client_order_id,
        order.symbol,
        order.side,
        order.quantity,
        order.order_type,
        order.time_in_force,
        order.limit_price,
        order.stop_price,
    )


def _no_rest_record() -> None:
    def nothing_found(desk: Any, since: Any = None) -> int:
        desk.fills_due.clear()
        desk.booked_until = desk.clock.now()
        return 0

    _put(fills, "catch_up", nothing_found)
    _put(reconcile, "catch_up", nothing_found)


def _no_fill_dedup() -> None:
    def booked_again(tx: Any, order: Any, fill: Any) -> Any:
        result = book(tx, order, fill)
        if result is Booked.KNOWN:
            entry = ledger.fill_entry(fill, order.account_id, order.strategy)
            ledger.post(tx, replace(entry, reference=uuid4().hex))
        return result

    book = _put(evidence, "book", booked_again)
    _put(fills, "book", booked_again)


def _no_account_lock() -> None:
    states = trading_risk.repository.state.TradingStates
    _put(states, "lock_account", lambda self: None)


def _unknown_not_counted() -> None:
    books = trading_risk.repository.books
    narrowed = str(books._BOOKS).replace(
        "('FILLED',", "('UNKNOWN', 'SUBMITTING', 'FILLED',"
    )
    if narrowed == str(books._BOOKS):
        raise AttributeError("the query of open orders is another one now")
    _put(books, "_BOOKS", text(narrowed))


def _state_cached() -> None:
    kept: dict[str, tuple[float, Any]] = {}

    def remembered(name: str, ask: Callable[[], Any]) -> Any:
        at, value = kept.get(name, (0.0, None))
        if clock.monotonic() - at > 2.0:
            at, value = clock.monotonic(), ask()
            kept[name] = at, value
        return value

    def cached(self: Any, account_id: str) -> Any:
        return remembered("claim", lambda: state(self, account_id))

    def cached_look(connection: Any, account_id: str) -> Any:
        return remembered("call", lambda: look(connection, account_id))

    unit = trading_execution.repository.ExecutionTransaction
    state = _put(unit, "trading_state", cached)
    look = _put(submit, "epoch_and_state", cached_look)


NAIVE = """
drop trigger stage_to_log on shared.event_staging;
create or replace function shared.stage_to_log() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  insert into shared.events
    (seq, event_id, topic, key, key_version, payload, schema_version, producer,
     causation_id, correlation_id, occurred_at)
  select nextval('shared.event_seq'), new.event_id, new.topic, new.key,
    coalesce((select max(e.key_version) from shared.events e
              where e.topic = new.topic and e.key = new.key), 0) + 1,
    new.payload, new.schema_version, new.producer, new.causation_id,
    new.correlation_id, new.occurred_at;
  delete from shared.event_staging where event_id = new.event_id;
  return null;
end $$;
create trigger stage_to_log after insert on shared.event_staging
  for each row execute function shared.stage_to_log();
"""


def _naive_sequence(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(NAIVE))


def _cursor_before_effects() -> None:
    def consume(self: Any) -> bool:
        with self.database.transaction() as tx:
            cursor = self._locked_cursor(tx)
            last, found = self._after(tx, cursor.last_seq)
            cursor.last_seq = last
        crash_point("mid_batch")
        with self.database.transaction() as tx:
            topics = {row.topic for row in found if self._take(tx, row, set())}
        self._heard(topics)
        self.cursor = last
        return False

    _put(consumer.Consumer, "consume", consume)


def _post_retried() -> None:
    def insistent(self: Any, ticket: Any) -> Any:
        answer = send(self, ticket)
        for _ in range(2):
            if isinstance(answer, Unclear):
                answer = send(self, ticket)
        return answer

    send = _put(alpaca.AlpacaBroker, "submit", insistent)


def _not_found_is_rejected() -> None:
    _put(resolve, "after_silence", lambda silence, patience: Next.REJECT)


def _not_sent_after_claim() -> None:
    def given_up(tx: Any, order: Any, reason: str, now: Any) -> None:
        orders.become(tx, order, OrderStatus.NOT_SENT, reason, now)

    _put(orders, "give_up", given_up)
    _put(submit, "give_up", given_up)


def _replaced_by_a_second_order() -> None:
    def beside(self: Any, ticket: Any) -> Any:
        return send(self, replace(ticket, replaces=None))

    send = _put(alpaca.AlpacaBroker, "submit", beside)


MUTANTS: Mapping[str, Mutant] = {
    "random id": Mutant("each attempt has an id of its own", _random_id),
    "timeout is rejected": Mutant(
        "an unclear answer is taken for a refusal", _timeout_is_rejected
    ),
    "duplicate is rejected": Mutant(
        "`client_order_id must be unique` is taken for a refusal",
        _duplicate_is_rejected,
    ),
    "intent after call": Mutant(
        "the attempt is written after the broker was called", _intent_after_call
    ),
    "no record": Mutant("executions come from the stream alone", _no_rest_record),
    "no dedup": Mutant("an execution told twice is booked twice", _no_fill_dedup),
    "no account lock": Mutant(
        "risk decides without being the only one", _no_account_lock
    ),
    "unknown not counted": Mutant(
        "an order without a clear answer is no exposure", _unknown_not_counted
    ),
    "state cached": Mutant(
        "the trading state is remembered for two seconds", _state_cached
    ),
    "naive sequence": Mutant(
        "events are numbered when written, not when committed", change=_naive_sequence
    ),
    "cursor first": Mutant(
        "the cursor is committed before the effects", _cursor_before_effects
    ),
    "POST retried": Mutant("an unclear POST is sent again at once", _post_retried),
    "not found is rejected": Mutant(
        "an order the broker does not know is given up at once", _not_found_is_rejected
    ),
    "second order": Mutant(
        "a replacement is sent as an order beside the old one",
        _replaced_by_a_second_order,
    ),
    "not sent after claim": Mutant(
        "an order that was attempted can be `NOT_SENT`", _not_sent_after_claim
    ),
}
