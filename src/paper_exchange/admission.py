"""What an order must pass before the market sees it: an ordered list of rules."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from paper_exchange import numbers, valuation
from paper_exchange.accounts import Account
from paper_exchange.errors import ApiError, forbidden, invalid, unprocessable
from paper_exchange.instants import HOUR, MINUTE
from paper_exchange.market.market import Market
from paper_exchange.numbers import ZERO
from paper_exchange.open_orders import OpenOrders
from paper_exchange.order_request import OrderRequest
from paper_exchange.orders import Order
from trading_core.matching import OrderType, TimeInForce
from trading_core.money import Side

LEAST_NOTIONAL = Decimal(1)
OPG_LAST = 2 * MINUTE
CLS_LAST = 10 * MINUTE
AUCTION_FIRST = 19 * HOUR


@dataclass(frozen=True, slots=True)
class Proposal:
    """An order that wants in, and everything it is judged by.

    `reserved` are the dollars that all open orders of the account bind. `instead_of` is
    the order it replaces, whose reservation it takes over.
    """

    request: OrderRequest
    account: Account
    open_orders: OpenOrders
    reserved: Decimal
    market: Market
    now: int
    instead_of: Order | None = None

    def others(self, side: Side) -> list[Order]:
        """Return open orders of the symbol, without the one that is replaced."""
        found = self.open_orders.of_side(self.account, self.request.symbol, side)
        return [order for order in found if order is not self.instead_of]

    @property
    def opposite(self) -> list[Order]:
        """Open orders on the other side of the same symbol."""
        return self.others("sell" if self.request.side == "buy" else "buy")

    @property
    def held(self) -> Decimal:
        """Shares held, negative when short."""
        return self.account.quantity(self.request.symbol)

    @property
    def mark(self) -> Decimal | None:
        """The last price."""
        return self.market.mark(self.request.symbol, self.now)

    @property
    def quantity(self) -> Decimal:
        """Shares wanted; what dollars would buy now when dollars are given."""
        if self.request.quantity is not None:
            return self.request.quantity
        return (self.request.notional or ZERO) / (self.mark or Decimal(1))

    @property
    def closes(self) -> bool:
        """Whether it gives up what is held."""
        return self.held < 0 if self.request.side == "buy" else self.held > 0

    @property
    def closes_all(self) -> bool:
        """Whether it gives up all of it."""
        return self.closes and self.quantity == abs(self.held)


Rule = Callable[[Proposal], None]


def account_may_trade(proposal: Proposal) -> None:
    """The owner can suspend trading."""
    if proposal.account.settings["suspend_trade"]:
        raise forbidden("new orders are rejected by user request")


def asset_is_known(proposal: Proposal) -> None:
    """Only listed symbols trade."""
    symbol = proposal.request.symbol
    if symbol not in proposal.market.listings:
        raise unprocessable(f'asset "{symbol[:40]}" not found')
    if not proposal.market.is_active(symbol):
        raise invalid(f"asset {symbol} is not active")


def intent_is_true(proposal: Proposal) -> None:
    """A stated intent must be the one that the position gives."""
    stated = proposal.request.position_intent
    inferred = position_intent(proposal.request, proposal.held)
    if stated and stated != inferred:
        raise unprocessable(
            f"position intent mismatch, inferred: {inferred}, specified: {stated}"
        )


def has_a_price(proposal: Proposal) -> None:
    """Nothing trades before its first price."""
    if proposal.mark is None:
        raise forbidden(
            "order has been rejected due to no available quote for symbol: "
            f"{proposal.request.symbol}"
        )


def fractions_are_wanted(proposal: Proposal) -> None:
    """The owner can do without parts of shares, and some assets have none."""
    wanted = proposal.account.settings["fractional_trading"]
    if not proposal.request.is_fractional or proposal.closes_all:
        return
    if not wanted:
        raise forbidden("account is not allowed to trade fractional shares")
    symbol = proposal.request.symbol
    if not proposal.market.terms_of(symbol).fractionable:
        raise forbidden(f'asset "{symbol}" is not fractionable')


def is_worth_a_dollar(proposal: Proposal) -> None:
    """A fraction must cost at least a dollar."""
    if not proposal.request.is_fractional:
        return
    cost = proposal.request.notional or proposal.quantity * (proposal.mark or ZERO)
    if cost < LEAST_NOTIONAL and not proposal.closes_all:
        raise forbidden("cost basis must be >= minimal amount of order 1")


def auction_is_ahead(proposal: Proposal) -> None:
    """Orders for the open and the close have their hours."""
    request, now = proposal.request, proposal.now
    sessions = proposal.market.sessions
    day = sessions.begun(now)
    open_day = sessions.open_at(now)
    evening = day is not None and now >= day.midnight + AUCTION_FIRST
    if request.time_in_force is TimeInForce.OPG:
        if not evening and (
            open_day is not None
            or sessions.next_open(now) - now <= OPG_LAST
            or (day is not None and now >= day.close)
        ):
            raise forbidden(
                "opg orders must be submitted after 7:00pm and before 9:28am"
            )
    if request.time_in_force is TimeInForce.CLS and not evening:
        too_late = day is not None and day.close - CLS_LAST <= now
        if too_late:
            raise forbidden(
                "cls orders must be submitted after 7:00pm and before 3:50pm"
            )


def stop_is_ahead(proposal: Proposal) -> None:
    """A stop that the price has passed already would be a market order."""
    request, mark = proposal.request, proposal.mark or ZERO
    replaced = proposal.instead_of
    if request.stop_price is None or (replaced is not None and replaced.triggered):
        return
    sells = request.side == "sell"
    passed = request.stop_price >= mark if sells else request.stop_price <= mark
    if passed:
        raise unprocessable(
            f"stop price must be {'less' if sells else 'greater'} than current price",
            market_price=numbers.text(mark),
            stop_price=numbers.text(request.stop_price),
        )


def does_not_trade_with_itself(proposal: Proposal) -> None:
    """No order may meet one of the same account on the other side.

    Trailing stops may, and so may the parts of one advanced order; a new advanced order
    is what the broker asks for instead.
    """
    request = proposal.request
    if request.is_advanced or request.type is OrderType.TRAILING_STOP:
        return
    for order in proposal.opposite:
        # The exits of an entry that waits are not in the market yet.
        if order.type == "trailing_stop" or order.status == "held":
            continue
        theirs_limited = order.type in ("limit", "stop_limit")
        ours_limited = request.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        if theirs_limited and ours_limited:
            buy, sell = request.limit_price, order.limit_price
            if request.side == "sell":
                buy, sell = sell, buy
            if (buy or ZERO) < (sell or ZERO):
                continue
        kind = "stop" if "stop" in order.type else order.type
        raise forbidden(
            "potential wash trade detected. use complex orders",
            existing_order_id=order.id,
            reject_reason=f"opposite side {kind} order exists",
        )


def short_sale_is_allowed(proposal: Proposal) -> None:
    """What is sold must be there, or be sold short as a whole number of shares."""
    request, held = proposal.request, proposal.held
    if request.side != "sell" or held > 0:
        return
    if request.order_class == "oco":
        raise unprocessable("oco orders must be exit orders")
    if request.is_fractional:
        raise unprocessable("fractional orders cannot be sold short")
    terms = proposal.market.terms_of(request.symbol)
    # What is hard to borrow needs a locate, which paper accounts do not have.
    if not (terms.shortable and terms.easy_to_borrow):
        raise unprocessable(f"asset {request.symbol} cannot be sold short")
    multiplier = valuation.value(
        proposal.account, proposal.market, proposal.now
    ).multiplier
    if proposal.account.settings["no_shorting"] or multiplier == 1:
        raise forbidden("account is not allowed to short")
    if held == 0 and proposal.opposite:
        raise forbidden("cannot open a short sell while a long buy order is open")


def shares_are_free(proposal: Proposal) -> None:
    """A closing order may not take more than is left by the others, nor turn around."""
    request, held = proposal.request, proposal.held
    if not proposal.closes:
        return
    others = proposal.others(request.side)
    taken = valuation.held_for_orders(others, request.symbol, request.side)
    available = max(ZERO, abs(held) - taken)
    quantity = proposal.quantity
    if request.notional is not None:
        quantity = min(quantity, available) if available else quantity
    if quantity > available:
        raise forbidden(
            "insufficient qty available for order (requested: "
            f"{numbers.text(quantity)}, available: {numbers.text(available)})",
            available=numbers.text(available),
            existing_qty=numbers.text(abs(held)),
            held_for_orders=numbers.text(taken),
            symbol=request.symbol,
            related_orders=[order.id for order in others],
        )


def no_long_over_a_short_sale(proposal: Proposal) -> None:
    """No buying while a short sale of the symbol rests."""
    if proposal.request.side != "buy" or proposal.held != 0:
        return
    for order in proposal.opposite:
        if order.order_class not in ("bracket", "oco", "oto"):
            raise forbidden("cannot open a long buy while a short sell order is open")


def is_affordable(proposal: Proposal) -> None:
    """What opens a position must fit into the buying power."""
    request = proposal.request
    if proposal.closes:
        return
    price = valuation.opening_price(request, proposal.market, proposal.now)
    cost = request.notional or proposal.quantity * price
    reserved = proposal.reserved
    if proposal.instead_of is not None:
        reserved -= valuation.reserved(
            proposal.instead_of, proposal.account, proposal.market, proposal.now
        )
    value = valuation.value(proposal.account, proposal.market, proposal.now, reserved)
    if value.may_only_close:
        raise forbidden(
            "account is restricted to closing transactions: its positions exceed "
            "600% of its equity"
        )
    power = value.buying_power
    if cost > power:
        raise forbidden(
            "insufficient buying power",
            buying_power=numbers.money(power),
            cost_basis=numbers.money(cost),
        )


def exits_straddle_the_price(proposal: Proposal) -> None:
    """The profit lies on one side of the price, the stop on the other."""
    request = proposal.request
    if not request.is_advanced:
        return
    exits_sell = (request.side == "buy") != (request.order_class == "oco")
    profit, loss = request.take_profit, request.stop_loss
    if request.order_class == "oco":
        profit = profit or request.limit_price
    base = profit if request.order_class == "oco" else request.limit_price
    mark = proposal.mark or ZERO
    base = base or mark
    cent = Decimal("0.01")
    # A stop that the market has passed would be elected at once.
    behind = min(base, mark) if exits_sell else max(base, mark)
    if loss is not None and exits_sell and loss.stop_price > behind - cent:
        raise _exit_error("stop_loss.stop_price must be <= base_price - 0.01", behind)
    if loss is not None and not exits_sell and loss.stop_price < behind + cent:
        raise _exit_error("stop_loss.stop_price must be >= base_price + 0.01", behind)
    if profit is None or request.order_class == "oco":
        return
    if exits_sell and profit < base + cent:
        raise _exit_error("take_profit.limit_price must be >= base_price + 0.01", base)
    if not exits_sell and profit > base - cent:
        raise _exit_error("take_profit.limit_price must be <= base_price - 0.01", base)


def _exit_error(message: str, base: Decimal) -> ApiError:
    return unprocessable(message, base_price=numbers.text(base))


def oco_is_an_exit(proposal: Proposal) -> None:
    """An OCO closes what is there."""
    if proposal.request.order_class == "oco" and not proposal.closes:
        raise unprocessable("oco orders must be exit orders")


RULES: tuple[Rule, ...] = (
    account_may_trade,
    asset_is_known,
    has_a_price,
    intent_is_true,
    fractions_are_wanted,
    is_worth_a_dollar,
    auction_is_ahead,
    oco_is_an_exit,
    exits_straddle_the_price,
    stop_is_ahead,
    does_not_trade_with_itself,
    short_sale_is_allowed,
    no_long_over_a_short_sale,
    shares_are_free,
    is_affordable,
)


def admit(proposal: Proposal) -> None:
    """Let an order in, or raise what is wrong with it."""
    for rule in RULES:
        rule(proposal)


def position_intent(request: OrderRequest, held: Decimal) -> str:
    """Return whether an order opens or closes."""
    closes = held < 0 if request.side == "buy" else held > 0
    return f"{request.side}_to_{'close' if closes else 'open'}"


def unique_client_id(taken: bool) -> None:
    """A client's id names one order for ever."""
    if taken:
        raise invalid("client_order_id must be unique")


def details(error: ApiError) -> dict[str, Any]:
    """Return what the tape keeps of a refusal."""
    return {"status": error.status, **error.body()}
