"""What a person does with the event log: look, look again, and decide of dead letters.

Everything that changes something is about one consumer, is done by that consumer's own
service, names who did it and why in the audit log, and goes through the inbox: whatever
is asked for, no event is handled twice.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from trading_system.clock import utc_now
from trading_system.contracts.system import (
    ConsumerView,
    DeadLetterDetailView,
    DeadLetterView,
    EventDetailView,
    EventView,
    HandlingView,
    ReplayView,
)
from trading_system.database import Transaction
from trading_system.errors import Conflict, NotFound
from trading_system.messaging import log_end
from trading_system.models import (
    ConsumerCursor,
    DeadLetter,
    HandledEvent,
    LoggedEvent,
)

ASIDE = ("retrying", "held", "parked")
"""How a letter stands that nobody has decided about."""

_UNREAD = text("""
select count(*), coalesce(extract(epoch from clock_timestamp() - min(occurred_at)), 0)
from shared.events where seq > :position and topic = any(:topics)
""")

_REPLAYED = text("""
select count(*) as examined, count(i.event_id) as handled,
  count(d.event_id) filter (where i.event_id is null) as aside
from shared.events e
left join shared.inbox i on i.consumer = :consumer and i.event_id = e.event_id
left join shared.dead_letters d on d.consumer = :consumer and d.event_id = e.event_id
  and d.status in ('retrying', 'held', 'parked')
where e.seq >= :first and e.topic = any(:topics)
""")


def find(
    tx: Transaction,
    *,
    after: int = 0,
    topics: Sequence[str] = (),
    correlation_id: UUID | None = None,
    since: datetime | None = None,
    newest: bool = False,
    limit: int = 200,
) -> list[LoggedEvent]:
    """Return events after a sequence number, oldest first, or the newest of them."""
    query = select(LoggedEvent).where(LoggedEvent.seq > after)
    if topics:
        query = query.where(LoggedEvent.topic.in_(topics))
    if correlation_id is not None:
        query = query.where(LoggedEvent.correlation_id == correlation_id)
    if since is not None:
        query = query.where(LoggedEvent.occurred_at >= since)
    order = LoggedEvent.seq.desc() if newest else LoggedEvent.seq
    return list(tx.session.scalars(query.order_by(order).limit(limit)))


def detail(tx: Transaction, identifier: int | UUID) -> EventDetailView:
    """Return an event by its sequence number or id, and who has handled it."""
    column = LoggedEvent.seq if isinstance(identifier, int) else LoggedEvent.event_id
    event = tx.session.scalar(select(LoggedEvent).where(column == identifier))
    if event is None:
        raise NotFound(f"There is no event {identifier}.")
    handled = tx.session.scalars(
        select(HandledEvent).where(HandledEvent.event_id == event.event_id)
    )
    letters = tx.session.scalars(
        select(DeadLetter).where(DeadLetter.event_id == event.event_id)
    )
    # A letter says more than that the event counts as handled.
    ways = {
        **{one.consumer: ("handled", one.processed_at) for one in handled},
        **{one.consumer: (one.status, one.first_failed_at) for one in letters},
    }
    return EventDetailView(
        **EventView.model_validate(event).model_dump(),
        event_id=event.event_id,
        key_version=event.key_version,
        schema_version=event.schema_version,
        causation_id=event.causation_id,
        handling=[
            HandlingView(consumer=consumer, status=status, at=at)
            for consumer, (status, at) in sorted(ways.items())
        ],
    )


def standing(tx: Transaction, consumer: str, topics: Collection[str]) -> ConsumerView:
    """Return how far a consumer has read, how late it is, and what it set aside.

    It is late by the age of the oldest event of its topics that it has not read.
    """
    cursor = tx.session.scalar(_cursor(consumer))
    position = cursor.last_seq if cursor is not None else 0
    behind, lag = tx.session.execute(
        _UNREAD, {"position": position, "topics": list(topics)}
    ).one()
    aside = tx.session.scalar(
        select(func.count())
        .select_from(DeadLetter)
        .where(DeadLetter.consumer == consumer, DeadLetter.status.in_(ASIDE))
    )
    return ConsumerView(
        consumer=consumer,
        position=position,
        end=log_end(tx),
        behind=behind,
        lag_seconds=round(float(lag), 3),
        aside=aside or 0,
        paused=cursor is not None and cursor.paused,
        paused_reason=cursor.paused_reason if cursor is not None else None,
        topics=sorted(topics),
    )


def letters(tx: Transaction, consumer: str, *, decided: bool) -> list[DeadLetter]:
    """Return what a consumer set aside, oldest first; or with what was `decided`."""
    query = select(DeadLetter).where(DeadLetter.consumer == consumer)
    if not decided:
        query = query.where(DeadLetter.status.in_(ASIDE))
    return list(tx.session.scalars(query.order_by(DeadLetter.seq)))


def letter(tx: Transaction, consumer: str, event_id: UUID) -> DeadLetterDetailView:
    """Return a letter with what its event says."""
    found = _letter(tx, consumer, event_id)
    event = tx.session.scalars(
        select(LoggedEvent).where(LoggedEvent.event_id == event_id)
    ).one()
    return DeadLetterDetailView(
        **DeadLetterView.model_validate(found).model_dump(),
        payload=event.payload,
        correlation_id=event.correlation_id,
    )


def retry(
    tx: Transaction, consumer: str, event_id: UUID, by: str, reason: str
) -> DeadLetter:
    """Give a letter another round of attempts, the first of them at once."""
    found = _undecided(tx, consumer, event_id)
    if found.status == "held":
        raise Conflict(
            f"Event {found.seq} waits behind an earlier one of {found.key}.",
            remedy="Decide about that one: what waits behind it follows by itself.",
        )
    before = _state(found)
    found.status, found.attempts, found.next_attempt_at = "retrying", 0, utc_now()
    _decide(tx, found, before, "RETRY", by, reason)
    return found


def discard(
    tx: Transaction, consumer: str, event_id: UUID, by: str, reason: str
) -> DeadLetter:
    """Let a consumer go on without an event, for ever; what waits behind it follows."""
    found = _undecided(tx, consumer, event_id)
    before = _state(found)
    found.status, found.next_attempt_at = "discarded", None
    # Otherwise a replay would take it up again.
    tx.session.execute(
        insert(HandledEvent)
        .values(consumer=consumer, event_id=event_id, seq=found.seq)
        .on_conflict_do_nothing()
    )
    _decide(tx, found, before, "DISCARD", by, reason)
    return found


def replay(
    tx: Transaction,
    consumer: str,
    topics: Collection[str],
    first: int,
    by: str,
    reason: str,
    *,
    dry_run: bool,
) -> ReplayView:
    """Have a consumer look again at the log from a sequence number on.

    What it has handled it passes over; what it set aside stays so. Only an event that
    it should have handled and has not is handled. A dry run only counts.
    """
    cursor = tx.session.scalar(_cursor(consumer).with_for_update())
    position = cursor.last_seq if cursor is not None else 0
    if first > position:
        raise Conflict(
            f"{consumer} has read up to {position} only: there is nothing to replay"
            f" from {first}.",
            remedy=f"Name a sequence number up to {position}.",
        )
    assert cursor is not None
    counted = tx.session.execute(
        _REPLAYED, {"consumer": consumer, "first": first, "topics": list(topics)}
    ).one()
    if not dry_run:
        cursor.last_seq, cursor.updated_at = first - 1, utc_now()
        tx.audit(
            user_id=by,
            table_name="shared.consumers",
            operation="REPLAY",
            old_values={"consumer": consumer, "last_seq": position},
            new_values={"consumer": consumer, "last_seq": first - 1},
            reason=reason,
        )
    return ReplayView(
        consumer=consumer,
        from_sequence=first,
        position=position,
        dry_run=dry_run,
        examined=counted.examined,
        handled=counted.handled,
        aside=counted.aside,
        to_handle=counted.examined - counted.handled - counted.aside,
    )


def resume(
    tx: Transaction, consumer: str, topics: Collection[str], by: str, reason: str
) -> ConsumerView:
    """Let a consumer go on that paused at an event of newer code."""
    cursor = tx.session.scalar(_cursor(consumer).with_for_update())
    if cursor is None or not cursor.paused:
        raise Conflict(f"{consumer} is not paused.")
    tx.audit(
        user_id=by,
        table_name="shared.consumers",
        operation="RESUME",
        old_values={"consumer": consumer, "paused_reason": cursor.paused_reason},
        new_values={"consumer": consumer, "last_seq": cursor.last_seq},
        reason=reason,
    )
    cursor.paused, cursor.paused_reason = False, None
    tx.session.flush()
    return standing(tx, consumer, topics)


def _cursor(consumer: str) -> Any:
    return select(ConsumerCursor).where(ConsumerCursor.consumer == consumer)


def _letter(tx: Transaction, consumer: str, event_id: UUID) -> DeadLetter:
    found = tx.session.scalar(
        select(DeadLetter)
        .where(DeadLetter.consumer == consumer, DeadLetter.event_id == event_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(f"{consumer} has set no event {event_id} aside.")
    return found


def _undecided(tx: Transaction, consumer: str, event_id: UUID) -> DeadLetter:
    # The consumer's own lock: it is not attempting the letter meanwhile.
    tx.session.scalar(_cursor(consumer).with_for_update())
    found = _letter(tx, consumer, event_id)
    if found.status not in ASIDE:
        raise Conflict(f"Event {found.seq} was {found.status} already.")
    return found


def _state(found: DeadLetter) -> dict[str, Any]:
    return {
        "consumer": found.consumer,
        "seq": found.seq,
        "status": found.status,
        "attempts": found.attempts,
    }


def _decide(
    tx: Transaction,
    found: DeadLetter,
    before: dict[str, Any],
    operation: str,
    by: str,
    reason: str,
) -> None:
    found.decided_by, found.decided_at = by, utc_now()
    tx.audit(
        user_id=by,
        table_name="shared.dead_letters",
        operation=operation,
        old_values=before,
        new_values=_state(found),
        reason=reason,
    )
    tx.session.flush()
