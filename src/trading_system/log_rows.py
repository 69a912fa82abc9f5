"""Log records as rows of `logging.system_logs` and `logging.performance_logs`.

A thread writes what a bounded queue holds. Logging never waits for the database: when
the queue is full, records are dropped and counted, and the count is logged.
"""

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg2
from loguru import logger
from psycopg2.extras import Json, execute_values

from trading_system.logging import details, is_timing

if TYPE_CHECKING:
    from loguru import Message, Record

_SYSTEM = (
    "INSERT INTO logging.system_logs "
    "(service, level, message, timestamp, correlation_id, extra) VALUES %s"
)
_PERFORMANCE = (
    "INSERT INTO logging.performance_logs "
    "(service, operation, execution_time_ms, timestamp, correlation_id) VALUES %s"
)
_BATCH = 500
# Longer than any wait for a database that restarts, shorter than a person's patience.
_LONGEST_WAIT = 15.0

Row = tuple[Any, ...]


class LogRows:
    """A sink that turns records into rows, behind a queue."""

    def __init__(self, url: str, capacity: int = 10_000, level: str = "INFO") -> None:
        """Write to the database at `url`; messages below `level` are left out."""
        self._url = url
        self._least = logger.level(level).no
        # None wakes the thread, so that it sees that it is to end.
        self._queue: queue.Queue[tuple[str, Row] | None] = queue.Queue(capacity)
        self._stopping = threading.Event()
        self._dropped = 0
        self._counting = threading.Lock()
        self._connection: Any = None
        self._thread = threading.Thread(target=self._run, name="log-rows", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many records were lost because the database did not keep up."""
        return self._dropped

    def write(self, message: "Message") -> None:
        """Take a record; never wait."""
        record = message.record
        if record["extra"].get("of_log_rows"):
            return
        if not is_timing(record) and record["level"].no < self._least:
            return
        try:
            self._queue.put_nowait(_row(record))
        except queue.Full:
            with self._counting:
                self._dropped += 1

    def stop(self, timeout: float = 3.0) -> None:
        """Write what is left, for at most `timeout` seconds."""
        self._stopping.set()
        with suppress(queue.Full):  # then it does not sleep
            self._queue.put_nowait(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        wait, reported, away = 0.5, 0, False
        batch: list[tuple[str, Row]] = []
        while not (self._stopping.is_set() and self._queue.empty() and not batch):
            batch += self._take(_BATCH - len(batch))
            # Here, just after some were taken, the queue has room for the message.
            if self._dropped > reported and not away:
                reported = self._dropped
                logger.warning(
                    "{} log rows were dropped so far: the database was away or busy",
                    reported,
                )
            if not batch:
                continue
            try:
                self._store(batch)
            except psycopg2.Error as error:
                self._disconnect()
                if isinstance(error, psycopg2.DataError | psycopg2.IntegrityError):
                    batch = self._one_by_one(batch)
                    continue
                away = True
                logger.bind(of_log_rows=True).warning(
                    "log rows wait for the database: {}", error
                )
                if self._stopping.wait(wait):
                    break
                wait = min(wait * 2, _LONGEST_WAIT)
                continue
            batch, wait, away = [], 0.5, False
        self._disconnect()

    def _take(self, most: int) -> list[tuple[str, Row]]:
        taken: list[tuple[str, Row]] = []
        try:
            while len(taken) < most:
                # The first is waited for, the rest taken as they lie.
                row = self._queue.get(not taken and most == _BATCH, 0.5)
                if row is None:
                    break
                taken.append(row)
        except queue.Empty:
            pass
        return taken

    def _store(self, batch: list[tuple[str, Row]]) -> None:
        if self._connection is None:
            self._connection = psycopg2.connect(
                self._url, connect_timeout=5, application_name="trading log rows"
            )
        with self._connection, self._connection.cursor() as cursor:
            for statement in (_SYSTEM, _PERFORMANCE):
                rows = [row for kind, row in batch if kind == statement]
                if rows:
                    execute_values(cursor, statement, rows)

    def _one_by_one(self, batch: list[tuple[str, Row]]) -> list[tuple[str, Row]]:
        """Store what can be stored; a row that the database refuses is dropped."""
        for place, entry in enumerate(batch):
            try:
                self._store([entry])
            except (psycopg2.DataError, psycopg2.IntegrityError) as error:
                self._disconnect()
                with self._counting:
                    self._dropped += 1
                logger.bind(of_log_rows=True).warning(
                    "a log row was refused by the database: {}", error
                )
            except psycopg2.Error:
                self._disconnect()
                return batch[place:]
        return []

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _row(record: "Record") -> tuple[str, Row]:
    extra = record["extra"]
    known = extra["correlation_id"]
    correlation = None if known is None else str(known)
    if is_timing(record):
        took = extra["execution_time_ms"]
        row = (extra["service"], extra["operation"], took, record["time"], correlation)
        return _PERFORMANCE, row
    return _SYSTEM, (
        extra["service"],
        record["level"].name,
        record["message"],
        record["time"],
        correlation,
        Json(details(record)),
    )
