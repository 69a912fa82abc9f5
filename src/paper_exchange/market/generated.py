"""A market made up from a seed.

A day's return of a company is its beta times the market's, plus its sector's, plus its
own; a quarter of the variance falls overnight. Volatility of the market and of each
company persists from day to day, and now and then a company reports and jumps. Every
part has the mean that makes prices a fair game: nothing drifts to please a strategy.

The chain of opens and closes is drawn for all days in order; the minutes of one day are
a bridge between them, drawn from the day and the symbol alone, so they are the same in
whatever order they are asked for.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from paper_exchange.instants import HOUR, MINUTE
from paper_exchange.market.companies import Company
from paper_exchange.market.points import minute_tape
from paper_exchange.market.source import DayTape, Floats, Integers
from paper_exchange.sessions import Sessions, TradingDay

MARKET_VOLATILITY = 0.13
SECTOR_VOLATILITY = 0.11
OVERNIGHT_VARIANCE = 0.25
PERSISTENCE = 0.96
VOLATILITY_SHOCK = 0.11
REPORTS_A_YEAR = 4
REPORT_JUMP = 5.0
DAYS_A_YEAR = 252
PRE_MARKET_HOURS = 1.5
AFTER_HOURS_MINUTES = 60
# Half of the minutes outside the session see no trade at all.
QUIET_MINUTES = 0.5


def _generator(seed: int, *parts: str | int) -> np.random.Generator:
    text = ":".join(map(str, (seed, *parts)))
    key = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(key, "big")))


class _Chain:
    """Opens, closes and volatilities of all companies, a block of days at a time."""

    BLOCK = 256

    def __init__(self, seed: int, companies: Sequence[Company]) -> None:
        self._seed = seed
        self._companies = companies
        self._sectors = sorted({company.sector for company in companies})
        count = len(companies)
        self._sector_of = np.array(
            [self._sectors.index(company.sector) for company in companies]
        )
        self._beta = np.array([company.beta for company in companies])
        self._own = np.array([company.volatility for company in companies])
        # The index follows the market and belongs to no sector.
        self._sector_share = np.array(
            [0.0 if company.sector == "index" else 1.0 for company in companies]
        )
        self._last = np.log([company.price for company in companies])
        self._market_state = 0.0
        self._own_state = np.zeros(count)
        self.open: list[Floats] = []
        self.close: list[Floats] = []
        self.volatility: list[Floats] = []

    def reach(self, index: int) -> None:
        """Draw days until the one with this index is known."""
        while len(self.close) <= index:
            self._draw(len(self.close) // self.BLOCK)

    def _draw(self, block: int) -> None:
        size = self.BLOCK
        market = _generator(self._seed, "market", block).standard_normal((size, 3))
        sectors = np.stack(
            [
                _generator(self._seed, "sector", name, block).standard_normal((size, 2))
                for name in self._sectors
            ],
            axis=1,
        )
        own = np.empty((size, len(self._companies), 3))
        reports = np.empty((size, len(self._companies)))
        for column, company in enumerate(self._companies):
            generator = _generator(self._seed, "company", company.symbol, block)
            own[:, column] = generator.standard_normal((size, 3))
            reports[:, column] = generator.random(size)
        report_share = REPORTS_A_YEAR / DAYS_A_YEAR
        for row in range(size):
            self._day(market[row], sectors[row], own[row], reports[row] < report_share)

    def _day(
        self, market: Floats, sectors: Floats, own: Floats, reports: Floats
    ) -> None:
        shock = VOLATILITY_SHOCK
        self._market_state = PERSISTENCE * self._market_state + shock * float(market[2])
        self._own_state = PERSISTENCE * self._own_state + shock * own[:, 2]
        jump = np.where(
            reports.astype(bool) & (self._sector_share > 0), REPORT_JUMP, 1.0
        )
        market_volatility = MARKET_VOLATILITY * math.exp(self._market_state)
        own_volatility = self._own * np.exp(self._own_state)
        for part, share in ((0, OVERNIGHT_VARIANCE), (1, 1 - OVERNIGHT_VARIANCE)):
            scale = math.sqrt(share / DAYS_A_YEAR)
            # A report comes overnight.
            personal = own_volatility * (jump if part == 0 else 1.0)
            sector = SECTOR_VOLATILITY * self._sector_share
            move = scale * (
                self._beta * market_volatility * float(market[part])
                + sector * sectors[self._sector_of, part]
                + personal * own[:, part]
            )
            variance = scale**2 * (
                (self._beta * market_volatility) ** 2 + sector**2 + personal**2
            )
            self._last = self._last + move - variance / 2
            target = self.open if part == 0 else self.close
            target.append(np.asarray(np.round(np.exp(self._last), 2), np.float64))
            self._last = np.log(np.maximum(target[-1], 1.0))
        total = (
            (self._beta * market_volatility) ** 2
            + (SECTOR_VOLATILITY * self._sector_share) ** 2
            + own_volatility**2
        )
        self.volatility.append(np.sqrt(total * (1 - OVERNIGHT_VARIANCE) / DAYS_A_YEAR))


class GeneratedMarket:
    """Companies trading on every session, from a seed."""

    def __init__(
        self, seed: int, sessions: Sessions, start: int, companies: Sequence[Company]
    ) -> None:
        self._seed = seed
        self._companies = {company.symbol: company for company in companies}
        self._column = {
            company.symbol: column for column, company in enumerate(companies)
        }
        self._chain = _Chain(seed, companies)
        self._shared_noise = lru_cache(maxsize=600)(self._draw_shared_noise)
        self.sessions = sessions
        self.start = start
        self.end = sessions.end
        self.name = f"generated market, seed {seed}"
        self.listings = [company.listing for company in companies]

    def day(self, symbol: str, day: TradingDay) -> DayTape | None:
        """Return the minutes of a symbol on a day."""
        column = self._column.get(symbol)
        if column is None:
            return None
        self._chain.reach(day.index)
        company = self._companies[symbol]
        opens = float(self._chain.open[day.index][column])
        closes = float(self._chain.close[day.index][column])
        volatility = float(self._chain.volatility[day.index][column])
        before = float(self._chain.close[day.index - 1][column]) if day.index else opens
        generator = _generator(self._seed, "minutes", symbol, day.day.isoformat())
        count = (day.close - day.open) // MINUTE
        shape = _busyness(count)
        noise = 0.75 * self._shared_noise(day.day.isoformat(), count)
        noise = noise + 0.66 * generator.standard_normal(count)
        spread = volatility * np.sqrt(shape / count)
        inside = _bridge(noise * spread, spread, math.log(closes / opens))
        session = _minutes(opens, inside, spread, generator)
        session[3][-1] = closes
        session[1][-1] = max(session[1][-1], closes)
        session[2][-1] = min(session[2][-1], closes)
        activity = company.volume * math.exp(0.25 * float(generator.standard_normal()))
        activity *= count / 390 * (0.6 + 0.4 * volatility / (company.volatility / 16))
        bursts = np.exp(0.5 * generator.standard_normal(count))
        shares = activity * shape / count * bursts
        volume = np.maximum(1, shares).astype(np.int64)
        start = day.open + MINUTE * np.arange(count, dtype=np.int64)
        parts = [
            self._quiet(
                generator,
                int(day.open - PRE_MARKET_HOURS * HOUR),
                int(PRE_MARKET_HOURS * 60),
                before * (opens / before) ** 0.5,
                opens,
                volatility,
                activity,
            ),
            (start, *session, volume),
            # The first minute after the close belongs to the close itself.
            self._quiet(
                generator,
                day.close + MINUTE,
                AFTER_HOURS_MINUTES - 1,
                closes,
                closes * math.exp(0.1 * volatility * generator.standard_normal()),
                volatility,
                activity,
            ),
        ]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return minute_tape(day, *columns)

    def _draw_shared_noise(self, day: str, count: int) -> Floats:
        return _generator(self._seed, "shared", day).standard_normal(count)

    def _quiet(
        self,
        generator: np.random.Generator,
        start: int,
        count: int,
        first: float,
        last: float,
        volatility: float,
        activity: float,
    ) -> tuple[Integers, Floats, Floats, Floats, Floats, Integers]:
        """Return the minutes of an extended session, most of them without a trade."""
        spread = np.full(count, 0.15 * volatility / math.sqrt(count))
        inside = _bridge(
            generator.standard_normal(count) * spread, spread, math.log(last / first)
        )
        prices = _minutes(first, inside, spread, generator)
        traded = generator.random(count) > QUIET_MINUTES
        shares = 0.02 * activity / count * np.exp(generator.standard_normal(count))
        times = start + MINUTE * np.arange(count, dtype=np.int64)
        volume = np.maximum(1, shares).astype(np.int64)
        open, high, low, close = (column[traded] for column in prices)
        return times[traded], open, high, low, close, volume[traded]


@lru_cache
def _busyness(count: int) -> Floats:
    """Return how busy each minute is: a U over the session with mean one."""
    place = np.linspace(-1, 1, count)
    shape = 0.6 + 1.2 * place**4 + 1.0 * np.exp(-(place + 1) * 12)
    return np.asarray(shape / shape.mean())


def _bridge(moves: Floats, spread: Floats, total: float) -> Floats:
    """Return log moves that keep their noise and add up to `total`."""
    weights = spread**2 / np.sum(spread**2)
    return np.asarray(moves + weights * (total - moves.sum()))


def _minutes(
    first: float, moves: Floats, spread: Floats, generator: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return open, high, low and close of minutes along log moves, on the cent."""
    levels = first * np.exp(np.cumsum(moves))
    close = np.round(levels, 2)
    open = np.concatenate(([round(first, 2)], close[:-1]))
    reach = 0.6 * np.abs(generator.standard_normal((2, len(moves)))) * spread
    high = np.round(np.maximum(open, close) * np.exp(reach[0]), 2)
    low = np.round(np.minimum(open, close) * np.exp(-reach[1]), 2)
    return open, np.maximum(high, np.maximum(open, close)), low, close
