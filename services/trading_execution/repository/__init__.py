"""Every query of execution, and its unit of work."""

from functools import cached_property
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from trading_execution.models import Executor, FlattenRequest, StreamState
from trading_execution.repository.books import Books
from trading_execution.repository.combos import Combos
from trading_execution.repository.contracts import Contracts
from trading_execution.repository.orders import ACCOUNT, EndedAttempt, Orders
from trading_execution.repository.reconciliations import Reconciliations
from trading_execution.repository.snapshots import Snapshots
from trading_execution.repository.trades import Trades
from trading_system.database import Transaction
from trading_system.errors import Conflict
from trading_system.models import SystemConfig

# The state is locked for the moment of the look, which PostgreSQL counts as a write:
# its end need not be flushed to the disk.
_EPOCH_AND_STATE = text(
    "select (select epoch from execution.executor),"
    " risk_management.tradable_state(:account),"
    " set_config('synchronous_commit', 'off', true)"
)


_EPOCH = select(Executor.epoch).with_for_update(read=True)


def epoch_and_state(
    connection: Connection, account_id: str
) -> tuple[int | None, str | None]:
    """Return the executor's epoch and the trading state, in one look.

    A change of the state that is under way is waited for. The connection's transaction
    must not go on into anything that is to be kept.
    """
    row = connection.execute(_EPOCH_AND_STATE, {"account": account_id}).one()
    return row[0], row[1]


class ExecutionTransaction(Transaction):
    """A unit of work on orders, executions, the ledger and positions."""

    @cached_property
    def orders(self) -> Orders:
        """Orders, their attempts and their history."""
        return Orders(self.session)

    @cached_property
    def combos(self) -> Combos:
        """Several orders that are one intent."""
        return Combos(self.session)

    @cached_property
    def contracts(self) -> Contracts:
        """How the broker's endpoints answer."""
        return Contracts(self.session)

    @cached_property
    def trades(self) -> Trades:
        """Executions."""
        return Trades(self.session)

    @cached_property
    def books(self) -> Books:
        """The ledger and positions."""
        return Books(self.session)

    @cached_property
    def snapshots(self) -> Snapshots:
        """The account's value over market time."""
        return Snapshots(self.session)

    @cached_property
    def reconciliations(self) -> Reconciliations:
        """Comparisons with the broker."""
        return Reconciliations(self.session)

    def trading_state(self, account_id: str) -> str | None:
        """Return the trading state; until this transaction ends it cannot change."""
        state: str | None = self.session.scalar(
            text("select risk_management.tradable_state(:account)"),
            {"account": account_id},
        )
        return state

    @cached_property
    def installation(self) -> dict[str, Any]:
        """What this installation is, read once for the whole transaction."""
        rows = self.session.execute(
            select(SystemConfig.config_key, SystemConfig.config_value)
        )
        return {key: value for key, value in rows}

    def config(self, key: str) -> Any:
        """Return a fact of this installation, or None when it is not known."""
        return self.installation.get(key)

    def fence(self, epoch: int) -> None:
        """Refuse to write for an executor that another one has taken over from."""
        current = self.session.scalar(_EPOCH)
        if current != epoch:
            raise Conflict(
                f"Another executor took over (epoch {current}, ours was {epoch})."
            )

    def take_over(self, instance: str) -> int:
        """Begin the next epoch and return its number."""
        statement = insert(Executor).values(one=True, epoch=1, instance=instance)
        epoch = self.session.scalar(
            statement.on_conflict_do_update(
                index_elements=["one"],
                set_={
                    "epoch": Executor.epoch + 1,
                    "instance": instance,
                    "since": func.clock_timestamp(),
                },
            ).returning(Executor.epoch)
        )
        assert epoch is not None
        return epoch

    def stream_state(self, account_id: str) -> StreamState | None:
        """Return how far activities have been booked."""
        return self.session.get(StreamState, account_id)

    def open_flatten_requests(self, account_id: str) -> list[FlattenRequest]:
        """Return the demands to close every position that are not met yet."""
        return list(
            self.session.scalars(
                select(FlattenRequest)
                .where(
                    FlattenRequest.account_id == account_id,
                    FlattenRequest.finished_at.is_(None),
                )
                .order_by(FlattenRequest.requested_at)
            )
        )


__all__ = ["ACCOUNT", "EndedAttempt", "ExecutionTransaction", "epoch_and_state"]
