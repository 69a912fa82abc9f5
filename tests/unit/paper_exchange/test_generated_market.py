"""The generated market: repeatable, and with the habits of a real one."""

import random

import numpy as np
import pytest

from paper_exchange.market.companies import COMPANIES
from paper_exchange.market.generated import GeneratedMarket
from paper_exchange.market.source import DayTape
from paper_exchange.sessions import Sessions

pytestmark = pytest.mark.unit


def market(sessions: Sessions, seed: int = 7) -> GeneratedMarket:
    return GeneratedMarket(seed, sessions, sessions.days[0].open, COMPANIES)


def tape(made: GeneratedMarket, symbol: str, index: int) -> DayTape:
    found = made.day(symbol, made.sessions.days[index])
    assert found is not None
    return found


def same(one: DayTape, other: DayTape) -> bool:
    names = ("start", "open", "high", "low", "close", "volume")
    return np.array_equal(one.points.price, other.points.price) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in names
    )


def closes(made: GeneratedMarket, symbol: str) -> np.ndarray:
    days = range(len(made.sessions.days))
    tapes = [tape(made, symbol, day) for day in days]
    return np.array([found.close[found.regular][-1] for found in tapes])


def test_the_same_seed_gives_the_same_prices_in_whatever_order_they_are_asked(
    sessions: Sessions,
) -> None:
    first, second = market(sessions), market(sessions)
    asked = [(c.symbol, day) for c in COMPANIES[:6] for day in range(0, 60, 7)]
    forward = {key: tape(first, *key) for key in asked}
    random.Random(5).shuffle(asked)
    assert all(same(forward[key], tape(second, *key)) for key in asked)


def test_another_seed_gives_other_prices(sessions: Sessions) -> None:
    one, other = market(sessions, 7), market(sessions, 8)
    assert not same(tape(one, "AAPL", 30), tape(other, "AAPL", 30))


def test_every_bar_is_consistent_and_on_the_cent(sessions: Sessions) -> None:
    made = market(sessions)
    for company in COMPANIES:
        for index in (0, 11, 33):
            found = tape(made, company.symbol, index)
            assert (found.low <= np.minimum(found.open, found.close)).all()
            assert (found.high >= np.maximum(found.open, found.close)).all()
            assert (found.low > 0).all() and (found.volume > 0).all()
            assert np.allclose(found.close * 100, np.round(found.close * 100))
            assert (np.diff(found.start) > 0).all()
            assert (np.diff(found.points.time) > 0).all()


def test_a_session_has_all_its_minutes_and_the_night_only_some(
    sessions: Sessions,
) -> None:
    made = market(sessions)
    whole = tape(made, "KO", 3)
    assert len(whole.start[whole.regular]) == 390
    day = sessions.days[3]
    outside = len(whole.start) - 390
    assert 20 < outside < 140
    assert whole.start[whole.regular.start] == day.open
    assert (whole.start[whole.regular.stop :] > day.close).all()
    half = next(day for day in sessions.days if day.close - day.open < 6 * 3600 * 10**9)
    short = tape(made, "KO", half.index)
    assert len(short.start[short.regular]) == 210


def test_the_day_is_busiest_at_its_ends(sessions: Sessions) -> None:
    made = market(sessions)
    total = np.zeros(390)
    for index in [0, 1, 2, 3, 4, 5, 6, 7, 8, 15]:
        found = tape(made, "MSFT", index)
        total += found.volume[found.regular][:390]
    assert total[:30].mean() > 1.5 * total[150:240].mean()
    assert total[-30:].mean() > 1.5 * total[150:240].mean()


def test_companies_of_a_sector_move_together_and_all_follow_the_index(
    sessions: Sessions,
) -> None:
    made = market(sessions)
    returns = {
        symbol: np.diff(np.log(closes(made, symbol)))
        for symbol in ("SPY", "XOM", "CVX", "KO", "NVDA")
    }

    def correlation(one: str, other: str) -> float:
        return float(np.corrcoef(returns[one], returns[other])[0, 1])

    assert correlation("XOM", "CVX") > correlation("XOM", "KO")
    assert correlation("NVDA", "SPY") > 0.2
    assert 0.004 < returns["SPY"].std() < 0.02
    assert returns["NVDA"].std() > returns["KO"].std()


def test_prices_have_no_drift_of_their_own(sessions: Sessions) -> None:
    gains = []
    for seed in range(12):
        made = market(sessions, seed)
        made.day("SPY", sessions.days[-1])
        chain = made._chain
        first, last = chain.open[0], chain.close[len(sessions.days) - 1]
        gains.append(np.mean(last / first) - 1)
    spread = np.std(gains) / np.sqrt(len(gains))
    assert abs(np.mean(gains)) < 3 * spread


def test_volatility_comes_in_clusters(sessions: Sessions) -> None:
    dice = np.random.default_rng(1)

    def memory(moves: np.ndarray) -> float:
        """Return how well the size of a day's move tells that of the next one's."""
        size = np.abs(moves)
        return float(np.corrcoef(size[:-1], size[1:])[0, 1])

    as_they_came, shuffled = [], []
    for seed in range(6):
        chain = market(sessions, seed)._chain
        chain.reach(1_000)
        # SPY stands last; its open and close of each day.
        first, last = (np.array(each)[:, -1] for each in (chain.open, chain.close))
        moves = np.log(last / first)
        as_they_came.append(memory(moves))
        shuffled.append(memory(dice.permutation(moves)))
    error = np.std(shuffled) / np.sqrt(len(shuffled))
    assert abs(np.mean(shuffled)) < 3 * error
    assert np.mean(as_they_came) > 4 * error


def test_prices_jump_overnight(sessions: Sessions) -> None:
    made = market(sessions)
    gaps = [
        tape(made, "AMD", index + 1).open[tape(made, "AMD", index + 1).regular][0]
        / tape(made, "AMD", index).close[tape(made, "AMD", index).regular][-1]
        - 1
        for index in range(20)
    ]
    assert np.abs(gaps).mean() > 0.003
