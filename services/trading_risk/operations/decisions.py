"""The one answer to each signal: sized, checked, stored and told."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy.exc import OperationalError

from trading_core.limits import CheckResult, Evaluation, Limits, evaluate
from trading_core.money import ZERO, BadNumber, Side, exact
from trading_core.sizing import order_quantity, target_quantity
from trading_risk.domain import CHECKS, LiveProposal
from trading_risk.domain.limits import OperationalLimit, market_limits, operational
from trading_risk.models import RiskOutcome
from trading_risk.operations.losses import (
    ACCOUNT,
    STRATEGY,
    begin_session,
    loss_day,
)
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.clock import utc_now
from trading_system.contracts.risk import OrderApproved, OrderDenied
from trading_system.contracts.strategy import SignalGenerated
from trading_system.database import connection_lost
from trading_system.vocabulary import (
    OrderType,
)
from trading_system.vocabulary import Side as OrderSide
from trading_system.vocabulary import TimeInForce, order_id, outcome_id, plain

MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class TradeRequest:
    """What is asked of risk: a strategy's signal, or an order by hand.

    Without a `quantity` the order is sized from the target. `event_id` is that of the
    event that asked, None when a person did just now.
    """

    signal_id: UUID
    correlation_id: UUID | None
    strategy: str
    symbol: str
    side: Side
    bar_end: datetime
    price: Decimal
    max_position_size: Decimal
    allow_short: bool
    may_trade: bool
    is_session_open: bool
    valid_until: datetime
    market_time: datetime
    event_id: UUID | None = None
    quantity: Decimal | None = None
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What the checks said, on what; no proposal when it could not be made."""

    evaluation: Evaluation
    proposal: LiveProposal | None


def request_of(signal: SignalGenerated) -> TradeRequest:
    """Return what a signal asks for."""
    return TradeRequest(
        signal_id=signal.signal_id,
        correlation_id=signal.correlation_id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        side="buy" if signal.side is OrderSide.BUY else "sell",
        bar_end=signal.bar_end,
        price=signal.decision_price,
        max_position_size=exact(signal.max_position_size),
        allow_short=signal.allow_short,
        may_trade=signal.may_trade,
        is_session_open=not signal.session_closed,
        valid_until=signal.valid_until,
        market_time=signal.market_time,
        event_id=signal.event_id,
    )


def decide(
    tx: RiskTransaction,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
) -> RiskOutcome:
    """Answer to a signal, once: a repeat returns the answer that is there.

    Decisions about one account follow each other, each with the approvals of those
    before it on its books, so that together they keep the limits.
    """
    tx.states.lock_account()
    known = tx.outcomes.find(request.signal_id)
    if known is not None:
        return known
    day = tx.session_day(market_time)
    begin_session(tx, day, market_time)
    judgement = _judge(tx, request, surroundings, market_time)
    evaluation = judgement.evaluation
    approved = evaluation.approved and judgement.proposal is not None
    order = order_id(request.signal_id) if approved else None
    tx.outcomes.add(
        {
            "signal_id": request.signal_id,
            "outcome_id": outcome_id(request.signal_id),
            "correlation_id": request.correlation_id,
            "order_id": order,
            "strategy": request.strategy,
            "symbol": request.symbol,
            "side": request.side,
            "bar_end": request.bar_end,
            "session_day": day,
            "outcome": "approved" if approved else "denied",
            "code": "" if approved else evaluation.code,
            "detail": evaluation.detail,
            "quantity": evaluation.quantity if approved else None,
            "decision_price": request.price,
            "equity": judgement.proposal and judgement.proposal.equity,
            "context": _context(judgement.proposal),
            "market_time": market_time,
        },
        [_row(place, each) for place, each in enumerate(evaluation.results)],
    )
    if order is not None and judgement.proposal is not None:
        _approve(tx, request, order, evaluation.quantity, judgement.proposal)
    else:
        _deny(tx, request, evaluation, market_time)
    return tx.outcomes.get(request.signal_id)


def decide_outstanding(
    tx: RiskTransaction, surroundings: Surroundings
) -> list[RiskOutcome]:
    """Answer to every signal that has no answer, and tidy the reservations."""
    tx.states.lock_account()
    tx.reservations.release_written()
    market_time = tx.market_time()
    return [
        decide(tx, request_of(signal), surroundings, market_time)
        for signal in tx.outcomes.unanswered()
    ]


def evaluation_of(
    tx: RiskTransaction,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
) -> Evaluation:
    """Return what the answer to a request would be; nothing is stored or held."""
    state = str(tx.states.shown())
    proposal, limits = _propose(tx, request, surroundings, market_time, state)
    return evaluate(proposal, limits, CHECKS)


def _judge(
    tx: RiskTransaction,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
) -> _Judgement:
    try:
        # A statement that fails leaves the rest of the transaction usable.
        with tx.session.begin_nested():
            state = tx.states.tradable()
            proposal, limits = _propose(tx, request, surroundings, market_time, state)
    except Exception as error:  # why: whatever fails here is a refusal with its reason
        if isinstance(error, OperationalError) or connection_lost(error):
            raise  # the database's trouble, not the signal's: it is tried again
        logger.exception("signal {} could not be judged", request.signal_id)
        return _Judgement(_failed(error), None)
    return _Judgement(evaluate(proposal, limits, CHECKS), proposal)


def _failed(error: Exception) -> Evaluation:
    code = "BAD_NUMBER" if isinstance(error, BadNumber) else "CHECK_FAILED"
    detail = f"{type(error).__name__}: {error}"[:500]
    check = CheckResult(
        name="facts_are_known",
        passed=False,
        value=None,
        limit=None,
        detail=detail,
        code=code,
        quantity_before=ZERO,
        quantity_after=ZERO,
    )
    return Evaluation(False, ZERO, (check,), code, detail)


def _propose(
    tx: RiskTransaction,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
    state: str,
) -> tuple[LiveProposal, Limits]:
    """Gather everything that the checks look at."""
    rows = tx.limits.all()
    limits = market_limits(rows)
    books = tx.books.read()
    symbol, strategy, side = request.symbol, request.strategy, request.side
    opposite = "sell" if side == "buy" else "buy"
    prices = tx.books.prices(
        {*books.symbols(), symbol}, request.bar_end, surroundings.feed
    )
    closes = tx.books.closes([symbol], request.bar_end, surroundings.feed)
    equity = books.equity(prices)
    day = tx.session_day(market_time)
    account_day = loss_day(tx, ACCOUNT, "", day, equity)
    profit = books.profit(strategy, prices)
    last = tx.loss_days.last(STRATEGY, strategy)
    base = last[0].base if last else equity - profit
    strategy_day = loss_day(tx, STRATEGY, strategy, day, base + profit)
    books_state, books_age = _books_state(tx)
    proposal = LiveProposal(
        strategy=strategy,
        symbol=symbol,
        side=side,
        quantity=_quantity(request, equity, books.worst(symbol, side, strategy)),
        price=request.price,
        equity=equity,
        buying_power=books.cash - books.committed(prices),
        gross_exposure=books.gross(prices),
        held=books.worst(symbol, side),
        max_position_size=request.max_position_size,
        is_session_open=request.is_session_open,
        allow_short=request.allow_short,
        # Orders by hand belong to no bar; their idempotency key guards them.
        is_repeated=request.quantity is None
        and tx.outcomes.is_repeated(strategy, symbol, side, request.bar_end, day),
        opposite=books.ordered(symbol, opposite),
        orders_this_bar=tx.outcomes.approved_at(day, request.bar_end),
        orders_today=tx.outcomes.approved_on(day),
        account_daily_loss=account_day.loss,
        account_drawdown=account_day.drawdown,
        strategy_daily_loss=strategy_day.loss,
        strategy_drawdown=strategy_day.drawdown,
        trading_state=state,
        is_kill_file_present=surroundings.kill_switch.is_pulled(),
        may_trade=request.may_trade,
        is_expired=market_time > request.valid_until,
        is_parked=tx.parked(symbol, request.event_id),
        strategy_halt=_strategy_halt(tx, strategy),
        books_state=books_state,
        books_age=books_age,
        max_books_age=operational(
            rows, OperationalLimit.MAX_BOOKS_AGE, strategy, symbol
        ),
        event_lag=_lag(tx, request),
        max_event_lag=operational(
            rows, OperationalLimit.MAX_EVENT_LAG, strategy, symbol
        ),
        reference_price=closes.get(symbol, ZERO),
        price_collar=operational(rows, OperationalLimit.PRICE_COLLAR, strategy, symbol),
    )
    return proposal, limits


def _quantity(request: TradeRequest, equity: Decimal, held: Decimal) -> Decimal:
    if request.quantity is not None:
        return request.quantity
    if equity <= 0:
        return ZERO
    target = target_quantity(equity, request.price, request.max_position_size)
    if not target and not held:
        return ZERO
    return order_quantity(request.side, target, held, request.allow_short)


def _books_state(tx: RiskTransaction) -> tuple[str, Decimal]:
    books = tx.states.books()
    if books is None:
        return "never compared with the broker's", ZERO
    age = utc_now() - books.completed_at
    state = "clean" if books.clean else books.summary or "not clean"
    return state, max(Decimal(str(age.total_seconds())), ZERO)


def _strategy_halt(tx: RiskTransaction, strategy: str) -> str:
    for breaker in tx.breakers.open():
        if (breaker.scope, breaker.scope_id) == (STRATEGY, strategy):
            return f"its {breaker.type} breaker has tripped"
    return ""


def _lag(tx: RiskTransaction, request: TradeRequest) -> Decimal:
    written = None if request.event_id is None else tx.written_at(request.event_id)
    if written is None:
        return ZERO
    return max(Decimal(str((utc_now() - written).total_seconds())), ZERO)


def _approve(
    tx: RiskTransaction,
    request: TradeRequest,
    order: UUID,
    quantity: Decimal,
    proposal: LiveProposal,
) -> None:
    reduces = proposal.is_reducing
    tx.reservations.add(
        order_id=order,
        strategy=request.strategy,
        symbol=request.symbol,
        side=request.side,
        quantity=quantity,
        price=request.limit_price or request.stop_price or request.price,
        reduces=reduces,
    )
    tx.publish(
        OrderApproved(
            correlation_id=request.correlation_id,
            outcome_id=outcome_id(request.signal_id),
            signal_id=request.signal_id,
            order_id=order,
            strategy=request.strategy,
            symbol=request.symbol,
            side=OrderSide(request.side),
            quantity=quantity,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            decision_price=request.price,
            reduces=reduces,
            valid_until=request.valid_until,
            market_time=request.market_time,
        )
    )


def _deny(
    tx: RiskTransaction,
    request: TradeRequest,
    evaluation: Evaluation,
    market_time: datetime,
) -> None:
    tx.publish(
        OrderDenied(
            correlation_id=request.correlation_id,
            outcome_id=outcome_id(request.signal_id),
            signal_id=request.signal_id,
            strategy=request.strategy,
            symbol=request.symbol,
            side=OrderSide(request.side),
            code=evaluation.code,
            detail=evaluation.detail,
            market_time=market_time,
        )
    )


def _row(place: int, each: CheckResult) -> dict[str, Any]:
    return {
        "position": place,
        "name": each.name,
        "code": each.code,
        "passed": each.passed,
        "value": None if each.value is None else plain(each.value),
        "limit": None if each.limit is None else plain(each.limit),
        "detail": each.detail,
        "quantity_before": _storable(each.quantity_before),
        "quantity_after": _storable(each.quantity_after),
    }


def _storable(quantity: Decimal) -> Decimal | None:
    return quantity if quantity.is_finite() else None


_SHOWN = (
    "equity",
    "buying_power",
    "gross_exposure",
    "held",
    "max_position_size",
    "account_daily_loss",
    "account_drawdown",
    "strategy_daily_loss",
    "strategy_drawdown",
    "reference_price",
)


def _context(proposal: LiveProposal | None) -> dict[str, Any]:
    if proposal is None:
        return {}
    numbers = {name: str(getattr(proposal, name)) for name in _SHOWN}
    return {**numbers, "trading_state": proposal.trading_state}
