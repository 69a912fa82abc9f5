"""Whose past a symbol means, depending on when it is asked for and how."""

from collections.abc import Callable

import pytest

from paper_exchange.exchange import Exchange
from paper_exchange.instants import HOUR
from paper_exchange.market.interventions import Intervention
from paper_exchange.market.market import FOREVER, Market, Past

pytestmark = pytest.mark.unit


@pytest.fixture
def market(build: Callable[..., Exchange]) -> Market:
    """A market on which KO became COLA, then PEP became KO, and COLA became SODA."""
    market = build().market
    for place, (old, new) in enumerate(
        (("KO", "COLA"), ("PEP", "KO"), ("COLA", "SODA"))
    ):
        begins = market.sessions.days[10 + place].midnight + 4 * HOUR
        market.intervene(Intervention("rename", old, begins, new_symbol=new))
    return market


def at(market: Market, number: int) -> int:
    return market.sessions.days[number].midnight + 12 * HOUR


@pytest.mark.parametrize(
    ("symbol", "number", "listed"),
    [
        ("KO", 9, "SODA"),
        ("KO", 10, None),
        ("KO", 11, "KO"),
        ("COLA", 9, None),
        ("COLA", 11, "SODA"),
        ("COLA", 12, None),
        ("SODA", 12, "SODA"),
        ("PEP", 10, "KO"),
        ("PEP", 11, None),
        ("AMD", 0, "AMD"),
        ("NOPE", 12, None),
    ],
)
def test_a_symbol_is_followed_from_the_day_it_is_known_at(
    market: Market, symbol: str, number: int, listed: str | None
) -> None:
    past = market.past(symbol, at(market, number))
    assert past == (None if listed is None else Past(listed, 0, FOREVER))


def test_taken_literally_a_symbol_has_what_traded_under_it(market: Market) -> None:
    days = market.sessions.days
    assert market.past("COLA", None) == Past(
        "SODA", days[10].midnight, days[12].midnight - 1
    )
    assert market.past("SODA", None) == Past("SODA", days[12].midnight, FOREVER)
    assert market.past("KO", None) == Past("KO", days[11].midnight, FOREVER)
    assert market.past("PEP", None) == Past("KO", 0, days[11].midnight - 1)
    assert market.past("NOPE", None) is None
