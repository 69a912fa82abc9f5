"""The margin that holdings need, and what the broker does when it is missing.

The framework of 2026: nobody counts day trades. From $2,000 of equity an account may
hold four times its equity during the day and twice overnight. The largest deficit of a
day leads to a call at the close; one that is not met within two business days freezes
the account for 90 days: it may then spend its own cash only, and sell nothing short.
What its equity does not carry then is closed by the broker.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

from paper_exchange.numbers import ZERO
from paper_exchange.sessions import Sessions, TradingDay

LEAST_EQUITY = Decimal(2000)
INITIAL = Decimal("0.5")
GROSS_LIMIT = 6
"""Holdings worth more than so many times the equity may only be reduced."""
CONCENTRATED_SHARE = Decimal("0.7")
CONCENTRATED_VALUE = Decimal(100_000)
DAYS_TO_MEET = 2
FREEZE = timedelta(days=90)
SMALL_DEFICIT = Decimal(1000)
SMALL_SHARE = Decimal("0.05")

# Funds that move two or three times as much as what they follow.
LEVERAGED = {
    **dict.fromkeys(("QLD", "SSO", "SDS", "QID", "UWM", "DDM", "ROM", "AGQ"), 2),
    **dict.fromkeys(("TQQQ", "SQQQ", "UPRO", "SPXL", "SPXS", "SPXU"), 3),
    **dict.fromkeys(("SOXL", "SOXS", "TNA", "TZA", "UDOW", "SDOW", "TECL"), 3),
}
LEVERAGED_RATES = {2: Decimal("0.5"), 3: Decimal("0.75")}


def long_rate(symbol: str, price: Decimal) -> Decimal:
    """Return the share of a long holding's value that must be equity."""
    if price < Decimal("2.5"):
        return Decimal(1)
    usual = Decimal("0.5") if price < 6 else Decimal("0.3")
    return max(usual, LEVERAGED_RATES.get(LEVERAGED.get(symbol, 1), ZERO))


def short_requirement(price: Decimal) -> Decimal:
    """Return the dollars that one share sold short needs."""
    if price < 5:
        return max(Decimal("2.5"), price)
    return max(Decimal(5), price * Decimal("0.3"))


Held = tuple[str, Decimal, Decimal]
"""A holding: its symbol, its shares (negative when short) and their price."""


def requirement(holding: Held, equity: Decimal) -> Decimal:
    """Return the equity that a holding needs to be kept.

    One that is worth more than $100,000 and 70 % of the equity needs half its value.
    """
    symbol, quantity, price = holding
    size = abs(quantity)
    value = size * price
    if quantity > 0:
        needed = value * long_rate(symbol, price)
    else:
        needed = size * short_requirement(price)
    if value > CONCENTRATED_VALUE and value > equity * CONCENTRATED_SHARE:
        needed = max(needed, value * INITIAL)
    return needed


def maintenance(holdings: Iterable[Held], equity: Decimal) -> Decimal:
    """Return the equity that holdings need to be kept."""
    return sum((requirement(one, equity) for one in holdings), ZERO)


def reduction(holdings: Iterable[Held], equity: Decimal) -> list[tuple[str, Decimal]]:
    """Return the shares to close, by symbol, for the equity to carry what is left.

    The holding that needs the most comes first, and no more whole shares of it than
    are missing. Closing a share at its price leaves the equity as it is.
    """
    needs = [(requirement(one, equity), one) for one in holdings]
    missing = sum((needed for needed, _ in needs), ZERO) - equity
    closed = []
    for needed, (symbol, quantity, _) in sorted(
        needs, key=lambda need: (-need[0], need[1][0])
    ):
        if missing <= 0:
            break
        size = abs(quantity)
        shares = (missing * size / needed).to_integral_value(ROUND_CEILING)
        shares = min(size, shares)
        closed.append((symbol, shares))
        missing -= needed * shares / size
    return closed


def multiplier(equity: Decimal, most: str, is_frozen: bool) -> int:
    """Return how often free equity may be spent: once below $2,000 or when frozen."""
    return 1 if equity < LEAST_EQUITY or is_frozen else int(most)


@dataclass(slots=True)
class Standing:
    """Where an account stands with the broker. Days are New York dates."""

    deficit: Decimal | None = None
    """The largest deficit of today, zero without one; None when nothing was added."""
    called: Decimal = ZERO
    """Dollars of the call that is not met, zero without one."""
    due: str = ""
    frozen_until: str = ""

    def record(self) -> dict[str, str | None]:
        """Return it for the store and the tape."""
        return {
            "deficit": None if self.deficit is None else str(self.deficit),
            "called": str(self.called),
            "due": self.due,
            "frozen_until": self.frozen_until,
        }

    @classmethod
    def from_record(cls, record: dict[str, str | None]) -> "Standing":
        """Return what `record` wrote; accounts kept before calls existed have none."""
        deficit = record.get("deficit")
        return cls(
            deficit=None if deficit is None else Decimal(deficit),
            called=Decimal(record.get("called") or 0),
            due=record.get("due") or "",
            frozen_until=record.get("frozen_until") or "",
        )

    def is_frozen(self, day: str) -> bool:
        """Whether the account may borrow nothing on a day."""
        return day < self.frozen_until

    def added(self, equity: Decimal, needed: Decimal) -> None:
        """Note what is missing after an execution that added to a holding."""
        self.deficit = max(self.deficit or ZERO, needed - equity)

    def close(
        self,
        equity: Decimal,
        needed: Decimal,
        initial: Decimal,
        day: TradingDay,
        sessions: Sessions,
    ) -> str | None:
        """End a day; return what became of a call: it is made, raised, met or missed.

        What was added during the day must be paid to a half by the evening; what was
        held before needs its maintenance margin only. While margin is missing after a
        call was missed, it is `overdue`.
        """
        had, self.deficit = self.deficit, None
        missing = (needed if had is None else max(needed, initial)) - equity
        today = day.day.isoformat()
        if self.called:
            if missing <= 0:
                self.called, self.due = ZERO, ""
                return "met"
            if today >= self.due:
                self.called, self.due = ZERO, ""
                self.frozen_until = (day.day + FREEZE).isoformat()
                return "missed"
        if self.is_frozen(today):
            return "overdue" if needed > equity else None
        deficit = max(missing, had or ZERO)
        small = max(ZERO, min(SMALL_DEFICIT, equity * SMALL_SHARE))
        if deficit <= max(small, self.called):
            return None
        was_called, self.called = bool(self.called), deficit
        if was_called:
            return "raised"
        self.due = sessions.after(day, DAYS_TO_MEET).day.isoformat()
        return "made"
