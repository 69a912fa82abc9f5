"""Every method of the broker's own data clients, unchanged, against the exchange."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from alpaca.common.enums import Sort
from alpaca.data.enums import Adjustment, CorporateActionsType, DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import (
    CorporateActionsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame
from broker_clients import public

pytestmark = pytest.mark.integration


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 9, day, hour, minute, tzinfo=UTC)


def get_stock_bars(desk: Any) -> None:
    def bars(symbols: Any, frame: Any = TimeFrame.Minute, **more: Any) -> Any:
        return desk.data.get_stock_bars(
            StockBarsRequest(symbol_or_symbols=symbols, timeframe=frame, **more)
        ).data

    # Several pages over several symbols: more than 10,000 rows in all.
    names = ["AMD", "AAPL", "MSFT"]
    span = {"start": at(1), "end": at(14, 14)}
    many = bars(names, **span)
    assert sorted(many) == sorted(names) and sum(map(len, many.values())) > 10_000
    for name in names:
        assert many[name] == bars(name, **span)[name]
        assert bars(name, sort=Sort.DESC, **span)[name] == many[name][::-1]
    # A limit counts over all symbols, from the first on.
    assert {name: len(rows) for name, rows in bars(names, limit=7, **span).items()} == {
        "AAPL": 7
    }
    # Both bounds are included.
    one = many["AMD"][100].timestamp
    assert [bar.timestamp for bar in bars("AMD", start=one, end=one)["AMD"]] == [one]
    for feed in (DataFeed.IEX, DataFeed.SIP):
        assert bars("AMD", feed=feed, **span)["AMD"] == many["AMD"]
    assert bars("NOPE", **span) == {}
    assert bars("AMD", start=at(28)) == {}
    days = {"frame": TimeFrame.Day, "start": at(10), "end": at(15, 14)}
    for adjustment, factor in (
        (Adjustment.RAW, 1.0),
        (Adjustment.SPLIT, 0.5),
        (Adjustment.ALL, 0.5),
        (Adjustment.DIVIDEND, 1.0),
    ):
        raw = bars("PFE", **days)["PFE"][0]
        row = bars("PFE", adjustment=adjustment, **days)["PFE"][0]
        assert row.close == pytest.approx(raw.close * factor, abs=0.01)
        assert row.volume == pytest.approx(raw.volume / factor)
    # A new name has the past of the old one; taken literally it has its own only.
    assert len(bars("CHIP", **days)["CHIP"]) == 4
    assert bars("INTC", **days) == {}
    old = bars("INTC", asof="2026-09-14", **days)["INTC"]
    assert [bar.close for bar in old] == [
        bar.close for bar in bars("CHIP", **days)["CHIP"]
    ]
    assert bars("CHIP", asof="2026-09-14", **days) == {}
    literal = bars(["INTC", "CHIP"], asof="-", **days)
    assert [len(literal[name]) for name in ("INTC", "CHIP")] == [3, 1]
    for size in (1, 3, 45, 59):
        step = timedelta(minutes=size)
        frame = TimeFrame(size, TimeFrame.Minute.unit)
        rows = bars("AMD", frame, start=at(11, 14), end=at(11, 19))["AMD"]
        gaps = {later.timestamp - one.timestamp for one, later in zip(rows, rows[1:])}
        assert gaps == {step}


def printed(ask: Callable[..., Any], make: Any) -> None:
    """Walk what trades and quotes have in common."""

    def rows(symbols: Any, **more: Any) -> Any:
        return ask(make(symbol_or_symbols=symbols, **more)).data

    names = ["AMD", "KO", "PEP", "SPY"]
    span = {"start": at(9), "end": at(12)}
    many = rows(names, **span)
    assert sorted(many) == names and sum(map(len, many.values())) > 10_000
    for name in names:
        times = [row.timestamp for row in many[name]]
        assert times == sorted(times)
    desc = rows("KO", sort=Sort.DESC, **span)["KO"]
    assert desc == many["KO"][::-1]
    assert len(rows(names, limit=5, **span)["AMD"]) == 5
    first = many["KO"][0].timestamp
    assert [row.timestamp for row in rows("KO", start=first, end=first)["KO"]] == [
        first
    ]
    assert rows("NOPE", **span) == {}
    assert rows("KO", feed=DataFeed.SIP, **span)["KO"] == many["KO"]
    assert list(rows("INTC", asof="2026-09-14", **span)) == ["INTC"]


def get_stock_trades(desk: Any) -> None:
    printed(desk.data.get_stock_trades, StockTradesRequest)


def get_stock_quotes(desk: Any) -> None:
    printed(desk.data.get_stock_quotes, StockQuotesRequest)


def get_stock_latest_bar(desk: Any) -> None:
    request = StockLatestBarRequest(symbol_or_symbols=["KO", "NOPE"])
    found = desk.data.get_stock_latest_bar(request)
    assert list(found) == ["KO"] and found["KO"].timestamp == at(15, 13, 59)


def get_stock_latest_trade(desk: Any) -> None:
    request = StockLatestTradeRequest(symbol_or_symbols=["KO", "AMD"])
    found = desk.data.get_stock_latest_trade(request)
    assert sorted(found) == ["AMD", "KO"]
    assert found["KO"].timestamp == at(15, 14)


def get_stock_latest_quote(desk: Any) -> None:
    request = StockLatestQuoteRequest(symbol_or_symbols="KO", feed=DataFeed.IEX)
    quote = desk.data.get_stock_latest_quote(request)["KO"]
    assert quote.bid_price <= desk.last() <= quote.ask_price


def get_stock_snapshot(desk: Any) -> None:
    request = StockSnapshotRequest(symbol_or_symbols=["KO", "CHIP", "NOPE"])
    found = desk.data.get_stock_snapshot(request)
    assert sorted(found) == ["CHIP", "KO"]
    assert found["KO"].daily_bar.timestamp == at(15, 4)
    assert found["KO"].previous_daily_bar.timestamp == at(14, 4)


def get_corporate_actions(desk: Any) -> None:
    def found(**options: Any) -> Any:
        return desk.actions.get_corporate_actions(
            CorporateActionsRequest(
                start=date(2026, 9, 1), end=date(2026, 9, 30), **options
            )
        ).data

    every = found()
    assert {kind: len(rows) for kind, rows in every.items()} == {
        "forward_splits": 1,
        "cash_dividends": 2,
        "name_changes": 1,
    }
    (split,) = every["forward_splits"]
    assert (split.symbol, split.new_rate, split.old_rate) == ("PFE", 2, 1)
    assert {one.symbol: one.rate for one in every["cash_dividends"]} == {
        "DIS": 0.75,
        "BAC": 0.25,
    }
    (change,) = every["name_changes"]
    assert (change.old_symbol, change.new_symbol) == ("INTC", "CHIP")
    assert list(found(types=[CorporateActionsType.FORWARD_SPLIT])) == ["forward_splits"]
    assert list(found(symbols=["DIS"])) == ["cash_dividends"]
    assert found(ids=[str(split.id)]) == {"forward_splits": [split]}
    assert sum(map(len, found(limit=1).values())) == 1
    paged, token = [], None
    while True:
        query = {"start": "2026-09-01", "limit": 1, "page_token": token}
        page = desk.actions.get("/corporate-actions", query)
        paged += [
            row["id"] for rows in page["corporate_actions"].values() for row in rows
        ]
        token = page["next_page_token"]
        if token is None:
            break
    assert len(paged) == len(set(paged)) == 4
    assert found(sort=Sort.DESC).keys() == every.keys()
    nothing = CorporateActionsRequest(start=date(2026, 8, 1), end=date(2026, 8, 31))
    assert desk.actions.get_corporate_actions(nothing).data == {}


WALKS: dict[type, list[Callable[[Any], None]]] = {
    StockHistoricalDataClient: [
        get_stock_bars,
        get_stock_trades,
        get_stock_quotes,
        get_stock_latest_bar,
        get_stock_latest_trade,
        get_stock_latest_quote,
        get_stock_snapshot,
    ],
    CorporateActionsClient: [get_corporate_actions],
}


@pytest.mark.parametrize("client", WALKS, ids=lambda one: one.__name__)
def test_no_method_is_left_out(client: type) -> None:
    assert {walk.__name__ for walk in WALKS[client]} == public(client)


@pytest.mark.parametrize(
    "walk",
    [walk for walks in WALKS.values() for walk in walks],
    ids=lambda walk: walk.__name__,
)
def test_a_method_does_what_the_broker_says(
    desk: Any, walk: Callable[[Any], None]
) -> None:
    walk(desk)
