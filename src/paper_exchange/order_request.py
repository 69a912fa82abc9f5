"""An order as a client asks for it, read and checked without looking at the market."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

from paper_exchange import numbers
from paper_exchange.errors import invalid, malformed, unprocessable
from trading_core.matching import OrderType, TimeInForce
from trading_core.money import Side

LONGEST_CLIENT_ID = 128
CLASSES = ("", "simple", "bracket", "oco", "oto")
INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
SIDES = frozenset(get_args(Side))
TYPES = {str(one): one for one in OrderType}
TIMES_IN_FORCE = {str(one): one for one in TimeInForce}
# Fields of a request, and what a client calls them.
NUMBERS = (
    ("quantity", "qty"),
    ("notional", "notional"),
    ("limit_price", "limit_price"),
    ("stop_price", "stop_price"),
    ("trail_price", "trail_price"),
    ("trail_percent", "trail_percent"),
)
PENNY_TICK, TICK = Decimal("0.0001"), Decimal("0.01")


@dataclass(frozen=True, slots=True)
class StopLoss:
    """The protective part of a bracket: a stop, or a stop limit."""

    stop_price: Decimal
    limit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client wants to trade."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    client_order_id: str | None = None
    order_class: str = ""
    take_profit: Decimal | None = None
    stop_loss: StopLoss | None = None
    position_intent: str | None = None

    @property
    def is_advanced(self) -> bool:
        """Whether it has parts that act on each other."""
        return self.order_class in ("bracket", "oco", "oto")

    @property
    def is_fractional(self) -> bool:
        """Whether it asks for a part of a share, or for dollars."""
        if self.notional is not None:
            return True
        return self.quantity is not None and self.quantity % 1 != 0


def closing(symbol: str, held: Decimal, quantity: Decimal) -> OrderRequest:
    """Return a request to close so many shares of a holding at the market."""
    return OrderRequest(
        symbol=symbol,
        side="sell" if held > 0 else "buy",
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=quantity,
    )


def read(body: Any) -> OrderRequest:
    """Return the request in a JSON body."""
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    side = _text(body, "side")
    if side not in SIDES:
        raise invalid("invalid side")
    kind = _text(body, "type") or _text(body, "order_type")
    if kind not in TYPES:
        raise invalid("invalid order type" if kind else "type is required")
    force = _text(body, "time_in_force")
    if force not in TIMES_IN_FORCE:
        raise invalid("invalid time_in_force")
    order_class = _text(body, "order_class")
    if order_class not in CLASSES:
        raise invalid("invalid order_class")
    intent = _text(body, "position_intent")
    if intent and intent not in INTENTS:
        raise invalid("invalid position_intent")
    client_order_id = _text(body, "client_order_id")
    if len(client_order_id) > LONGEST_CLIENT_ID:
        raise invalid(
            f"client_order_id must be no more than {LONGEST_CLIENT_ID} characters"
        )
    extended = body.get("extended_hours")
    if extended not in (None, True, False):
        raise invalid("invalid extended_hours")
    request = OrderRequest(
        symbol=_text(body, "symbol"),
        side="buy" if side == "buy" else "sell",
        type=TYPES[kind],
        time_in_force=TIMES_IN_FORCE[force],
        **{name: numbers.read(key, body[key]) for name, key in NUMBERS if key in body},
        extended_hours=bool(extended),
        client_order_id=client_order_id or None,
        order_class=order_class,
        take_profit=_take_profit(body.get("take_profit")),
        stop_loss=_stop_loss(body.get("stop_loss")),
        position_intent=intent or None,
    )
    for rule in RULES:
        rule(request)
    return request


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"invalid {name}: it must be a text")
    return value


def _part(name: str, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid(f"invalid {name}: it must be an object")
    return value


def _take_profit(value: Any) -> Decimal | None:
    part = _part("take_profit", value)
    if part is None:
        return None
    return numbers.read("take_profit.limit_price", part.get("limit_price"))


def _stop_loss(value: Any) -> StopLoss | None:
    part = _part("stop_loss", value)
    if part is None:
        return None
    stop = numbers.read("stop_loss.stop_price", part.get("stop_price"))
    limit = numbers.read("stop_loss.limit_price", part.get("limit_price"))
    return None if stop is None else StopLoss(stop, limit)


def has_a_symbol(request: OrderRequest) -> None:
    """A symbol is needed."""
    if not request.symbol:
        raise invalid("symbol is required")


def has_one_size(request: OrderRequest) -> None:
    """Exactly one of shares and dollars, above zero."""
    if request.quantity is None and request.notional is None:
        raise invalid("qty or notional is required")
    if request.quantity is not None and request.notional is not None:
        raise invalid("only one of qty or notional is accepted")
    if request.quantity is not None and request.quantity <= 0:
        raise invalid("qty must be > 0")
    if request.notional is not None and request.notional <= 0:
        raise invalid("notional must be > 0")


def has_the_prices_of_its_type(request: OrderRequest) -> None:
    """Every price a type needs, and none it has no use for."""
    limit, stop = request.limit_price, request.stop_price
    # An OCO's own limit may be given as its take-profit only.
    if request.order_class == "oco" and limit is None:
        limit = request.take_profit
    kind = request.type
    if kind is OrderType.MARKET and (limit is not None or stop is not None):
        raise invalid("market orders require no stop or limit price")
    if kind is OrderType.LIMIT and limit is None:
        raise invalid("limit orders require a limit price")
    if kind is OrderType.LIMIT and stop is not None:
        raise invalid("limit orders require no stop price")
    if kind is OrderType.STOP and stop is None:
        raise invalid("stop orders require a stop price")
    if kind is OrderType.STOP and limit is not None:
        raise invalid("stop orders require no limit price")
    if kind is OrderType.STOP_LIMIT and (limit is None or stop is None):
        raise invalid("stop limit orders require both stop and limit price")
    for name, price in (("limit", limit), ("stop", stop)):
        if price is not None and price <= 0:
            raise invalid(f"{name} price must be > 0")
    trails = (request.trail_price is not None) + (request.trail_percent is not None)
    if kind is OrderType.TRAILING_STOP:
        if trails != 1:
            raise invalid(
                "trailing stop orders must specify one of trail_price or trail_percent"
            )
        if request.trail_price is not None and request.trail_price <= 0:
            raise invalid("trail_price must be > 0")
        if request.trail_percent is not None and request.trail_percent < Decimal("0.1"):
            raise invalid("trail_percent must be >= 0.1")
    elif trails:
        raise invalid("only trailing stop orders accept a trail")


def prices_are_on_the_tick(request: OrderRequest) -> None:
    """Two decimals from $1 upwards, four below."""
    loss = request.stop_loss
    named = (
        ("limit_price", request.limit_price),
        ("stop_price", request.stop_price),
        ("take_profit.limit_price", request.take_profit),
        ("stop_loss.stop_price", None if loss is None else loss.stop_price),
        ("stop_loss.limit_price", None if loss is None else loss.limit_price),
    )
    for name, price in named:
        if price is None:
            continue
        if price <= 0:
            raise invalid(f"{name} must be > 0")
        if price % (TICK if price >= 1 else PENNY_TICK):
            raise unprocessable(
                f"invalid {name} {numbers.text(price)}. sub-penny increment does not "
                "fulfill minimum pricing criteria"
            )


def time_in_force_suits_the_type(request: OrderRequest) -> None:
    """Stops wait; auctions take market and limit orders only."""
    waits = request.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
    if not waits and request.type not in (OrderType.MARKET, OrderType.LIMIT):
        raise invalid(
            f"{request.type} orders require time_in_force day or gtc"
            if request.type is OrderType.TRAILING_STOP
            else "invalid time_in_force"
        )


def extended_hours_suit_it(request: OrderRequest) -> None:
    """Outside the session only simple limit orders trade."""
    if request.extended_hours and (
        request.type is not OrderType.LIMIT
        or request.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC)
        or request.is_advanced
    ):
        raise unprocessable("extended hours order must be DAY or GTC limit orders")


def fractions_suit_it(request: OrderRequest) -> None:
    """Parts of shares are for simple orders of the day."""
    if not request.is_fractional:
        return
    if request.time_in_force is not TimeInForce.DAY:
        raise unprocessable("fractional orders must be DAY orders")
    if request.is_advanced:
        raise unprocessable("fractional orders must be simple orders")
    if request.type is OrderType.TRAILING_STOP:
        raise unprocessable(
            "fractional orders must be market, limit, stop, or stop_limit orders"
        )


def parts_suit_the_class(request: OrderRequest) -> None:
    """Each class has its parts, and simple orders have none."""
    name, profit, loss = request.order_class, request.take_profit, request.stop_loss
    if name in ("bracket", "oco"):
        if profit is None:
            raise invalid(f"{name} orders require take_profit.limit_price")
        if loss is None:
            raise invalid(f"{name} orders require stop_loss.stop_price")
    if name == "oco" and request.type is not OrderType.LIMIT:
        raise invalid("oco orders must be limit orders")
    if name == "oto" and (profit is None) == (loss is None):
        raise invalid("oto orders require one of take_profit or stop_loss")
    if request.is_advanced:
        if request.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
            raise invalid(f'{name} orders support only "day" or "gtc" time_in_force')
        if request.type is OrderType.TRAILING_STOP:
            raise invalid("trailing stop orders must be simple orders")
    elif profit is not None or loss is not None:
        raise invalid("simple orders have no take_profit or stop_loss")


RULES = (
    has_a_symbol,
    has_one_size,
    has_the_prices_of_its_type,
    prices_are_on_the_tick,
    time_in_force_suits_the_type,
    extended_hours_suit_it,
    fractions_suit_it,
    parts_suit_the_class,
)
