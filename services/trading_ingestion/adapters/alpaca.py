"""Bars, clock and assets over Alpaca's REST API."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import polars as pl
from loguru import logger

from trading_core.bars import SCHEMA
from trading_core.calendar import Timeframe, require_aware
from trading_ingestion.ports import Asset
from trading_system import clock
from trading_system.clock import ClockReading
from trading_system.config.settings import Settings
from trading_system.errors import Misconfigured, Unavailable

PAGE = 10_000
SYMBOLS_AT_ONCE = 200
TRIES = 5
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_NOT_BARS = (KeyError, TypeError, AttributeError, ValueError, pl.exceptions.PolarsError)
_FIELDS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}


class AlpacaMarketData:
    """Alpaca's market data, or whatever speaks its protocol at the given addresses.

    Every request is a GET, so each is tried again after time-outs, lost connections,
    429 and 5xx, after a growing pause or the one that was asked for.
    """

    def __init__(
        self,
        settings: Settings,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = clock.sleep,
    ) -> None:
        self._trading = settings.alpaca_base_url
        self._data = settings.alpaca_data_url
        self._feed: str = settings.alpaca_feed
        self._sleep = sleep
        self._http = httpx.Client(
            headers={
                "APCA-API-KEY-ID": settings.alpaca_api_key.get_secret_value(),
                "APCA-API-SECRET-KEY": settings.alpaca_secret_key.get_secret_value(),
            },
            timeout=TIMEOUT,
            transport=transport,
            # A proxy of the environment is not for the exchange on this machine.
            trust_env=httpx.URL(self._data).host not in LOOPBACK,
        )

    @property
    def feed(self) -> str:
        """The feed that is asked for by name; never left to the plan's default."""
        return self._feed

    def clock(self) -> ClockReading:
        """Ask for the market's time now."""
        body = self._get(f"{self._trading}/v2/clock", {})
        try:
            return ClockReading(
                now=_instant(body["timestamp"]),
                is_open=bool(body["is_open"]),
                next_open=_instant(body["next_open"]),
                next_close=_instant(body["next_close"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _not_understood("/v2/clock", error) from error

    def assets(self) -> Sequence[Asset]:
        """Return the active US equities that can be traded."""
        body = self._get(
            f"{self._trading}/v2/assets",
            {"status": "active", "asset_class": "us_equity"},
        )
        try:
            return [
                Asset(str(row["symbol"]), str(row.get("name") or ""))
                for row in body
                if row["tradable"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise _not_understood("/v2/assets", error) from error

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
    ) -> pl.DataFrame:
        """Return the bars that start in [start, end), unadjusted, all pages of them."""
        frames = [SCHEMA.to_frame()]
        for first in range(0, len(symbols), SYMBOLS_AT_ONCE):
            some = symbols[first : first + SYMBOLS_AT_ONCE]
            frames += self._pages(some, timeframe, start, end)
        # The broker's `end` is included, ours is not.
        return pl.concat(frames).filter(pl.col("timestamp") < end)

    def _pages(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
    ) -> list[pl.DataFrame]:
        parameters = {
            "symbols": ",".join(symbols),
            "timeframe": str(timeframe),
            "start": _text(start),
            "end": _text(end),
            "limit": str(PAGE),
            "adjustment": "raw",
            "feed": self._feed,
            "sort": "asc",
        }
        pages: list[pl.DataFrame] = []
        seen: set[str] = set()
        while True:
            body = self._get(f"{self._data}/v2/stocks/bars", parameters)
            try:
                pages += [_frame(symbol, rows) for symbol, rows in body["bars"].items()]
                token = body["next_page_token"]
            except _NOT_BARS as error:
                raise _not_understood("/v2/stocks/bars", error) from error
            if not token:
                return pages
            if token in seen:
                raise Unavailable("The feed sends the same page over and over.")
            seen.add(token)
            parameters["page_token"] = token

    def _get(self, url: str, parameters: Mapping[str, str]) -> Any:
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                logger.info("asks {} again: {}", url, problem)
            try:
                response = self._http.get(url, params=parameters)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__} {error}".strip()
                self._pause(attempt, None)
                continue
            if response.status_code == 429 or response.status_code >= 500:
                problem = f"status {response.status_code}"
                self._pause(attempt, response.headers.get("Retry-After"))
                continue
            return _body(url, response)
        raise Unavailable(
            f"{url} did not answer {TRIES} times: {problem}.",
            remedy="It is tried again; see the System page for how long this lasts.",
        )

    def _pause(self, attempt: int, asked: str | None) -> None:
        if attempt == TRIES - 1:
            return
        longest = 0.5 * 2**attempt
        pause = random.uniform(longest / 2, longest)
        if asked is not None and asked.isdigit():
            pause = min(max(pause, float(asked)), 30.0)
        self._sleep(pause)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _body(url: str, response: httpx.Response) -> Any:
    if response.status_code in (401, 403):
        raise Misconfigured(
            f"{url} refused the keys ({response.status_code}): {_said(response)}",
            remedy="Check ALPACA_API_KEY, ALPACA_SECRET_KEY and ALPACA_FEED.",
        )
    if response.status_code != 200:
        raise Unavailable(f"{url} answered {response.status_code}: {_said(response)}")
    try:
        return response.json()
    except ValueError as error:
        raise _not_understood(url, error) from error


def _said(response: httpx.Response) -> str:
    return response.text.strip().replace("\n", " ")[:200] or "nothing said."


def _frame(symbol: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows of the feed as bars; what is no number becomes null, to be told."""
    frame = pl.DataFrame(
        {
            "timestamp": [row["t"] for row in rows],
            **{
                name: pl.Series(
                    name, [_number(row.get(key)) for row in rows], dtype=pl.Float64
                )
                for name, key in _FIELDS.items()
            },
        },
        schema_overrides={"timestamp": pl.String},
    )
    return frame.select(
        pl.lit(symbol).alias("symbol"),
        pl.col("timestamp").str.to_datetime("%+", time_unit="us", time_zone="UTC"),
        *_FIELDS,
    ).cast(SCHEMA)


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None


def _instant(text: str) -> datetime:
    return require_aware(datetime.fromisoformat(text))


def _text(moment: datetime) -> str:
    return require_aware(moment).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _not_understood(what: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"The feed answered {what} in a way that is not understood: "
        f"{type(error).__name__} {error}".partition("\n")[0]
    )
