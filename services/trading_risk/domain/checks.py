"""Checks that exist only live: trading state, lateness, clean books, open orders.

They stand before the market's checks, which the backtest runs too. Orders that only
reduce a position pass those that guard entries.
"""

from dataclasses import dataclass
from decimal import Decimal

from trading_core.limits import (
    MARKET_CHECKS,
    Check,
    Finding,
    Limits,
    Proposal,
)
from trading_core.money import ZERO

NOT_CONFIGURED = Decimal(-1)
"""What an operational limit reads as when nobody has set it."""

# How much each trading state forbids; a word that is not known forbids everything.
_FORBIDS = {"ACTIVE": 0, "REDUCING": 1}
_EVERYTHING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProposal(Proposal):
    """A proposal with what surrounds it live.

    `event_lag` and `books_age` are seconds of the machine's clock. The limits read
    `NOT_CONFIGURED` when nobody has set them. Whatever is not said reads as the unsafe
    answer.
    """

    trading_state: str = ""
    is_kill_file_present: bool = True
    may_trade: bool = False
    is_expired: bool = True
    is_parked: bool = True
    symbol_lock: str = "not known"
    strategy_halt: str = "not known"
    books_state: str = "never compared"
    books_age: Decimal = ZERO
    max_books_age: Decimal = NOT_CONFIGURED
    event_lag: Decimal = ZERO
    max_event_lag: Decimal = NOT_CONFIGURED
    reference_price: Decimal = ZERO
    price_collar: Decimal = NOT_CONFIGURED


def trading_is_allowed(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The trading state lets this order leave: all, only exits, or none."""
    state = proposal.trading_state
    forbids = _FORBIDS.get(state, _EVERYTHING)
    bearable = int(proposal.is_reducing)
    return Finding(
        forbids <= bearable,
        "TRADING_HALTED" if forbids == _EVERYTHING else "REDUCING_ONLY",
        f"trading is {state or 'HALTED'}",
        value=forbids,
        limit=bearable,
    )


def kill_file_is_absent(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """No file KILL lies in the data directory."""
    return _entry_check(
        proposal,
        not proposal.is_kill_file_present,
        "KILL_FILE",
        "the KILL file is there" if proposal.is_kill_file_present else "no KILL file",
        value=int(proposal.is_kill_file_present),
        limit=0,
    )


def bar_is_the_newest(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The signal comes from the newest bar, not from one that an outage left behind."""
    return Finding(
        proposal.may_trade,
        "LATE_BAR",
        "the newest bar" if proposal.may_trade else "a newer bar was due already",
        value=int(not proposal.may_trade),
        limit=0,
    )


def signal_is_fresh(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The signal is still valid at this market time."""
    return Finding(
        not proposal.is_expired,
        "STALE_SIGNAL",
        "no longer valid" if proposal.is_expired else "still valid",
        value=int(proposal.is_expired),
        limit=0,
    )


def symbol_is_not_parked(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """No event about this symbol waits for a person."""
    return Finding(
        not proposal.is_parked,
        "SYMBOL_PARKED",
        "an event waits for a person" if proposal.is_parked else "nothing is parked",
        value=int(proposal.is_parked),
        limit=0,
    )


def symbol_is_unlocked(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """No person has locked this symbol against entries."""
    lock = proposal.symbol_lock
    return _entry_check(
        proposal,
        not lock,
        "SYMBOL_LOCKED",
        f"locked: {lock}" if lock else "nobody has locked it",
        value=int(bool(lock)),
        limit=0,
    )


def event_is_prompt(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The signal was heard soon after it was given."""
    lag, limit = proposal.event_lag, proposal.max_event_lag
    return _bounded(proposal, lag, limit, "EVENT_LAG", "s")


def books_are_clean(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The last comparison with the broker's books found nothing."""
    state = proposal.books_state
    return _entry_check(
        proposal,
        state == "clean",
        "BOOKS_NOT_CLEAN",
        f"the books are {state}" if state == "clean" else f"books: {state}",
        value=int(state != "clean"),
        limit=0,
    )


def books_are_recent(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """That comparison is not old."""
    age, limit = proposal.books_age, proposal.max_books_age
    return _bounded(proposal, age, limit, "BOOKS_OLD", "s")


def strategy_may_enter(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """Neither a breaker nor a person has stopped this strategy's entries."""
    return _entry_check(
        proposal,
        not proposal.strategy_halt,
        "STRATEGY_HALTED",
        proposal.strategy_halt or "no breaker has tripped, and it is not paused",
        value=int(bool(proposal.strategy_halt)),
        limit=0,
    )


def price_is_near_the_last(
    proposal: LiveProposal, limits: Limits, quantity: Decimal
) -> Finding:
    """The order's price is within the collar around the last stored close."""
    if proposal.reference_price <= 0:
        return _entry_check(
            proposal,
            False,
            "NO_REFERENCE_PRICE",
            "no close is stored to compare with",
        )
    away = abs(proposal.price - proposal.reference_price) / proposal.reference_price
    return _bounded(
        proposal,
        away,
        proposal.price_collar,
        "PRICE_COLLAR",
        "of the last close",
    )


OPERATIONAL_CHECKS: tuple[Check[LiveProposal], ...] = (
    trading_is_allowed,
    kill_file_is_absent,
    bar_is_the_newest,
    signal_is_fresh,
    symbol_is_not_parked,
    symbol_is_unlocked,
    event_is_prompt,
    books_are_clean,
    books_are_recent,
    strategy_may_enter,
    price_is_near_the_last,
)

CHECKS: tuple[Check[LiveProposal], ...] = OPERATIONAL_CHECKS + MARKET_CHECKS
"""Every check of a live order, in the order in which they are told."""


def _entry_check(
    proposal: LiveProposal,
    passed: bool,
    code: str,
    detail: str,
    value: Decimal | int | None = None,
    limit: Decimal | int | None = None,
) -> Finding:
    reducing = not passed and proposal.is_reducing
    said = f"{detail}; the order reduces the position" if reducing else detail
    return Finding(passed or reducing, code, said, value, limit)


def _bounded(
    proposal: LiveProposal, value: Decimal, limit: Decimal, code: str, unit: str
) -> Finding:
    if limit == NOT_CONFIGURED:
        detail = "no such limit is configured"
        return _entry_check(proposal, False, "NO_LIMIT_CONFIGURED", detail, value)
    shown = f"{value:.4f} {unit} against {limit}"
    return _entry_check(proposal, value <= limit, code, shown, value, limit)
