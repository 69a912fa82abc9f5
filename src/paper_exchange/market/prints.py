"""Single trades and quotes as the data API writes them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from paper_exchange import instants
from paper_exchange.instants import rfc3339
from paper_exchange.market.bars import Row
from paper_exchange.market.market import Market, Point

QUOTED_SHARES = 100
TAPES = {"NYSE": "A", "ARCA": "B", "NASDAQ": "C"}
VENUES = {"NYSE": "N", "ARCA": "P", "NASDAQ": "Q"}


def trade(market: Market, symbol: str, point: Point) -> dict[str, Any]:
    """Return a price point as a trade."""
    exchange = market.listings[symbol].exchange
    return {
        "t": rfc3339(point.time),
        "x": VENUES.get(exchange, "V"),
        "p": float(market.quote(point, point.time).last),
        "s": max(1, int(point.volume)),
        "c": ["@"],
        "i": point.time // instants.SECOND % 10_000_000_000,
        "z": TAPES.get(exchange, "A"),
    }


def quote(market: Market, symbol: str, point: Point) -> dict[str, Any]:
    """Return the quote around a price point."""
    exchange = market.listings[symbol].exchange
    made = market.quote(point, point.time)
    venue = VENUES.get(exchange, "V")
    return {
        "t": rfc3339(point.time),
        "bx": venue,
        "bp": float(made.bid),
        "bs": QUOTED_SHARES,
        "ax": venue,
        "ap": float(made.ask),
        "as": QUOTED_SHARES,
        "c": ["R"],
        "z": TAPES.get(exchange, "A"),
    }


def rows(
    market: Market,
    symbol: str,
    kind: str,
    start: int,
    end: int,
    now: int,
    newest_first: bool,
) -> Iterator[Row]:
    """Yield trades or quotes of a symbol between two instants, both included."""
    make = trade if kind == "trades" else quote
    end = min(end, now)
    days = market.sessions.between(
        instants.new_york_date(start), instants.new_york_date(end)
    )
    for day in days[::-1] if newest_first else days:
        tape = market.tape(symbol, day)
        if tape is None:
            continue
        first = int(np.searchsorted(tape.points.time, start))
        last = int(np.searchsorted(tape.points.time, end, side="right"))
        places = range(first, last)
        for place in reversed(places) if newest_first else places:
            point = Point(
                int(tape.points.time[place]),
                float(tape.points.price[place]),
                float(tape.points.volume[place]),
                None,
            )
            yield point.time, make(market, symbol, point)
