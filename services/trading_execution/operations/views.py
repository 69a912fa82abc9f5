"""How orders, positions, the account and comparisons are shown."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from trading_core.money import ZERO
from trading_execution.models import (
    Combo,
    Cross,
    Difference,
    LedgerEntry,
    Order,
    Position,
    ReconciliationRun,
    Trade,
)
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import ClockReading
from trading_system.contracts.execution import (
    AccountView,
    AttemptView,
    ComboView,
    DifferenceView,
    LedgerEntryView,
    MarketClockView,
    OrderEventView,
    OrderView,
    PositionView,
    ReconciliationView,
    TradeView,
)

_OWN = ("attempts", "trades", "history")


def order_view(order: Order, trades: list[Trade] | None = None) -> OrderView:
    """Return an order without the details of its life."""
    fields = {
        name: getattr(order, name)
        for name in OrderView.model_fields
        if name not in (*_OWN, "slippage_bps", "created_at")
    }
    return OrderView(
        **fields,
        created_at=order.timestamp,
        slippage_bps=slippage(order),
        trades=[trade_view(trade) for trade in trades or []],
    )


def order_life(tx: ExecutionTransaction, order: Order) -> OrderView:
    """Return an order with its attempts, executions and steps."""
    view = order_view(order, tx.trades.of_order(order.order_id))
    crosses = [cross_view(each) for each in tx.books.crosses(order.order_id)]
    return view.model_copy(
        update={
            "trades": [*crosses, *view.trades],
            "attempts": [
                AttemptView.model_validate(attempt)
                for attempt in tx.orders.attempts(order.order_id)
            ],
            "history": [
                OrderEventView.model_validate(step)
                for step in tx.orders.history(order.order_id)
            ],
        }
    )


def combo_view(tx: ExecutionTransaction, combo: Combo) -> ComboView:
    """Return orders that are one intent."""
    found = tx.combos.orders(combo.combo_id)
    return ComboView(
        combo_id=combo.combo_id,
        strategy=combo.strategy,
        status=combo.status,
        reason=combo.reason,
        market_time=combo.market_time,
        created_at=combo.created_at,
        finished_at=combo.finished_at,
        orders=[order_view(order) for order in found],
    )


def slippage(order: Order) -> float | None:
    """Return how much worse than decided it was filled, in basis points."""
    paid, decided = order.average_fill_price, order.decision_price
    if paid is None or not decided:
        return None
    worse = paid - decided if order.side == "buy" else decided - paid
    return float(worse / decided * 10_000)


def trade_view(trade: Trade) -> TradeView:
    """Return an execution."""
    return TradeView.model_validate(trade)


def cross_view(cross: Cross) -> TradeView:
    """Return shares that passed between two strategies' books as an execution."""
    return TradeView(
        trade_id=cross.trade_id,
        order_id=cross.order_id,
        symbol=cross.symbol,
        side=cross.side,
        quantity=cross.quantity,
        price=cross.price,
        cumulative_quantity=cross.quantity,
        fees=ZERO,
        timestamp=cross.timestamp,
        source="cross",
        strategy=cross.strategy,
    )


def ledger_view(entry: LedgerEntry) -> LedgerEntryView:
    """Return a ledger entry."""
    return LedgerEntryView.model_validate(entry)


def clock_view(reading: ClockReading, now: datetime) -> MarketClockView:
    """Return market time and session."""
    return MarketClockView(
        now=now,
        is_open=reading.is_open,
        next_open=reading.next_open,
        next_close=reading.next_close,
        speed=reading.speed,
    )


def position_views(tx: ExecutionTransaction, account_id: str) -> list[PositionView]:
    """Return open positions with the strategies that hold them."""
    holders: dict[str, list[str]] = {}
    for part in tx.books.parts(account_id):
        holders.setdefault(part.symbol, []).append(part.strategy)
    return [
        _position_view(position, ", ".join(holders.get(position.symbol, [])))
        for position in tx.books.positions(account_id)
    ]


def _position_view(position: Position, holders: str) -> PositionView:
    unrealized, cost = position.unrealized_pnl, abs(position.cost)
    fraction = None if unrealized is None or not cost else float(unrealized / cost)
    last, close = position.last_price, position.last_close
    return PositionView(
        symbol=position.symbol,
        strategy=holders or None,
        quantity=position.quantity,
        avg_price=position.avg_price,
        last_price=position.last_price,
        market_value=position.market_value,
        unrealized_pnl=unrealized,
        unrealized_fraction=fraction,
        realized_pnl=position.realized_pnl,
        day_change_fraction=float(last / close - 1) if last and close else None,
        opened_at=position.opened_at,
        entry_order_id=position.entry_order_id,
        marked_at=position.marked_at,
    )


def account_view(tx: ExecutionTransaction) -> AccountView:
    """Return the account: cash by the ledger, value by the last marks."""
    account_id = tx.account_id
    positions = tx.books.positions(account_id)
    values = [position.market_value or ZERO for position in positions]
    cash = tx.books.cash(account_id)
    equity = cash + sum(values, ZERO)
    last = tx.snapshots.latest(account_id)
    opened = tx.stream_state(account_id)
    before = _equity_before_the_session(tx, account_id)
    return AccountView(
        account_id=account_id,
        mode=tx.mode,
        cash=cash,
        equity=equity,
        last_equity=before,
        buying_power=last.buying_power if last is not None else None,
        long_value=sum((value for value in values if value > 0), ZERO),
        short_value=sum((value for value in values if value < 0), ZERO),
        unrealized_pnl=sum((p.unrealized_pnl or ZERO for p in positions), ZERO),
        realized_pnl=tx.books.realized(account_id),
        day_pnl=None if before is None or opened is None else equity - before,
        open_positions=len(positions),
        market_time=last.market_time if last is not None else None,
        as_of=last.taken_at if last is not None else None,
    )


def _equity_before_the_session(
    tx: ExecutionTransaction, account_id: str
) -> Decimal | None:
    """Return the equity at the close before the session at hand, or at the opening."""
    latest = tx.snapshots.latest(account_id)
    if latest is None:
        return None
    before = tx.snapshots.last_close(account_id, latest.market_time)
    return before.equity if before is not None else tx.snapshots.first(account_id)


def reconciliation_view(tx: ExecutionTransaction, run_id: UUID) -> ReconciliationView:
    """Return one comparison with its differences."""
    found = tx.reconciliations.differences([run_id])
    return _reconciliation_view(tx.reconciliations.get(run_id), found.get(run_id, []))


def reconciliation_views(
    tx: ExecutionTransaction, limit: int
) -> list[ReconciliationView]:
    """Return comparisons with their differences, newest first."""
    runs = tx.reconciliations.latest(limit)
    found = tx.reconciliations.differences([run.run_id for run in runs])
    return [_reconciliation_view(run, found.get(run.run_id, [])) for run in runs]


def _reconciliation_view(
    run: ReconciliationRun, differences: list[Difference]
) -> ReconciliationView:
    return ReconciliationView(
        run_id=run.run_id,
        started_at=run.started_at,
        finished_at=run.finished_at,
        clean=run.clean,
        complete=run.complete,
        summary=run.summary,
        differences=[DifferenceView.model_validate(found) for found in differences],
    )
