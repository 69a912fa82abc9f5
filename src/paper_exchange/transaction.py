"""What one step of the exchange changes, and what it tells its listeners."""

from dataclasses import dataclass, field
from typing import Any

from paper_exchange.store import Changes


@dataclass(frozen=True, slots=True)
class Update:
    """One `trade_updates` event of an account."""

    account: str
    data: dict[str, Any]


@dataclass(slots=True)
class Pending:
    """Changes that are not written yet, and events that wait for it."""

    changes: Changes = field(default_factory=Changes)
    updates: list[Update] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        changes = self.changes
        return not (
            changes.facts
            or changes.accounts
            or changes.orders
            or changes.activities
            or changes.tape
        )
