"""Reading the event log: each service's events, in order, exactly once.

PostgreSQL holds every event; Redis only rings the bell. A handler's effects, its inbox
row, what it publishes and the cursor commit together, so that a process may die at any
point and nothing is skipped or done twice.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Any, Generic

from loguru import logger
from pydantic import ValidationError
from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from trading_system.clock import utc_now
from trading_system.database import Database, Tx, connection_lost
from trading_system.logging import performance
from trading_system.messaging import EventHandlers, NewerEvent
from trading_system.models import ConsumerCursor, DeadLetter, LoggedEvent

BATCH = 200
LOOK_AGAIN = 1.0
"""Seconds after which a consumer looks although no bell rang."""

RETRIES = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120, 600))
"""How long a failed event waits before each further attempt; then it is parked."""


# Written once: it runs for every event.
_TAKE_IN = text(
    "insert into shared.inbox (consumer, event_id, seq)"
    " select :consumer, * from unnest(cast(:ids as uuid[]), cast(:seqs as bigint[]))"
    " on conflict do nothing returning seq"
)


_CURSOR = (
    select(ConsumerCursor)
    .where(ConsumerCursor.consumer == bindparam("consumer"))
    .with_for_update()
)

_AFTER = text(
    "select log.end_of_log, found.*"
    " from (select coalesce(max(seq), 0) as end_of_log from shared.events) log"
    " left join (select * from shared.events"
    "  where seq > :seq and topic = any(:topics) order by seq limit :batch) found"
    " on true order by found.seq"
)

_LETTERS = select(DeadLetter.topic, DeadLetter.key, DeadLetter.status).where(
    DeadLetter.consumer == bindparam("consumer"),
    DeadLetter.status.in_(("retrying", "parked", "held")),
)

# What a look without a bell costs all day long: one statement, and no lock.
_HAS_NEWS = text(
    "select paused or last_seq <> :cursor or shared.last_sequence() > last_seq"
    " or exists (select from shared.dead_letters d where d.consumer = c.consumer"
    " and d.status in ('retrying', 'held'))"
    " from shared.consumers c where consumer = :consumer"
)


class Consumer(Generic[Tx]):
    """Reads the log for one service and calls its handlers, in order, exactly once."""

    def __init__(
        self,
        database: Database[Tx],
        on: EventHandlers[Tx],
        heard: Callable[[set[str]], None] = lambda topics: None,
    ) -> None:
        self.database = database
        self.on = on
        self._heard = heard
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._busy = False
        self.cursor = 0
        self.failing = False

    def start(self) -> None:
        """Begin to listen, in a thread of its own."""
        self._thread = threading.Thread(
            target=self._run, name=f"{self.on.consumer}-consumer", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    @property
    def is_at_work(self) -> bool:
        """Whether events are being handled, or the bell has rung for some."""
        return self._busy or self._bell.is_set()

    def ring(self) -> None:
        """Look at the log now."""
        self._bell.set()

    def _run(self) -> None:
        pause, rang = LOOK_AGAIN, True
        while not self._stopping.is_set():
            # Before the bell is silent: whoever asks must not find both at rest.
            self._busy = rang
            self._bell.clear()
            try:
                more = (rang or self._has_news()) and self.consume()
                self.failing, pause = False, LOOK_AGAIN
            except SQLAlchemyError as error:
                # PostgreSQL is away, restarting or busy: nothing was committed, so
                # the same events come again.
                if not self.failing:
                    logger.warning("consumer waits for the database: {}", error)
                self.failing, more = True, False
                pause = min(pause * 2, 10.0)
            self._busy = False
            rang = more or self._bell.wait(pause) or self.failing

    def _has_news(self) -> bool:
        """Say whether there is anything to do beyond what was done last time."""
        with self.database.engine.connect() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            facts = {"consumer": self.on.consumer, "cursor": self.cursor}
            return alone.scalar(_HAS_NEWS, facts) is not False

    def catch_up(self) -> bool:
        """Handle all there is, in the caller's thread; say if there was anything."""
        before = self.cursor
        while self.consume():
            continue
        self._busy = False
        return self.cursor != before

    def consume(self) -> bool:
        """Handle one batch; return whether there may be more."""
        topics: set[str] = set()
        with self.database.transaction() as tx:
            cursor = self._locked_cursor(tx)
            if cursor.paused:
                self.cursor = cursor.last_seq
                return False
            last, found = self._after(tx, cursor.last_seq)
            rows = self._first_run(found)
            self._busy = bool(rows)
            if len(rows) < len(found):
                last = rows[-1].seq
            letters = tx.session.execute(_LETTERS, {"consumer": self.on.consumer}).all()
            blocked = {(letter.topic, letter.key) for letter in letters}
            together = self._take_together(tx, rows, blocked)
            if together:
                topics.add(rows[0].topic)
            for row in () if together else rows:
                try:
                    if self._take(tx, row, blocked):
                        topics.add(row.topic)
                except NewerEvent as error:
                    cursor.paused, cursor.paused_reason = True, str(error)
                    last = row.seq - 1
                    logger.critical("consumer paused: {}", error)
                    break
            if any(letter.status != "parked" for letter in letters):
                topics |= self._retry_due(tx)
            if cursor.last_seq != last:
                cursor.last_seq, cursor.updated_at = last, utc_now()
        # The workers are woken first: whoever reads the cursor must see them at work.
        if topics:
            self._heard(topics)
        self.cursor = last
        return len(found) == BATCH or len(rows) < len(found)

    def _locked_cursor(self, tx: Tx) -> ConsumerCursor:
        # A second instance of the service waits here until this one's connection ends.
        asked = {"consumer": self.on.consumer}
        cursor = tx.session.scalar(_CURSOR, asked)
        if cursor is None:
            tx.session.execute(insert(ConsumerCursor).on_conflict_do_nothing(), asked)
            cursor = tx.session.scalars(_CURSOR, asked).one()
        return cursor

    def _after(self, tx: Tx, seq: int) -> tuple[int, list[Row[Any]]]:
        """Return the next events of our topics, and up to where the log is read then.

        Events of other topics are passed over too, so that lag and idleness are
        measured against the whole log. Sequence order is commit order, and one
        statement sees one moment: when it finds all there is of our topics, nothing of
        them is missing before the end of the log that it sees.
        """
        asked = {"seq": seq, "topics": self.on.topics, "batch": BATCH}
        rows = tx.session.execute(_AFTER, asked).all()
        found = [row for row in rows if row.seq is not None]
        if len(found) == BATCH:
            return found[-1].seq, found
        return max(rows[0].end_of_log, seq), found

    def _first_run(self, rows: list[Row[Any]]) -> list[Row[Any]]:
        """Return the first rows that are handled in one transaction.

        Rows that are handled together stand alone: what comes of them is told before
        anything else is begun.
        """
        many = self.on.takes_many
        if not rows or not many(rows[0].topic):
            return list(takewhile(lambda row: not many(row.topic), rows))
        return list(takewhile(lambda row: row.topic == rows[0].topic, rows))

    def _take_together(
        self, tx: Tx, rows: list[Row[Any]], blocked: set[tuple[str, str]]
    ) -> bool:
        """Handle rows of one topic at once; False when each must be taken by itself.

        That is when one of them fails or waits: it must not hold up the others.
        """
        if not rows or not self.on.takes_many(rows[0].topic):
            return False
        if any((row.topic, row.key) in blocked for row in rows):
            return False
        try:
            with tx.session.begin_nested():
                self._handle_once(tx, rows)
        except Exception as error:  # whose fault it is shows when each is taken alone
            if connection_lost(error):
                raise
            logger.debug("{} are handled one by one: {}", rows[0].topic, error)
            return False
        return True

    def _take(self, tx: Tx, row: Row[Any], blocked: set[tuple[str, str]]) -> bool:
        if (row.topic, row.key) in blocked:
            self._bury(tx, row, status="held", error=None)
            return False
        try:
            with tx.session.begin_nested():
                return self._handle_once(tx, [row])
        except NewerEvent:
            raise
        except Exception as error:  # a poison event must not stop the others
            if connection_lost(error):
                raise
            logger.exception("{} {} could not be handled", row.topic, row.key)
            self._bury(tx, row, status="retrying", error=error)
            blocked.add((row.topic, row.key))
            return False

    def _handle_once(self, tx: Tx, rows: Sequence[Row[Any]]) -> bool:
        taken = set(
            tx.session.scalars(
                _TAKE_IN,
                {
                    "consumer": self.on.consumer,
                    "ids": [row.event_id for row in rows],
                    "seqs": [row.seq for row in rows],
                },
            )
        )
        new = [row for row in rows if row.seq in taken]
        if new:
            with performance(f"handle {new[0].topic}"):
                self.on.handle(new, tx)
        return bool(new)

    def _bury(
        self, tx: Tx, row: Row[Any], *, status: str, error: Exception | None
    ) -> None:
        first = utc_now() + RETRIES[0]
        tx.session.execute(
            insert(DeadLetter)
            .values(
                consumer=self.on.consumer,
                event_id=row.event_id,
                seq=row.seq,
                topic=row.topic,
                key=row.key,
                attempts=0 if error is None else 1,
                status=status,
                last_error=None if error is None else _said(error),
                next_attempt_at=None if error is None else first,
            )
            .on_conflict_do_nothing()
        )

    def _retry_due(self, tx: Tx) -> set[str]:
        letters = tx.session.scalars(
            select(DeadLetter)
            .where(
                DeadLetter.consumer == self.on.consumer,
                DeadLetter.status.in_(("retrying", "held")),
            )
            .order_by(DeadLetter.seq)
        ).all()
        parked = tx.session.execute(
            select(DeadLetter.topic, DeadLetter.key).where(
                DeadLetter.consumer == self.on.consumer, DeadLetter.status == "parked"
            )
        )
        waiting = {(topic, key) for topic, key in parked}
        now, topics = utc_now(), set()
        for letter in letters:
            about = (letter.topic, letter.key)
            due = letter.next_attempt_at is None or letter.next_attempt_at <= now
            if about in waiting or not due:
                waiting.add(about)
                continue
            if self._attempt(tx, letter):
                topics.add(letter.topic)
            else:
                waiting.add(about)
        return topics

    def _attempt(self, tx: Tx, letter: DeadLetter) -> bool:
        columns = LoggedEvent.__table__.c
        row = tx.session.execute(
            select(*columns).where(columns.event_id == letter.event_id)
        ).one()
        try:
            with tx.session.begin_nested():
                self._handle_once(tx, [row])
        except Exception as error:  # counted; parked after the last attempt
            if connection_lost(error):
                raise
            letter.attempts += 1
            letter.last_error = _said(error)
            if letter.attempts > len(RETRIES):
                letter.status, letter.next_attempt_at = "parked", None
                logger.critical(
                    "{} {} is parked after {} attempts: {}",
                    letter.topic,
                    letter.key,
                    letter.attempts,
                    letter.last_error,
                )
            else:
                letter.status = "retrying"
                letter.next_attempt_at = utc_now() + RETRIES[letter.attempts - 1]
            return False
        letter.status, letter.decided_at = "replayed", utc_now()
        return True


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"payload does not fit: {error.errors(include_url=False)[:3]}"
    return f"{type(error).__name__}: {error}"[:2000]
