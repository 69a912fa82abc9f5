"""Prices at a market time: the last one, the next one that matters, and quotes."""

from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from paper_exchange import instants
from paper_exchange.market import interventions
from paper_exchange.market.interventions import Intervention
from paper_exchange.market.source import DayTape, Listing, PriceSource, Terms
from paper_exchange.sessions import TradingDay
from trading_core.matching import FillModel, Quote
from trading_core.money import price_of

# Prices meet orders on the cent, so a price can act up to half a cent before it.
ROUNDING = 0.0051
# A symbol without a price for this many trading days has none.
LOOK_BACK_DAYS = 10
USUAL = Terms()
FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Point:
    """A traded price: when, how many shares, and the price it moved from."""

    time: int
    price: float
    volume: float
    came_from: float | None


@dataclass(frozen=True, slots=True)
class Past:
    """A listing, and the instants between which a name meant it."""

    symbol: str
    first: int
    last: int


class Market:
    """A price source seen from instants; keeps the days it was asked for last."""

    def __init__(self, source: PriceSource, fill_model: FillModel) -> None:
        self.source = source
        self.sessions = source.sessions
        self.fill_model = fill_model
        self.listings: dict[str, Listing] = {
            listing.symbol: listing for listing in source.listings
        }
        self._tapes: OrderedDict[tuple[str, int], DayTape | None] = OrderedDict()
        self._acts: dict[str, list[Intervention]] = {}
        self._first_names: dict[str, str] = {}
        self._first_listed = frozenset(self.listings)
        self._renamed: list[tuple[int, str, str]] = []
        """The midnight of a change of name, the old one and the new one."""
        self._delisted: set[str] = set()
        self.terms: dict[str, Terms] = {}
        """On what terms symbols trade that do not trade on the usual ones."""
        self._last: dict[str, Point | None] = {}
        self._marks: dict[str, Decimal | None] = {}
        self._last_at = 0
        self._capacity = max(256, 2 * len(self.listings))

    def tape(self, symbol: str, day: TradingDay) -> DayTape | None:
        """Return what a symbol trades on a day, all of it."""
        key = (symbol, day.index)
        if key in self._tapes:
            self._tapes.move_to_end(key)
            return self._tapes[key]
        tape = self.source.day(self._first_names.get(symbol, symbol), day)
        acts = self._acts.get(symbol)
        if tape is not None and acts:
            tape = interventions.applied(tape, day, acts)
        self._tapes[key] = tape
        if len(self._tapes) > self._capacity:
            self._tapes.popitem(last=False)
        return tape

    def intervene(self, act: Intervention) -> None:
        """Let an act change the prices of a symbol from its instant on."""
        self._forget_last()
        if act.kind == "rename":
            self._rename(act.symbol, act.new_symbol)
            # A name changes before anything trades: the whole day bears the new one.
            begins = instants.new_york_midnight(instants.new_york_date(act.time))
            self._renamed.append((begins, act.symbol, act.new_symbol))
            return
        if act.kind == "delist":
            self._delisted.add(act.symbol)
        self._acts.setdefault(act.symbol, []).append(act)
        for key in [key for key in self._tapes if key[0] == act.symbol]:
            del self._tapes[key]

    def _rename(self, old: str, new: str) -> None:
        listing = self.listings.pop(old)
        self.listings[new] = replace(listing, symbol=new)
        self._first_names[new] = self._first_names.get(old, old)
        if old in self.terms:
            self.terms[new] = self.terms.pop(old)
        # The old name keeps its past, for accounts that look back.
        self._acts[new] = list(self._acts.get(old, ()))

    def past(self, symbol: str, known_at: int | None) -> "Past | None":
        """Return whose past a symbol means, as symbols were known at an instant.

        Without an instant names are not followed: a symbol means what traded under this
        very name, and only while it did.
        """
        first, last = 0, FOREVER
        is_known = symbol in self._first_listed
        name = symbol
        for time, old, new in self._renamed:
            if known_at is None and new == symbol:
                name, first, last, is_known = symbol, time, FOREVER, True
            elif known_at is not None and time <= known_at:
                is_known = (is_known or new == symbol) and old != symbol
                continue
            if old == name:
                name = new
                if known_at is None and old == symbol:
                    last = time - 1
        return Past(name, first, last) if is_known else None

    def terms_of(self, symbol: str) -> Terms:
        """Return on what terms a symbol trades."""
        return self.terms.get(symbol, USUAL)

    def is_active(self, symbol: str) -> bool:
        """Whether a symbol is listed and may be traded."""
        return symbol in self.listings and symbol not in self._delisted

    def scale(
        self, symbol: str, since: int, now: int, kinds: Container[str] = ("split",)
    ) -> float:
        """Return what a price of one instant must be multiplied by at another."""
        factor = 1.0
        for act in self._acts.get(symbol, ()):
            if act.kind in kinds and since < act.time <= now:
                factor *= act.value
        return factor

    def is_scaled(self, symbol: str, kinds: Container[str]) -> bool:
        """Whether any price of a symbol is not what it would be at another instant."""
        return any(act.kind in kinds for act in self._acts.get(symbol, ()))

    def is_halted(self, symbol: str, now: int) -> bool:
        """Whether trading in a symbol is halted."""
        return interventions.is_halted(self._acts.get(symbol, ()), now)

    def last(self, symbol: str, now: int) -> Point | None:
        """Return the last price at or before an instant, extended hours included."""
        # The rules for one order ask for the same price again and again.
        if now != self._last_at:
            self._last_at = now
            self._forget_last()
        if symbol not in self._last:
            self._last[symbol] = self._find_last(symbol, now)
        return self._last[symbol]

    def _forget_last(self) -> None:
        self._last.clear()
        self._marks.clear()

    def _find_last(self, symbol: str, now: int) -> Point | None:
        day = self.sessions.begun(now)
        for _ in range(LOOK_BACK_DAYS):
            if day is None:
                return None
            tape = self.tape(symbol, day)
            if tape is not None:
                index = int(np.searchsorted(tape.points.time, now, side="right")) - 1
                if index >= 0:
                    point = _point(tape, index)
                    factor = self.scale(symbol, point.time, now)
                    return point if factor == 1 else _scaled(point, factor)
            day = self.sessions.days[day.index - 1] if day.index else None
        return None

    def last_in_session(self, symbol: str, day: TradingDay, now: int) -> Point | None:
        """Return the last price of a session at or before an instant, or None yet."""
        if day.open <= now < day.close:
            # Splits and dividends act before a session, so nothing was rescaled in it.
            point = self.last(symbol, now)
            return point if point is not None and point.time >= day.open else None
        tape = self.tape(symbol, day)
        if tape is None:
            return None
        until = min(now, day.close - 1)
        index = int(np.searchsorted(tape.points.time, until, side="right")) - 1
        if index < 0 or tape.points.time[index] < day.open:
            return None
        return _point(tape, index)

    def closing_price(self, symbol: str, day: TradingDay) -> float | None:
        """Return the last price of a session, or of one before it."""
        for index in range(day.index, max(-1, day.index - LOOK_BACK_DAYS), -1):
            session = self.sessions.days[index]
            point = self.last_in_session(symbol, session, session.close)
            if point is not None:
                return point.price
        return None

    def next_reaching(
        self,
        symbol: str,
        after: int,
        until: int,
        rises_to: float,
        falls_to: float,
        day: TradingDay,
    ) -> Point | None:
        """Return the first price after an instant that is this high or this low.

        Looks at one day, up to `until` (included). `rises_to` of minus infinity takes
        the very next price.
        """
        tape = self.tape(symbol, day)
        if tape is None:
            return None
        first, last = np.searchsorted(tape.points.time, (after, until), side="right")
        prices = tape.points.price[first:last]
        reached = (prices >= rises_to - ROUNDING) | (prices <= falls_to + ROUNDING)
        if not reached.any():
            return None
        return _point(tape, int(first) + int(reached.argmax()))

    def quote(self, point: Point, time: int) -> Quote:
        """Return the quote around a price, by the exchange's fill model."""
        return self.fill_model.quote(
            point.price, instants.to_datetime(time), point.volume, point.came_from
        )

    def mark(self, symbol: str, now: int) -> Decimal | None:
        """Return the price at which a holding is valued: the last trade."""
        point = self.last(symbol, now)
        if symbol not in self._marks:
            self._marks[symbol] = None if point is None else price_of(point.price)
        return self._marks[symbol]


def _scaled(point: Point, factor: float) -> Point:
    return replace(point, price=round(point.price * factor, 2), came_from=None)


def _point(tape: DayTape, index: int) -> Point:
    jumped = bool(tape.points.jumps[index])
    return Point(
        int(tape.points.time[index]),
        float(tape.points.price[index]),
        float(tape.points.volume[index]),
        None if jumped else float(tape.points.price[index - 1]),
    )
