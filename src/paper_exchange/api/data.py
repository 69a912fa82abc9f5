"""/v2/stocks: bars, trades, quotes, latest values and snapshots."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from paper_exchange import instants
from paper_exchange.api.context import exchange_of
from paper_exchange.api.http import Json
from paper_exchange.api.routing import Router
from paper_exchange.errors import ApiError, malformed, not_found
from paper_exchange.exchange import Exchange
from paper_exchange.market import bars, prints
from paper_exchange.market.bars import Row

router = Router(tag="market data")
FEEDS = ("", "sip", "iex", "otc", "boats", "delayed_sip", "overnight")
MOST_ROWS = 10_000
USUAL_ROWS = 1_000
MOST_SYMBOLS = 2_000
MOST_SAME = 1_000_000
_SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9./-]{0,11}")
_ADJUSTMENT = re.compile(
    r"(raw|split|dividend|spin-off|all)(,(raw|split|dividend|spin-off|all))*"
)
# The day and the minutes that a snapshot looks at.
DAY_FRAME = bars.timeframe("1Day")
MINUTE_FRAME = bars.timeframe("1Min")


class Made(Protocol):
    """What is answered of rows, as `orjson` takes it: a piece of each, or together."""

    def __getitem__(self, rows: slice, /) -> list[Any]:
        """Return what is answered of some of them."""


Batches = Iterator[tuple[list[int], Made]]
"""Labels, and what is answered of them."""

Rows = Callable[[str, int, int, bool], Batches]
"""What a page is made of: a symbol's rows between two instants, or backwards."""


def _query(request: Request) -> Exchange:
    """Check what every data request may carry."""
    query = request.query_params
    if query.get("feed", "") not in FEEDS:
        raise malformed(f"invalid feed: {query['feed'][:20]}")
    if query.get("currency", "USD") not in ("USD", ""):
        raise malformed("invalid currency: only USD is served")
    if not _ADJUSTMENT.fullmatch(query.get("adjustment") or "raw"):
        raise malformed("invalid adjustment")
    return exchange_of(request)


def _symbols(request: Request) -> list[str]:
    text = request.query_params.get("symbols", "")
    symbols = sorted({symbol for symbol in text.split(",") if symbol})
    if not symbols:
        raise malformed("symbols parameter is required")
    if len(symbols) > MOST_SYMBOLS:
        raise malformed(f"invalid symbols: at most {MOST_SYMBOLS} are accepted")
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise malformed(f"invalid symbol: {symbol[:32]}")
    return symbols


def _instant(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name)
    if not value:
        return default
    try:
        instant = instants.parse(value)
    except ValueError as error:
        raise malformed(f"invalid {name}: {error}") from None
    if name == "end" and len(value.strip()) == 10:
        # A bare date as an end includes its day.
        instant += bars.DAY - 1
    return instant


def _known_at(request: Request, now: int) -> int | None:
    """Return the instant whose symbols are meant; None means that none are followed."""
    value = request.query_params.get("asof")
    if not value:
        return now
    if value == "-":
        return None
    try:
        return instants.parse(value) + bars.DAY - 1
    except ValueError:
        raise malformed("invalid asof: it must be YYYY-MM-DD or -") from None


def _limit(request: Request) -> int:
    value = request.query_params.get("limit")
    if not value:
        return USUAL_ROWS
    if not value.isdecimal() or int(value[:9]) < 1:
        raise malformed("invalid limit: it must be a whole number above 0")
    if int(value[:9]) > MOST_ROWS:
        raise malformed(
            f"invalid limit: larger than the allowed maximum of {MOST_ROWS}"
        )
    return int(value)


def _token(request: Request, symbols: list[str]) -> tuple[str, int, int] | None:
    """Return symbol and label of a page's last row, and how many rows bore that."""
    token = request.query_params.get("page_token")
    if not token:
        return None
    try:
        symbol, label, count = orjson.loads(urlsafe_b64decode(token))
        if symbol in symbols and type(label) is int and type(count) is int:
            return symbol, label, min(max(0, count), MOST_SAME)
    except (NotBase64, ValueError, TypeError):
        pass
    raise malformed("invalid page_token")


def _page(
    request: Request, symbols: list[str], rows: Rows
) -> tuple[dict[str, list[Any]], str | None]:
    """Return one page, sorted by symbol and then time, and the token of the next."""
    exchange = exchange_of(request)
    now = exchange.now
    midnight = instants.new_york_midnight(instants.new_york_date(now))
    start = _instant(request, "start", midnight)
    end = _instant(request, "end", now)
    sort = request.query_params.get("sort") or "asc"
    if sort not in ("asc", "desc"):
        raise malformed("invalid sort: it must be asc or desc")
    if start > end and request.query_params.get("end"):
        raise malformed("end should not be before start")
    limit, newest_first = _limit(request), sort == "desc"
    begun = _token(request, symbols)
    page: dict[str, list[Any]] = {}
    left, last = limit, None
    known_at = _known_at(request, now)
    for symbol in symbols:
        past = exchange.market.past(symbol, known_at)
        if past is None:
            continue
        if begun is not None and symbol < begun[0]:
            continue
        first, until, told = max(start, past.first), min(end, past.last), 0
        if begun is not None and symbol == begun[0]:
            _, label, told = begun
            if newest_first:
                until = min(until, label)
            else:
                first = max(first, label)
        if first > until:
            continue
        # One more than fits tells whether there is another page. Several trades may
        # bear one time: those of the page before are passed over.
        found = rows(past.symbol, first, until, newest_first)
        labels, made = _cut(found, told, left)
        if shown := labels[:left]:
            page[symbol] = made
            label = shown[-1]
            count = shown.count(label)
            if begun is not None and (symbol, label) == begun[:2]:
                count += told
            last = (symbol, label, count)
        if len(labels) > left:
            break
        left -= len(labels)
    else:
        return page, None
    if last is None:
        # The page before was filled exactly: go on where it ended.
        return page, request.query_params.get("page_token")
    return page, urlsafe_b64encode(orjson.dumps(last)).decode()


def _cut(batches: Batches, told: int, most: int) -> tuple[list[int], list[Any]]:
    """Return so many rows behind those that were told, and one label more."""
    labels: list[int] = []
    made: list[Any] = []
    for some, theirs in batches:
        made += theirs[told : told + max(0, most - len(labels))]
        labels += some[told:]
        told = max(0, told - len(some))
        if len(labels) > most:
            break
    return labels[: most + 1], made


def _each(rows: Iterator[Row]) -> Batches:
    """Yield rows that are made one by one."""
    return (([label], [row]) for label, row in rows)


def _bars(request: Request) -> Rows:
    exchange = _query(request)
    try:
        frame = bars.timeframe(request.query_params.get("timeframe", ""))
    except ValueError as error:
        raise malformed(str(error)) from None
    named = (request.query_params.get("adjustment") or "raw").split(",")
    kinds = (
        {"split", "dividend"} if "all" in named else {"split", "dividend"} & set(named)
    )

    def rows(symbol: str, start: int, end: int, newest_first: bool) -> Batches:
        market, now = exchange.market, exchange.now
        wanted = (market, symbol, frame, start, end, now, newest_first)
        if market.is_scaled(symbol, kinds):
            plain = bars.rows(*wanted)
            return _each(bars.adjusted(plain, market, symbol, now, kinds))
        return bars.encoded(*wanted) if frame.is_intraday else _each(bars.rows(*wanted))

    return rows


def _prints(request: Request, kind: str) -> Rows:
    exchange = _query(request)
    return lambda symbol, start, end, newest_first: _each(
        prints.rows(
            exchange.market, symbol, kind, start, end, exchange.now, newest_first
        )
    )


def _many(request: Request, kind: str, rows: Rows) -> Response:
    page, token = _page(request, _symbols(request), rows)
    return Json({kind: page, "next_page_token": token})


def _single(request: Request, kind: str, rows: Rows) -> Response:
    symbol = _path_symbol(request)
    page, token = _page(request, [symbol], rows)
    return Json(
        {kind: page.get(symbol, []), "symbol": symbol, "next_page_token": token}
    )


def _path_symbol(request: Request) -> str:
    symbol = str(request.path_params["symbol"])
    if not _SYMBOL.fullmatch(symbol):
        raise malformed(f"invalid symbol: {symbol[:32]}")
    return symbol


@router.get("/v2/stocks/bars")
async def list_bars(request: Request) -> Response:
    """Return bars of some symbols."""
    return _many(request, "bars", _bars(request))


@router.get("/v2/stocks/trades")
async def list_trades(request: Request) -> Response:
    """Return trades of some symbols."""
    return _many(request, "trades", _prints(request, "trades"))


@router.get("/v2/stocks/quotes")
async def list_quotes(request: Request) -> Response:
    """Return quotes of some symbols."""
    return _many(request, "quotes", _prints(request, "quotes"))


def latest(exchange: Exchange, symbol: str, kind: str) -> dict[str, Any] | None:
    """Return the last bar, trade or quote of a symbol, or None."""
    if symbol not in exchange.market.listings:
        return None
    market, now = exchange.market, exchange.now
    if kind == "bars":
        since = now - 10 * bars.DAY
        found = bars.rows(market, symbol, MINUTE_FRAME, since, now, now, True)
        return next((row for _, row in found), None)
    point = market.last(symbol, now)
    if point is None:
        return None
    make = prints.trade if kind == "trades" else prints.quote
    return make(market, symbol, point)


def _latest_many(request: Request, kind: str) -> Response:
    exchange = _query(request)
    found = {
        symbol: row
        for symbol in _symbols(request)
        if (row := latest(exchange, symbol, kind)) is not None
    }
    return Json({kind: found})


@router.get("/v2/stocks/bars/latest")
async def latest_bars(request: Request) -> Response:
    """Return the last minute bar of some symbols."""
    return _latest_many(request, "bars")


@router.get("/v2/stocks/trades/latest")
async def latest_trades(request: Request) -> Response:
    """Return the last trade of some symbols."""
    return _latest_many(request, "trades")


@router.get("/v2/stocks/quotes/latest")
async def latest_quotes(request: Request) -> Response:
    """Return the last quote of some symbols."""
    return _latest_many(request, "quotes")


def snapshot(exchange: Exchange, symbol: str) -> dict[str, Any]:
    """Return everything known of a symbol now."""
    market, now = exchange.market, exchange.now
    since = now - 10 * bars.DAY
    days = list(islice(bars.rows(market, symbol, DAY_FRAME, since, now, now, True), 2))
    return {
        "latestTrade": latest(exchange, symbol, "trades"),
        "latestQuote": latest(exchange, symbol, "quotes"),
        "minuteBar": latest(exchange, symbol, "bars"),
        "dailyBar": days[0][1] if days else None,
        "prevDailyBar": days[1][1] if len(days) > 1 else None,
    }


@router.get("/v2/stocks/snapshots")
async def snapshots(request: Request) -> Response:
    """Return everything known of some symbols now."""
    exchange = _query(request)
    return Json(
        {
            symbol: snapshot(exchange, symbol)
            for symbol in _symbols(request)
            if symbol in exchange.market.listings
        }
    )


@router.get("/v2/stocks/auctions")
async def list_auctions(request: Request) -> Response:
    """Return the opening and closing prices of sessions of some symbols."""
    return _many(request, "auctions", _auctions(request))


def _auctions(request: Request) -> Rows:
    exchange = _query(request)
    market = exchange.market

    def rows(symbol: str, start: int, end: int, newest_first: bool) -> Batches:
        return _each(auctions(symbol, start, end, newest_first))

    def auctions(
        symbol: str, start: int, end: int, newest_first: bool
    ) -> Iterator[Row]:
        found = bars.rows(
            market, symbol, DAY_FRAME, start, end, exchange.now, newest_first
        )
        for label, row in found:
            day = market.sessions.begun(label)
            if day is None or day.close > exchange.now:
                continue
            ends = ((day.open, row["o"], "O"), (day.close, row["c"], "6"))
            opens, closes = (
                [{"t": instants.rfc3339(at), "x": "P", "p": price, "c": condition}]
                for at, price, condition in ends
            )
            yield label, {"d": day.day.isoformat(), "o": opens, "c": closes}

    return rows


@router.get("/v2/stocks/meta/exchanges")
async def exchanges(request: Request) -> Response:
    """Return the codes of venues."""
    return Json(
        {
            "N": "New York Stock Exchange",
            "P": "NYSE Arca",
            "Q": "NASDAQ OMX",
            "V": "IEX",
        }
    )


@router.get("/v2/stocks/meta/conditions/{kind}")
async def conditions(request: Request) -> Response:
    """Return the codes of trade or quote conditions."""
    kind = request.path_params["kind"]
    if kind not in ("trade", "quote"):
        raise not_found("conditions are of trade or quote")
    if request.query_params.get("tape") not in ("A", "B", "C"):
        raise malformed("invalid tape: it must be A, B or C")
    return Json({"@": "Regular Sale"} if kind == "trade" else {"R": "Regular"})


@router.get("/v2/stocks/{symbol}/snapshot")
async def one_snapshot(request: Request) -> Response:
    """Return everything known of one symbol now."""
    exchange, symbol = _query(request), _path_symbol(request)
    if symbol not in exchange.market.listings:
        raise not_found(f"no snapshot found for {symbol}")
    return Json({"symbol": symbol, **snapshot(exchange, symbol)})


@router.get("/v2/stocks/{symbol}/{kind}")
async def one_list(request: Request) -> Response:
    """Return bars, trades, quotes or auctions of one symbol."""
    kind = request.path_params["kind"]
    if kind == "bars":
        return _single(request, kind, _bars(request))
    if kind == "auctions":
        return _single(request, kind, _auctions(request))
    if kind in ("trades", "quotes"):
        return _single(request, kind, _prints(request, kind))
    raise not_found("endpoint not found.")


@router.get("/v2/stocks/{symbol}/{kind}/latest")
async def one_latest(request: Request) -> Response:
    """Return the last bar, trade or quote of one symbol."""
    kind = request.path_params["kind"]
    if kind not in ("bars", "trades", "quotes"):
        raise not_found("endpoint not found.")
    exchange, symbol = _query(request), _path_symbol(request)
    row = latest(exchange, symbol, kind)
    if row is None:
        raise ApiError(404, 40410000, f"no {kind[:-1]} found for {symbol}")
    return Json({"symbol": symbol, kind[:-1]: row})
