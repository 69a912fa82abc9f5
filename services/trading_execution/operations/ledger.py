"""The ledger: every change of cash and shares, and the positions that follow from it.

`post` is the only place that writes entries and positions, in one transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from trading_core.ledger import Execution
from trading_core.ledger import Position as Holding
from trading_core.money import CENT, QUANTITY_STEP, ZERO
from trading_execution.domain.allotment import allot
from trading_execution.models import Position, StrategyPosition
from trading_execution.ports import BrokerActivity, BrokerFill
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import utc_now
from trading_system.contracts.execution import PositionChanged
from trading_system.vocabulary import plain

EXTERNAL = "external"
"""The book of what was traded at the broker by someone else."""

HOUSE = "account"
"""The book of what belongs to no strategy: the opening, fees, transfers."""


CROSS = "cross"
"""The kind of what passes between two strategies' books: the account's do not move."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of cash or shares, as it goes into the ledger.

    With a `price` the shares were traded at it; without one they came by themselves,
    as in a split, and what the position cost stays.
    """

    account_id: str
    kind: str
    reference: str
    strategy: str
    time: datetime
    symbol: str | None = None
    quantity: Decimal = ZERO
    cash: Decimal = ZERO
    price: Decimal | None = None
    trade_id: UUID | None = None
    order_id: UUID | None = None
    correlation_id: UUID | None = None
    note: str = ""


def post(tx: ExecutionTransaction, entry: Entry) -> bool:
    """Enter a change and move the positions with it; False when it was there."""
    entered = tx.books.insert(
        {
            "account_id": entry.account_id,
            "kind": entry.kind,
            "reference": entry.reference,
            "strategy": entry.strategy,
            "symbol": entry.symbol,
            "quantity_delta": entry.quantity,
            "cash_delta": entry.cash,
            "price": entry.price,
            "trade_id": entry.trade_id,
            "note": entry.note,
            "timestamp": entry.time,
        }
    )
    if entered is None:
        return False
    if entry.symbol is None or not entry.quantity:
        return True
    part = tx.books.lock_strategy_position(
        entry.account_id, entry.strategy, entry.symbol
    )
    _move(part, entry)
    if entry.kind == CROSS:
        return True
    position = tx.books.lock_position(entry.account_id, entry.symbol)
    _move(position, entry)
    _mark(position, entry)
    position.version += 1
    tx.publish(
        PositionChanged(
            correlation_id=entry.correlation_id,
            account_id=entry.account_id,
            symbol=entry.symbol,
            quantity=position.quantity,
            average_price=position.avg_price,
            realized_pnl=position.realized_pnl,
            market_time=entry.time,
        )
    )
    return True


def fill_entry(
    fill: BrokerFill,
    account_id: str,
    strategy: str,
    *,
    trade_id: UUID | None = None,
    order_id: UUID | None = None,
    correlation_id: UUID | None = None,
) -> Entry:
    """Return the entry of an execution."""
    sign = 1 if fill.side == "buy" else -1
    return Entry(
        account_id=account_id,
        kind="fill",
        reference=f"{fill.broker_order_id}:{plain(fill.cumulative_quantity)}",
        strategy=strategy,
        time=fill.time,
        symbol=fill.symbol,
        quantity=sign * fill.quantity,
        cash=-sign * fill.quantity * fill.price,
        price=fill.price,
        trade_id=trade_id,
        order_id=order_id,
        correlation_id=correlation_id,
    )


def post_activity(
    tx: ExecutionTransaction, account_id: str, activity: BrokerActivity
) -> bool:
    """Enter a fee, dividend, split or transfer, divided over the strategies' shares."""
    if activity.kind is None or tx.books.has_activity(activity.activity_id):
        return False
    shares = {
        part.strategy: part.quantity
        for part in tx.books.parts(account_id)
        if part.symbol == activity.symbol
    }
    whole = {HOUSE: activity.quantity}, {HOUSE: activity.amount}
    quantities = allot(activity.quantity, shares, QUANTITY_STEP) or whole[0]
    amounts = allot(activity.amount, shares, CENT) or whole[1]
    for strategy, quantity in quantities.items():
        # One entry carries the broker's own id; several add whose part they are.
        part = f"/{strategy}" if len(quantities) > 1 else ""
        post(
            tx,
            Entry(
                account_id=account_id,
                kind=activity.kind,
                reference=f"{activity.activity_id}{part}",
                strategy=strategy,
                time=activity.time,
                symbol=activity.symbol,
                quantity=quantity,
                cash=amounts[strategy],
                note=f"{activity.said} {activity.description}".strip(),
            ),
        )
    return True


def _move(position: Position | StrategyPosition, entry: Entry) -> None:
    before = Holding(position.quantity, position.cost, position.realized_pnl)
    if entry.price is not None:
        assert entry.symbol is not None
        after = before.after(
            Execution(
                symbol=entry.symbol,
                side="buy" if entry.quantity > 0 else "sell",
                quantity=abs(entry.quantity),
                price=entry.price,
                time=entry.time,
            )
        )
    else:
        after = Holding(before.quantity + entry.quantity, before.cost, before.realized)
    opened = after.quantity and before.quantity * after.quantity <= 0
    if opened:
        position.opened_at, position.entry_order_id = entry.time, entry.order_id
    elif after.is_flat:
        position.opened_at = position.entry_order_id = None
    position.quantity, position.cost = after.quantity, after.cost
    position.realized_pnl = after.realized
    position.avg_price = after.average_price.quantize(QUANTITY_STEP)
    position.updated_at = utc_now()


def _mark(position: Position, entry: Entry) -> None:
    # Until the next mark the position is worth what was last paid for it.
    price = entry.price if entry.price is not None else position.last_price
    if price is None:
        return
    position.last_price = price
    position.marked_at = entry.time
    position.market_value = position.quantity * price
    position.unrealized_pnl = position.market_value - position.cost
