"""Corporate actions: what they do to prices, positions, resting orders and cash.

An action takes effect when the pre-market of its ex-date begins; a dividend is paid
when that of its payable date does.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from paper_exchange import hours, instants, numbers
from paper_exchange.accounts import Account, Holding
from paper_exchange.floor import Floor
from paper_exchange.journal import Journal
from paper_exchange.market.interventions import Intervention
from paper_exchange.market.market import Market
from paper_exchange.numbers import CENT, NANO, ZERO
from paper_exchange.orders import Order
from paper_exchange.sessions import TradingDay
from trading_core.money import round_down, round_up

KINDS = ("split", "dividend", "rename", "delist")
ADVANCED = frozenset(("bracket", "oco", "oto"))


@dataclass(slots=True)
class CorporateAction:
    """One action: `value` is new shares for an old one, or dollars a share."""

    id: str
    kind: str
    symbol: str
    ex_date: str
    payable_date: str
    value: str = "1"
    new_symbol: str = ""
    is_done: bool = False

    @property
    def amount(self) -> Decimal:
        """The value as a number."""
        return Decimal(self.value)


@dataclass(slots=True)
class Payment:
    """A dividend that an account has earned and not received."""

    account: str
    symbol: str
    quantity: str
    rate: str
    payable_date: str


class CorporateActions:
    """Every action that was announced, and the dividends that are still to be paid."""

    def __init__(
        self,
        facts: Mapping[str, str],
        journal: Journal,
        market: Market,
        floor: Floor,
        accounts: Mapping[str, Account],
        intervene: Callable[[Intervention], None],
    ) -> None:
        known = json.loads(facts.get("corporate_actions", "[]"))
        self.announced = [CorporateAction(**action) for action in known]
        due = json.loads(facts.get("payments", "[]"))
        self._payments = [Payment(**payment) for payment in due]
        self._journal = journal
        self._market = market
        self._floor = floor
        self._accounts = accounts
        self._intervene = intervene

    def announce(self, action: CorporateAction) -> None:
        """Take an action; one without a future date acts at once."""
        self.announced.append(action)
        record = asdict(action)
        # A line's own `kind` says what it is of.
        what = {"action": record.pop("kind"), **record}
        self._journal.note("corporate_action", what)
        if action.ex_date <= instants.new_york_date(self._journal.now).isoformat():
            self._apply(action)
        self._keep()

    def begin(self, day: TradingDay) -> None:
        """Do what is due when a day begins."""
        today = day.day.isoformat()
        due = [
            one for one in self.announced if not one.is_done and one.ex_date <= today
        ]
        for action in due:
            self._apply(action)
        paid = [one for one in self._payments if one.payable_date <= today]
        for payment in paid:
            self._pay(payment, today)
        if due or paid:
            self._keep()

    def _keep(self) -> None:
        self._journal.fact(
            "corporate_actions", json.dumps([asdict(one) for one in self.announced])
        )
        self._journal.fact(
            "payments", json.dumps([asdict(one) for one in self._payments])
        )

    def _apply(self, action: CorporateAction) -> None:
        action.is_done = True
        if action.symbol not in self._market.listings:
            return
        effects: dict[str, Callable[[CorporateAction], None]] = {
            "split": self._split,
            "dividend": self._dividend,
            "rename": self._rename,
            "delist": self._delist,
        }
        effects[action.kind](action)

    def _orders(self, symbol: str) -> list[Order]:
        return [order for order in self._floor.open_orders if order.symbol == symbol]

    def _holders(self, symbol: str) -> list[tuple[Account, Holding]]:
        return [
            (account, account.holdings[symbol])
            for account in self._accounts.values()
            if symbol in account.holdings
        ]

    def _write(self, account: Account, action: CorporateAction, **more: Any) -> None:
        self._journal.account_changed(account)
        self._floor.open_orders.holding_changed(account, action.symbol)
        body = {
            "date": action.ex_date,
            "net_amount": "0",
            "symbol": action.symbol,
            "qty": None,
            "per_share_amount": None,
            "status": "executed",
            **more,
        }
        self._journal.activity(account, self._journal.stamp(), body)

    # Splits -----------------------------------------------------------------------

    def _split(self, action: CorporateAction) -> None:
        """Give `value` shares for each one; the price falls to match."""
        factor = float(1 / action.amount)
        self._intervene(Intervention("split", action.symbol, self._journal.now, factor))
        for account, holding in self._holders(action.symbol):
            before = holding.quantity
            holding.quantity = (before * action.amount).quantize(NANO, ROUND_DOWN)
            closing = account.closing_quantities
            if action.symbol in closing:
                closing[action.symbol] *= action.amount
            self._write(
                account,
                action,
                activity_type="SPLIT",
                description=f"{action.symbol} split {action.value} for 1",
                qty=numbers.text(holding.quantity - before),
            )
        for order in self._orders(action.symbol):
            if _stays(order):
                continue
            if order.type == "trailing_stop":
                self._floor.end(order, "canceled")
            else:
                self._rescale(order, action.amount)

    def _rescale(self, order: Order, ratio: Decimal) -> None:
        """Let a resting order mean the same in new shares."""
        if order.in_transit:
            # It was asked for in old ones.
            self._floor.end(order, "rejected")
            return
        if order.quantity is not None:
            step = NANO if order.quantity % 1 else Decimal(1)
            more = (order.remaining * ratio).quantize(step, ROUND_DOWN)
            if not more:
                self._floor.end(order, "canceled")
                return
            order.quantity = order.filled + more
        if order.limit_price is not None:
            order.limit_price = _tick(order.limit_price / ratio, order.is_buy)
        if order.stop_price is not None:
            order.stop_price = _tick(order.stop_price / ratio, not order.is_buy)
        order.updated_at = self._floor.stamp()
        self._floor.tell(order, "restated")

    # Dividends --------------------------------------------------------------------

    def _dividend(self, action: CorporateAction) -> None:
        """Let the price fall by the dividend, and note who has earned it."""
        price = self._market.mark(action.symbol, self._journal.now) or ZERO
        if price > action.amount:
            self._intervene(
                Intervention(
                    "dividend",
                    action.symbol,
                    self._journal.now,
                    float((price - action.amount) / price),
                )
            )
        for account, holding in self._holders(action.symbol):
            self._payments.append(
                Payment(
                    account.id,
                    action.symbol,
                    str(holding.quantity),
                    action.value,
                    action.payable_date,
                )
            )
        for order in self._orders(action.symbol):
            # As exchanges do: only orders below the market are lowered.
            name = "limit_price" if order.is_buy else "stop_price"
            old: Decimal | None = getattr(order, name)
            if (
                old is None
                or _stays(order)
                or order.type in ("trailing_stop", "stop_limit")
            ):
                continue
            if order.type != ("limit" if order.is_buy else "stop"):
                continue
            lowered = _tick(old - action.amount, True) if old > action.amount else ZERO
            if not lowered:
                self._floor.end(order, "canceled")
                continue
            setattr(order, name, lowered)
            order.updated_at = self._floor.stamp()
            self._floor.tell(order, "restated")

    def _pay(self, payment: Payment, today: str) -> None:
        """Pay a dividend to who held the shares; who was short pays it."""
        self._payments.remove(payment)
        account = self._accounts[payment.account]
        quantity, rate = Decimal(payment.quantity), Decimal(payment.rate)
        amount = (quantity * rate).quantize(
            CENT, ROUND_DOWN if quantity > 0 else ROUND_UP
        )
        account.cash += amount
        self._journal.account_changed(account)
        body = {
            "activity_type": "DIV",
            "date": today,
            "net_amount": numbers.text(amount),
            "description": f"Cash dividend of {payment.symbol}",
            "symbol": payment.symbol,
            "qty": numbers.text(quantity),
            "per_share_amount": numbers.text(rate),
            "status": "executed",
        }
        self._journal.activity(account, self._journal.stamp(), body)

    # Symbols ----------------------------------------------------------------------

    def _rename(self, action: CorporateAction) -> None:
        """Give a symbol another name; orders under the old one end."""
        for order in self._orders(action.symbol):
            self._floor.end(order, "canceled")
        self._intervene(
            Intervention(
                "rename",
                action.symbol,
                self._journal.now,
                new_symbol=action.new_symbol,
            )
        )
        for account in self._accounts.values():
            for watchlist in account.watchlists.values():
                watchlist["symbols"] = [
                    action.new_symbol if symbol == action.symbol else symbol
                    for symbol in watchlist["symbols"]
                ]
            self._journal.account_changed(account)
        for account, holding in self._holders(action.symbol):
            del account.holdings[action.symbol]
            account.holdings[action.new_symbol] = holding
            closing = account.closing_quantities
            if action.symbol in closing:
                closing[action.new_symbol] = closing.pop(action.symbol)
            self._write(
                account,
                action,
                activity_type="NC",
                description=f"{action.symbol} is now {action.new_symbol}",
            )

    def _delist(self, action: CorporateAction) -> None:
        """End a symbol's trading; positions stay at the last price."""
        for order in self._orders(action.symbol):
            self._floor.end(order, "canceled")
        self._intervene(Intervention("delist", action.symbol, self._journal.now))


def _stays(order: Order) -> bool:
    """Whether an action leaves an order alone: parts of a bracket, and day orders."""
    return order.order_class in ADVANCED or order.time_in_force != "gtc"


def _tick(price: Decimal, down: bool) -> Decimal:
    """Return a price on the tick, rounded so that the order asks for no worse."""
    return round_down(price) if down else round_up(price)


def next_date(market: Market, now: int) -> str:
    """Return the first trading day whose pre-market has not begun."""
    for day in market.sessions.between(
        instants.new_york_date(now), market.sessions.days[-1].day
    ):
        if hours.begin(day) > now:
            return day.day.isoformat()
    return market.sessions.days[-1].day.isoformat()
