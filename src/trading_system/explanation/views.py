"""An explanation as data."""

from enum import StrEnum

from trading_system.contracts.analytics import RoundTripView
from trading_system.contracts.execution import OrderView, TradeView
from trading_system.contracts.ingestion import BarView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.vocabulary import Instant, View


class Standing(StrEnum):
    """How a step of the chain stands."""

    DONE = "done"
    NOTABLE = "notable"
    """Done, and something about it is worth a look."""
    QUIET = "quiet"
    """Nothing is to be seen here, or not yet."""
    REFUSED = "refused"
    NOT_REACHED = "not_reached"
    NO_RECORD = "no_record"
    """There should be a record and there is none."""
    UNKNOWN = "unknown"
    """The service that knows does not answer."""


class Step(View):
    """One link of the chain: what it is called, how it stands, what is known of it."""

    name: str
    title: str
    standing: Standing
    state: str
    at: Instant | None
    line: str


class Explanation(View):
    """One decision and all that came of it: a sentence, seven steps, their records."""

    sentence: str
    steps: list[Step]
    decision: DecisionView | None
    bar: BarView | None
    outcome: RiskOutcomeView | None
    orders: list[OrderView]
    round_trips: list[RoundTripView]

    @property
    def order(self) -> OrderView | None:
        """The order that came of it; the latest generation."""
        return self.orders[-1] if self.orders else None

    @property
    def trades(self) -> list[TradeView]:
        """Every execution of its orders, oldest first."""
        trades = [trade for order in self.orders for trade in order.trades]
        return sorted(trades, key=lambda trade: trade.timestamp)

    @property
    def round_trip(self) -> RoundTripView | None:
        """The round trip that its order opened or closed; the latest."""
        return self.round_trips[-1] if self.round_trips else None
