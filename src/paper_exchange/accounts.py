"""Accounts: cash, positions and what may be bought with them."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from paper_exchange import margin
from paper_exchange.margin import Standing
from paper_exchange.numbers import ZERO
from trading_core.money import Side


@dataclass(slots=True)
class Holding:
    """Shares of one symbol, negative when short, and what they cost."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    """Signed like the quantity: average entry price times shares."""

    @property
    def average_price(self) -> Decimal:
        """The mean price at which the shares were taken on."""
        return self.cost / self.quantity

    def apply(self, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Take on or give up shares; those given up leave at the average cost."""
        change = quantity if side == "buy" else -quantity
        if self.quantity * change >= 0:
            self.cost += change * price
        elif abs(change) <= abs(self.quantity):
            self.cost += change * self.average_price
        else:
            self.cost = (self.quantity + change) * price
        self.quantity += change
        if not self.quantity:
            self.cost = ZERO


@dataclass(slots=True)
class Account:
    """One account, its keys, its money and its settings."""

    id: str
    number: str
    key: str
    secret: str
    created_at: int
    starting_cash: Decimal
    cash: Decimal
    holdings: dict[str, Holding] = field(default_factory=dict)
    closing_equity: list[tuple[str, Decimal]] = field(default_factory=list)
    """Equity at the last closes: New York date and dollars, oldest first."""
    closing_quantities: dict[str, Decimal] = field(default_factory=dict)
    """Shares held at the last close, by symbol."""
    closing_maintenance: Decimal = ZERO
    """Maintenance margin at the last close, in dollars."""
    unbilled: list[tuple[Side, Decimal, Decimal]] = field(default_factory=list)
    """Side, quantity and price of executions whose fees are not booked yet."""
    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "fractional_trading": True,
            "max_margin_multiplier": "4",
            "max_options_trading_level": None,
            "no_shorting": False,
            "suspend_trade": False,
            "trade_confirm_email": "all",
            "ptp_no_exception_entry": False,
            "disable_overnight_trading": False,
        }
    )
    watchlists: dict[str, dict[str, Any]] = field(default_factory=dict)
    standing: Standing = field(default_factory=Standing)

    def quantity(self, symbol: str) -> Decimal:
        """Return the shares held of a symbol, negative when short."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else ZERO

    def apply(self, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Book one execution."""
        holding = self.holdings.setdefault(symbol, Holding())
        holding.apply(side, quantity, price)
        if not holding.quantity:
            del self.holdings[symbol]
        value = quantity * price
        self.cash += -value if side == "buy" else value

    def record(self) -> dict[str, Any]:
        """Return everything that must be kept, for the store."""
        return {
            "id": self.id,
            "number": self.number,
            "key": self.key,
            "secret": self.secret,
            "created_at": self.created_at,
            "starting_cash": str(self.starting_cash),
            "cash": str(self.cash),
            "holdings": {
                symbol: [str(holding.quantity), str(holding.cost)]
                for symbol, holding in self.holdings.items()
            },
            "closing_equity": [[day, str(value)] for day, value in self.closing_equity],
            "closing_quantities": {
                symbol: str(quantity)
                for symbol, quantity in self.closing_quantities.items()
            },
            "closing_maintenance": str(self.closing_maintenance),
            "unbilled": [
                [side, str(quantity), str(price)]
                for side, quantity, price in self.unbilled
            ],
            "settings": self.settings,
            "watchlists": self.watchlists,
            "standing": self.standing.record(),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Account":
        """Return the account that `record` wrote."""
        return cls(
            id=record["id"],
            number=record["number"],
            key=record["key"],
            secret=record["secret"],
            created_at=record["created_at"],
            starting_cash=Decimal(record["starting_cash"]),
            cash=Decimal(record["cash"]),
            holdings={
                symbol: Holding(Decimal(quantity), Decimal(cost))
                for symbol, (quantity, cost) in record["holdings"].items()
            },
            closing_equity=[
                (day, Decimal(value)) for day, value in record["closing_equity"]
            ],
            closing_quantities={
                symbol: Decimal(quantity)
                for symbol, quantity in record["closing_quantities"].items()
            },
            closing_maintenance=Decimal(record.get("closing_maintenance", "0")),
            unbilled=[
                (side, Decimal(quantity), Decimal(price))
                for side, quantity, price in record["unbilled"]
            ],
            settings=_current(record["settings"]),
            watchlists=record["watchlists"],
            standing=Standing.from_record(record.get("standing", {})),
        )


def _current(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without those of an older API that were kept with an account."""
    gone = ("dtbp_check", "pdt_check")
    return {name: value for name, value in settings.items() if name not in gone}


@dataclass(frozen=True, slots=True)
class Valuation:
    """An account at market prices. All amounts are dollars."""

    cash: Decimal
    long_value: Decimal
    short_value: Decimal
    multiplier: int
    reserved: Decimal
    maintenance_margin: Decimal = ZERO
    """What must be left as equity for the holdings to be kept."""

    @property
    def equity(self) -> Decimal:
        """Cash and everything held."""
        return self.cash + self.long_value + self.short_value

    @property
    def initial_margin(self) -> Decimal:
        """Half of what is held, long or short."""
        return self.gross * margin.INITIAL

    @property
    def gross(self) -> Decimal:
        """What is held, long and short together."""
        return self.long_value - self.short_value

    @property
    def may_only_close(self) -> bool:
        """Whether so much is held that nothing may be added."""
        return self.gross > self.equity * margin.GROSS_LIMIT

    @property
    def buying_power(self) -> Decimal:
        """What new orders may cost; open orders have taken theirs already."""
        if self.multiplier == 1:
            free = self.cash + min(ZERO, 2 * self.short_value)
        else:
            free = (self.equity - self.initial_margin) * self.multiplier
        return max(ZERO, free - self.reserved)

    @property
    def regulation_t_buying_power(self) -> Decimal:
        """Buying power overnight: twice what is not bound as margin."""
        factor = min(self.multiplier, 2)
        return max(ZERO, (self.equity - self.initial_margin) * factor - self.reserved)

    @property
    def cash_buying_power(self) -> Decimal:
        """What can be bought of securities that lend no margin."""
        return max(ZERO, self.equity - self.initial_margin - self.reserved)
