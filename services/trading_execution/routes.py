"""What execution answers over HTTP."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import Field

from trading_execution.domain.order_status import LIVE, TERMINAL, OrderStatus
from trading_execution.operations import (
    adjusting,
    combos,
    contract,
    fills,
    flatten,
    marks,
    orders,
    reconcile,
    replacing,
    resolve,
    submit,
    views,
)
from trading_execution.operations.desk import Desk
from trading_execution.repository import ExecutionTransaction
from trading_system.contracts.execution import (
    AccountView,
    AdjustmentRequest,
    CancelResult,
    ComboView,
    ContractCheckView,
    EquityPoint,
    ExecutionRunResult,
    HoldView,
    LedgerEntryView,
    MarketClockView,
    OrderView,
    PositionView,
    ReconciliationView,
    TradeView,
)
from trading_system.errors import Conflict, Unavailable
from trading_system.personal_tokens import RISK, TRADE
from trading_system.security import Caller, caller_of, requires
from trading_system.service import in_read_only, in_transaction
from trading_system.vocabulary import Instant, Model, Symbol, new_id

router = APIRouter(tags=["Execution"])


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _acting(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> str:
    return request.headers.get("X-Acting-User") or caller.name


Reading = Annotated[ExecutionTransaction, in_read_only]
Writing = Annotated[ExecutionTransaction, in_transaction]
At = Annotated[Desk, Depends(_desk)]
By = Annotated[str, Depends(_acting)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[UUID | None, Query(description="The last item of the page before.")]

STATES: dict[str, Iterable[OrderStatus] | None] = {
    "all": None,
    "open": LIVE,
    "closed": TERMINAL,
}


class FlattenDemand(Model):
    """Why every position is to be closed."""

    reason: str = Field(min_length=3, max_length=500)


class Release(Model):
    """Why a symbol, or the account (`*`), may trade again.

    With `holds` only those end: one that was placed since stays.
    """

    reason: str = Field(min_length=3, max_length=500)
    holds: list[int] | None = Field(default=None, min_length=1, max_length=100)


@router.get("/account", response_model=AccountView)
def read_account(tx: Reading) -> AccountView:
    """Return the account: cash by the ledger, value by the last marks."""
    return views.account_view(tx)


@router.get("/clock", response_model=MarketClockView)
def read_clock(desk: At) -> MarketClockView:
    """Return market time and session, as the broker tells them."""
    return views.clock_view(desk.clock.read(), desk.clock.now())


@router.get("/positions", response_model=list[PositionView])
def list_positions(tx: Reading) -> list[PositionView]:
    """List open positions."""
    return views.position_views(tx, tx.account_id)


@router.get("/orders", response_model=list[OrderView])
def list_orders(
    tx: Reading,
    state: Literal["all", "open", "closed"] = "all",
    symbol: Symbol | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> list[OrderView]:
    """List orders, newest first; go on with the last one's id as `cursor`."""
    last = tx.orders.get(cursor) if cursor is not None else None
    found = tx.orders.page(
        statuses=STATES[state],
        symbol=symbol,
        before=(last.timestamp, last.order_id) if last is not None else None,
        limit=limit,
    )
    return [views.order_view(order) for order in found]


@router.get("/orders/by-signal/{signal_id}", response_model=list[OrderView])
def list_orders_of_signal(tx: Reading, signal_id: UUID) -> list[OrderView]:
    """List the orders that a signal became, with their lives."""
    return [views.order_life(tx, order) for order in tx.orders.by_signal(signal_id)]


@router.get("/orders/{order_id}", response_model=OrderView)
def read_order(tx: Reading, order_id: UUID) -> OrderView:
    """Return an order with its attempts, executions and steps."""
    return views.order_life(tx, tx.orders.get(order_id))


@router.post(
    "/orders/cancel-all",
    response_model=list[CancelResult],
    dependencies=[requires(TRADE)],
)
def cancel_all_orders(desk: At, by: By) -> list[CancelResult]:
    """Ask for every open order to be canceled."""
    now, reason = _market_time(desk), f"canceled by {by}"
    with desk.database.transaction() as tx:
        tx.act_as(by, reason)
        wanted = orders.cancel_open(tx, tx.account_id, reason, now)
    _see_through(desk)
    return _cancel_results(desk, wanted)


@router.post(
    "/orders/{order_id}/cancel",
    response_model=CancelResult,
    dependencies=[requires(TRADE)],
)
def cancel_order(desk: At, order_id: UUID, by: By) -> CancelResult:
    """Ask for an order to be canceled; it may still be filled before it is."""
    now, reason = _market_time(desk), f"canceled by {by}"
    with desk.database.transaction() as tx:
        tx.act_as(by, reason)
        orders.request_cancel(tx, order_id, reason, now)
    _see_through(desk)
    return _cancel_results(desk, [order_id])[0]


@router.get("/combos", response_model=list[ComboView])
def list_combos(tx: Reading, limit: Limit = 20) -> list[ComboView]:
    """List orders that are one intent, newest first."""
    return [views.combo_view(tx, combo) for combo in tx.combos.latest(limit)]


@router.get("/combos/{combo_id}", response_model=ComboView)
def read_combo(tx: Reading, combo_id: UUID) -> ComboView:
    """Return orders that are one intent, and where they are."""
    return views.combo_view(tx, tx.combos.get(combo_id))


@router.get("/trades", response_model=list[TradeView])
def list_trades(
    tx: Reading,
    symbol: Symbol | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> list[TradeView]:
    """List executions, newest first; go on with the last one's id as `cursor`."""
    last = tx.trades.get(cursor) if cursor is not None else None
    before = (last.timestamp, last.trade_id) if last is not None else None
    found = tx.trades.latest(limit, symbol, before)
    return [views.trade_view(trade) for trade in found]


@router.get("/ledger", response_model=list[LedgerEntryView])
def list_ledger(
    tx: Reading,
    symbol: Symbol | None = None,
    limit: Limit = 100,
    cursor: int | None = None,
) -> list[LedgerEntryView]:
    """List ledger entries, newest first; go on with the last number as `cursor`."""
    found = tx.books.entries(limit, cursor, symbol)
    return [views.ledger_view(entry) for entry in found]


@router.post(
    "/adjustments", response_model=LedgerEntryView, dependencies=[requires(RISK)]
)
def adjust_books(
    desk: At,
    asked: AdjustmentRequest,
    by: By,
    idempotency_key: Annotated[str, Header(min_length=8, max_length=200)],
) -> LedgerEntryView:
    """Enter by hand what the books lack; the same key enters it once."""
    now = _market_time(desk)
    with desk.booking, desk.database.transaction() as tx:
        tx.act_as(by, asked.reason)
        return views.ledger_view(adjusting.adjust(tx, asked, idempotency_key, now))


@router.get("/equity", response_model=list[EquityPoint])
def list_equity(
    tx: Reading,
    start: Annotated[Instant | None, Query(alias="from")] = None,
    end: Annotated[Instant | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=50_000)] = 10_000,
) -> list[EquityPoint]:
    """List the account's value over market time, oldest first."""
    found = tx.snapshots.between(tx.account_id, start, end, limit)
    return [EquityPoint.model_validate(point, from_attributes=True) for point in found]


@router.post(
    "/execute", response_model=ExecutionRunResult, dependencies=[requires(TRADE)]
)
def execute_trades(desk: At) -> ExecutionRunResult:
    """Send approved orders that are still unsent."""
    _in_charge(desk)
    written = flatten.advance(desk)
    if desk.trust.doubted:
        return ExecutionRunResult(status="waiting for reconciliation")
    sent = submit.submit_ready(desk)
    while stepped := combos.advance(desk):
        sent += stepped + submit.submit_ready(desk)
    return ExecutionRunResult(
        status="done",
        examined=sent,
        changed=sent,
        detail={"flatten_orders": written},
        market_time=desk.clock.now(),
    )


@router.post(
    "/manage", response_model=ExecutionRunResult, dependencies=[requires(TRADE)]
)
def manage_orders(desk: At) -> ExecutionRunResult:
    """Look up what is unclear, see cancellations through, follow open orders."""
    _in_charge(desk)
    unclear, clear = resolve.resolve_unknown(desk)
    asked, ended = resolve.cancel_wanted(desk)
    replaced, gone = replacing.settle_replaced(desk)
    moved = resolve.follow(desk)
    booked = fills.catch_up(desk)
    return ExecutionRunResult(
        status="done",
        examined=unclear + asked + replaced,
        changed=clear + ended + gone + moved + booked,
        detail={
            "unclear": unclear,
            "resolved": clear,
            "to_cancel": asked,
            "canceled": ended,
            "replaced": gone,
            "moved_on": moved,
            "executions": booked,
        },
        market_time=desk.clock.now(),
    )


@router.post(
    "/positions/update",
    response_model=ExecutionRunResult,
    dependencies=[requires(TRADE)],
)
def update_positions(desk: At) -> ExecutionRunResult:
    """Book what is not booked yet, mark the positions, record the account's value."""
    _in_charge(desk)
    booked = fills.catch_up(desk) + fills.catch_up_activities(desk)
    marked = marks.mark(desk)
    return ExecutionRunResult(
        status="done",
        examined=1,
        changed=booked + marked,
        detail={"booked": booked, "marked": marked},
        market_time=desk.clock.now(),
    )


@router.post(
    "/reconcile", response_model=ReconciliationView, dependencies=[requires(TRADE)]
)
def reconcile_trades(desk: At) -> ReconciliationView:
    """Compare orders, executions, positions and cash with the broker's."""
    _in_charge(desk)
    result = reconcile.reconcile(desk, "on demand")
    with desk.database.read_only() as tx:
        return views.reconciliation_view(tx, result.run_id)


@router.get("/reconciliations", response_model=list[ReconciliationView])
def list_reconciliations(tx: Reading, limit: Limit = 20) -> list[ReconciliationView]:
    """List comparisons with the broker, newest first."""
    return views.reconciliation_views(tx, limit)


@router.get("/reconciliations/latest", response_model=ReconciliationView | None)
def latest_reconciliation(tx: Reading) -> ReconciliationView | None:
    """Return the newest comparison with the broker."""
    found = views.reconciliation_views(tx, 1)
    return found[0] if found else None


@router.get("/broker-contract", response_model=list[ContractCheckView])
def read_broker_contract(tx: Reading) -> list[ContractCheckView]:
    """List how the broker's endpoints answered when they were last looked at."""
    found = tx.contracts.all(tx.account_id)
    return [ContractCheckView.model_validate(each) for each in found]


@router.post(
    "/broker-contract/check",
    response_model=list[ContractCheckView],
    dependencies=[requires(TRADE)],
)
def check_broker_contract(desk: At) -> list[ContractCheckView]:
    """Hold an answer of each of the broker's endpoints against its stored shape."""
    _in_charge(desk)
    contract.check(desk)
    with desk.database.read_only() as tx:
        return read_broker_contract(tx)


@router.get("/holds", response_model=list[HoldView])
def list_holds(tx: Reading) -> list[HoldView]:
    """List the symbols whose orders do not leave, and why."""
    found = tx.reconciliations.holds(tx.account_id)
    return [HoldView.model_validate(hold) for hold in found]


@router.post(
    "/holds/{symbol}/release",
    response_model=list[HoldView],
    dependencies=[requires(RISK)],
)
def release_hold(tx: Writing, symbol: str, asked: Release, by: By) -> list[HoldView]:
    """Let a symbol, or the account (`*`), trade again; shows what is still held.

    To ask a second time for the same `holds` changes nothing.
    """
    tx.act_as(by, asked.reason)
    ended = tx.reconciliations.release(
        tx.account_id, symbol, by=by, reason=asked.reason, only=asked.holds
    )
    if not ended and asked.holds is None:
        raise Conflict(f"{symbol} is not on hold.")
    return [HoldView.model_validate(h) for h in tx.reconciliations.holds(tx.account_id)]


@router.post(
    "/flatten", response_model=ExecutionRunResult, dependencies=[requires(RISK)]
)
def flatten_positions(desk: At, asked: FlattenDemand, by: By) -> ExecutionRunResult:
    """Cancel every open order and close every position."""
    now = _market_time(desk)
    with desk.database.transaction() as tx:
        tx.act_as(by, asked.reason)
        flatten.request(tx, new_id(), tx.account_id, asked.reason, by, now)
        held = len(tx.books.positions(tx.account_id))
    return ExecutionRunResult(
        status="requested", examined=held, changed=held, market_time=now
    )


def _in_charge(desk: Desk) -> None:
    if not desk.in_charge():
        raise Conflict(
            "Another process is the executor.",
            remedy="Ask that one, or wait until it has ended.",
        )


def _market_time(desk: Desk) -> datetime:
    """Return market time; a wish must be recorded even when the broker is away."""
    try:
        return desk.clock.now()
    except Unavailable:
        with desk.database.read_only() as tx:
            last = tx.snapshots.latest(tx.account_id)
        if last is None:
            raise
        return last.market_time


def _see_through(desk: Desk) -> None:
    """Ask the broker at once where that is possible; the worker goes on with it."""
    if desk.in_charge():
        try:
            resolve.cancel_wanted(desk)
        except Unavailable:
            return


def _cancel_results(desk: Desk, order_ids: list[UUID]) -> list[CancelResult]:
    with desk.database.read_only() as tx:
        found = [tx.orders.get(order_id) for order_id in order_ids]
        return [
            CancelResult(
                order_id=order.order_id,
                status=order.status,
                detail=(
                    order.reason
                    if order.closed_at is not None
                    else "asked for; it may still be filled"
                ),
            )
            for order in found
        ]
