"""One active executor: who holds the advisory lock hands orders to the broker."""

import threading

from loguru import logger
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from trading_execution.repository import ExecutionTransaction
from trading_system.clock import monotonic
from trading_system.database import Database

LOCK = 727005
LOOK_AGAIN = 1.0


class Lease:
    """The right to act on the broker, held by a database connection of its own.

    The lock goes with the connection, and so with the process. Each take-over begins
    an epoch: whatever an executor writes names its epoch, so that one that slept
    through its successor's start can write nothing.
    """

    def __init__(self, database: Database[ExecutionTransaction], instance: str) -> None:
        self._database = database
        self._instance = instance
        self._connection: Connection | None = None
        self._guard = threading.Lock()
        self._looked_at = 0.0
        self.epoch = 0

    def held(self) -> bool:
        """Say whether this process is the executor; take over when nobody is."""
        with self._guard:
            if monotonic() - self._looked_at < LOOK_AGAIN:
                return self._connection is not None
            self._looked_at = monotonic()
            if self._connection is not None and self._answers(self._connection):
                return True
            return self._take_over()

    def release(self) -> None:
        """Let another executor take over, at once."""
        with self._guard:
            if self._connection is not None:
                self._unlock(self._connection)
            self._drop()

    def _answers(self, connection: Connection) -> bool:
        try:
            connection.execute(text("select 1"))
        except SQLAlchemyError as error:
            logger.warning("executor lost its lock: {}", error)
            self._drop()
            return False
        return True

    def _take_over(self) -> bool:
        connection = self._database.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        )
        locked = connection.scalar(
            text("select pg_try_advisory_lock(:lock)"), {"lock": LOCK}
        )
        if not locked:
            connection.close()
            return False
        # Out of the pool: a connection given back would keep the lock for others.
        connection.detach()
        self._connection = connection
        with self._database.transaction() as tx:
            self.epoch = tx.take_over(self._instance)
        logger.info("{} is the executor, epoch {}", self._instance, self.epoch)
        return True

    def _unlock(self, connection: Connection) -> None:
        # A closed connection gives its lock back only when its server has noticed.
        try:
            connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": LOCK})
        except SQLAlchemyError as error:
            logger.debug("the lock goes with the connection: {}", error)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except SQLAlchemyError:
                connection.invalidate()
