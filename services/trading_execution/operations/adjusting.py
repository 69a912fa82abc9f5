"""Entries by hand: a person's word against the broker's, with a reason."""

from datetime import datetime
from decimal import Decimal

from trading_core.money import ZERO
from trading_execution.models import LedgerEntry
from trading_execution.operations import ledger
from trading_execution.repository import ExecutionTransaction
from trading_system.contracts.execution import AdjustmentRequest
from trading_system.errors import Conflict, Invalid

KIND = "adjustment"


def adjust(
    tx: ExecutionTransaction, wanted: AdjustmentRequest, key: str, now: datetime
) -> LedgerEntry:
    """Enter what a person says is missing, once for each idempotency key.

    Nothing is traded: the books move to where the broker's are, and the next
    comparison says whether they agree.
    """
    if not (wanted.quantity or wanted.cash):
        raise Invalid("An adjustment moves shares, or cash, or both.")
    if wanted.quantity and wanted.symbol is None:
        raise Invalid("Shares have a symbol.", remedy="Name the symbol.")
    entry = ledger.Entry(
        account_id=tx.account_id,
        kind=KIND,
        reference=key,
        strategy=wanted.strategy,
        time=now,
        symbol=wanted.symbol,
        quantity=wanted.quantity,
        cash=wanted.cash,
        price=_price(wanted),
        note=wanted.reason,
    )
    is_new = ledger.post(tx, entry)
    kept = tx.books.get(KIND, key)
    same = (kept.symbol, kept.quantity_delta, kept.cash_delta, kept.strategy)
    if not is_new and same != (
        wanted.symbol,
        wanted.quantity,
        wanted.cash,
        wanted.strategy,
    ):
        raise Conflict(
            "This idempotency key belongs to another adjustment.",
            remedy="Use a new key for a new adjustment.",
        )
    return kept


def _price(wanted: AdjustmentRequest) -> Decimal | None:
    """Return what the shares cost; None leaves the position's cost as it is."""
    return wanted.price if wanted.quantity and wanted.price != ZERO else None
