"""What is asked of risk, and the facts it is judged by."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from trading_core.money import CENT, ZERO, Side, exact
from trading_core.sizing import order_quantity, target_quantity
from trading_risk.domain import LiveProposal
from trading_risk.domain.books import Books
from trading_risk.domain.limits import OperationalLimit, market_limits, operational
from trading_risk.domain.losses import LossDay
from trading_risk.domain.sitting import Sitting
from trading_risk.operations.losses import ACCOUNT, STRATEGY, loss_day
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.clock import utc_now
from trading_system.contracts.risk import ComboLeg
from trading_system.contracts.strategy import SignalGenerated
from trading_system.contracts.terms import OrderTerms
from trading_system.vocabulary import Side as OrderSide

MANUAL = "manual"

AT_MARKET = OrderTerms()
"""The terms of a strategy's order: at the market, for the day."""


@dataclass(frozen=True, slots=True)
class TradeRequest:
    """What is asked of risk: a strategy's signal, or an order by hand.

    Without a `quantity` the order is sized from the target. `event_id` is that of the
    event that asked, None when a person did just now. An order that `replaces` another
    is judged as if those of `instead_of` were not there.
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
    reduce_only: bool = False
    group_id: UUID | None = None
    legs: int = 1
    quantity: Decimal | None = None
    terms: OrderTerms = AT_MARKET
    replaces: UUID | None = None
    combo: ComboLeg | None = None
    instead_of: frozenset[UUID] = frozenset()

    @property
    def is_plain(self) -> bool:
        """Whether it is asked for as strategies ask: what is netted is that alone."""
        market = self.quantity is None and self.terms == AT_MARKET
        # A leg leaves whole, or its combo would not be what was asked for.
        return market and self.leg_of is None

    @property
    def leg_of(self) -> UUID | None:
        """The group without whose other legs it may not trade."""
        # What only closes needs no other.
        return None if self.reduce_only else self.group_id

    def terms_for(self, quantity: Decimal) -> OrderTerms:
        """Return the terms for what the checks have left of the quantity."""
        if self.terms.notional is None or quantity == self.quantity:
            return self.terms
        left = (quantity * self.price).quantize(CENT, ROUND_FLOOR)
        return self.terms.model_copy(update={"notional": left})


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
        reduce_only=signal.reduce_only,
        group_id=signal.group_id,
        legs=signal.legs,
    )


def sit(
    tx: RiskTransaction,
    bar_end: datetime,
    surroundings: Surroundings,
    market_time: datetime,
    state: str,
) -> Sitting:
    """Read the facts that all signals of a bar are judged by."""
    rows = tuple(tx.limits.all())
    books = tx.books.read()
    closes = tx.books.closes_at(bar_end, surroundings.feed)
    missing = set(books.symbols()) - closes.keys()
    older = tx.books.prices(missing, bar_end, surroundings.feed) if missing else {}
    prices = {**older, **closes}
    day = tx.session_day(market_time)
    compared = tx.states.books()
    if compared is None:
        books_state = "never compared with the broker's"
    else:
        books_state = "clean" if compared.clean else compared.summary or "not clean"
    orders_today, ordered = tx.outcomes.approved(day, bar_end)
    return Sitting(
        bar_end=bar_end,
        day=day,
        state=state,
        rows=rows,
        limits=market_limits(rows),
        books=books,
        prices=prices,
        closes=closes,
        account_day=loss_day(tx, ACCOUNT, "", day, books.equity(prices)),
        books_state=books_state,
        books_completed_at=None if compared is None else compared.completed_at,
        halted=dict.fromkeys(tx.paused(), "its entries are paused")
        | {
            breaker.scope_id: f"its {breaker.type} breaker has tripped"
            for breaker in tx.breakers.open()
            if breaker.scope == STRATEGY
        },
        parked=tx.parked(),
        locked=tx.locks.reasons(market_time),
        ordered=set(ordered),
        orders_this_bar=len(ordered),
        orders_today=orders_today,
    )


def complete(
    tx: RiskTransaction,
    sitting: Sitting,
    requests: Iterable[TradeRequest],
    surroundings: Surroundings,
) -> None:
    """Read what requests need beyond the facts of their bar, unless it is there."""
    symbols = {request.symbol for request in requests}
    if missing := symbols - sitting.closes.keys():
        sitting.closes |= tx.books.closes(missing, sitting.bar_end, surroundings.feed)
    for strategy in {request.strategy for request in requests}:
        if strategy not in sitting.strategy_days:
            sitting.strategy_days[strategy] = _strategy_day(tx, sitting, strategy)


def propose(
    tx: RiskTransaction,
    sitting: Sitting,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
    refused_leg: str = "",
) -> LiveProposal:
    """Put together everything that the checks look at."""
    symbol, strategy, side = request.symbol, request.strategy, request.side
    books, equity = sitting.books.without(request.instead_of), sitting.equity
    strategy_day = sitting.strategy_days[strategy]

    def limit(kind: OperationalLimit) -> Decimal:
        return operational(sitting.rows, kind, strategy, symbol)

    return LiveProposal(
        strategy=strategy,
        symbol=symbol,
        side=side,
        quantity=_quantity(request, equity, books.worst(symbol, side, strategy)),
        price=request.price,
        equity=equity,
        buying_power=books.cash - books.committed(sitting.prices),
        gross_exposure=books.gross(sitting.prices),
        held=books.worst(symbol, side),
        max_position_size=request.max_position_size,
        is_session_open=request.is_session_open,
        allow_short=request.allow_short,
        refused_leg=refused_leg,
        # Orders by hand belong to no bar; their idempotency key guards them.
        is_repeated=request.quantity is None
        and (strategy, symbol, side) in sitting.ordered,
        opposite=_opposite(sitting, books, request),
        orders_this_bar=sitting.orders_this_bar,
        orders_today=sitting.orders_today,
        account_daily_loss=sitting.account_day.loss,
        account_drawdown=sitting.account_day.drawdown,
        strategy_daily_loss=strategy_day.loss,
        strategy_drawdown=strategy_day.drawdown,
        trading_state=sitting.state,
        is_kill_file_present=surroundings.kill_switch.is_pulled(),
        may_trade=request.may_trade,
        is_expired=market_time > request.valid_until,
        is_parked=sitting.is_parked(symbol, request.event_id),
        symbol_lock=sitting.locked.get(symbol, ""),
        strategy_halt=sitting.halted.get(strategy, ""),
        books_state=sitting.books_state,
        books_age=_since(sitting.books_completed_at),
        max_books_age=limit(OperationalLimit.MAX_BOOKS_AGE),
        event_lag=_since(tx.written_at(request.event_id)),
        max_event_lag=limit(OperationalLimit.MAX_EVENT_LAG),
        reference_price=sitting.closes.get(symbol, ZERO),
        price_collar=limit(OperationalLimit.PRICE_COLLAR),
    )


def _opposite(sitting: Sitting, books: Books, request: TradeRequest) -> Decimal:
    other: Side = "sell" if request.side == "buy" else "buy"
    ordered = books.ordered(request.symbol, other)
    if not request.is_plain:
        return ordered
    return ordered - sitting.netted(request.symbol, other, request.strategy)


def _strategy_day(tx: RiskTransaction, sitting: Sitting, strategy: str) -> LossDay:
    profit = sitting.books.profit(strategy, sitting.prices)
    last = tx.loss_days.last(STRATEGY, strategy)
    base = last[0].base if last else sitting.equity - profit
    return loss_day(tx, STRATEGY, strategy, sitting.day, base + profit)


def _quantity(request: TradeRequest, equity: Decimal, held: Decimal) -> Decimal:
    if request.quantity is not None:
        return request.quantity
    if equity <= 0:
        return ZERO
    target = target_quantity(equity, request.price, request.max_position_size)
    if not target and not held:
        return ZERO
    return order_quantity(
        request.side, target, held, request.allow_short, request.reduce_only
    )


def _since(moment: datetime | None) -> Decimal:
    if moment is None:
        return ZERO
    return max(Decimal(str((utc_now() - moment).total_seconds())), ZERO)
