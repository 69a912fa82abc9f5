"""The facts that all signals of a bar are judged by: read once, kept up to date."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from trading_core.limits import Limits
from trading_core.money import ZERO
from trading_risk.domain.books import Books, OpenOrder
from trading_risk.domain.limits import LimitInForce
from trading_risk.domain.losses import LossDay


@dataclass(slots=True)
class Sitting:
    """An account as it stands while signals of one bar are answered.

    It holds only as long as the account's lock does. What execution does meanwhile
    (an order is filled or canceled) leaves exposure as it is or makes it smaller.
    `ordered` are strategy, symbol and side of the orders approved on this bar.
    """

    bar_end: datetime
    day: date
    state: str
    rows: tuple[LimitInForce, ...]
    limits: Limits
    books: Books
    prices: Mapping[str, Decimal]
    closes: dict[str, Decimal]
    account_day: LossDay
    books_state: str
    books_completed_at: datetime | None
    halted: Mapping[str, str]
    parked: frozenset[tuple[str, UUID]]
    locked: Mapping[str, str]
    ordered: set[tuple[str, str, str]]
    orders_this_bar: int
    orders_today: int
    strategy_days: dict[str, LossDay] = field(default_factory=dict)
    plain: list[OpenOrder] = field(default_factory=list)
    """Approved here, as strategies ask: execution hears of them together."""

    @property
    def equity(self) -> Decimal:
        """What the account is worth at the bar's closes."""
        return self.books.equity(self.prices)

    def is_parked(self, symbol: str, event_id: UUID | None) -> bool:
        """Say whether an event about a symbol failed, other than the one at hand."""
        return any(key == symbol and each != event_id for key, each in self.parked)

    def netted(self, symbol: str, side: str, strategy: str) -> Decimal:
        """Return the shares on one side that an order of another strategy would meet.

        What is approved in one transaction is netted before it leaves.
        """
        return sum(
            (
                order.quantity
                for order in self.plain
                if (order.symbol, order.side) == (symbol, side)
                and order.strategy != strategy
            ),
            ZERO,
        )

    def copy(self) -> "Sitting":
        """Return the same facts, to try approvals on."""
        return replace(self, ordered=set(self.ordered), plain=list(self.plain))

    def approve(self, order: OpenOrder, *, is_plain: bool = False) -> None:
        """Count an approval that was just given."""
        if is_plain:
            self.plain.append(order)
        self.books = replace(self.books, orders=(*self.books.orders, order))
        self.ordered.add((order.strategy, order.symbol, order.side))
        self.orders_this_bar += 1
        self.orders_today += 1
