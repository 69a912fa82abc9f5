"""Bars, quotes and snapshots through the broker's own data client."""

from datetime import UTC, datetime
from typing import Any

import pytest
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.data.enums import DataFeed
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

pytestmark = pytest.mark.integration

THIRTY = TimeFrame(30, TimeFrameUnit.Minute)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 9, day, hour, minute, tzinfo=UTC)


def bars(exchange: Any, symbols: list[str], frame: TimeFrame, **more: Any) -> Any:
    return exchange.data().get_stock_bars(
        StockBarsRequest(symbol_or_symbols=symbols, timeframe=frame, **more)
    )


def test_a_bar_is_answered_once_it_has_ended_and_not_before(exchange: Any) -> None:
    exchange.control(advance_to="2026-09-14T14:00:00Z")
    found = bars(exchange, ["KO"], THIRTY, start=at(14, 13, 30), end=at(14, 20))
    assert [bar.timestamp for bar in found["KO"]] == [at(14, 13, 30)]
    exchange.control(advance_to="2026-09-14T15:00:00Z")
    found = bars(exchange, ["KO"], THIRTY, start=at(14, 13, 30), end=at(14, 20))
    assert [bar.timestamp.minute for bar in found["KO"]] == [30, 0, 30]


def test_longer_bars_are_made_of_shorter_ones(lasting_exchange: Any) -> None:
    span = {"start": at(10, 12), "end": at(10, 19, 59)}
    minutes = bars(lasting_exchange, ["AMD"], TimeFrame.Minute, **span)["AMD"]
    hours = bars(lasting_exchange, ["AMD"], TimeFrame.Hour, **span)["AMD"]
    assert hours[0].timestamp == at(10, 12)
    assert sum(bar.volume for bar in minutes) == sum(bar.volume for bar in hours)
    for hour in hours:
        parts = [bar for bar in minutes if bar.timestamp.hour == hour.timestamp.hour]
        assert hour.open == parts[0].open and hour.close == parts[-1].close
        assert hour.high == max(bar.high for bar in parts)
        assert hour.low == min(bar.low for bar in parts)


def test_the_nine_o_clock_hour_mixes_the_pre_market_with_the_open(
    lasting_exchange: Any,
) -> None:
    span = {"start": at(10, 13), "end": at(10, 13, 59)}
    (hour,) = bars(lasting_exchange, ["AMD"], TimeFrame.Hour, **span)["AMD"]
    early, opening = bars(lasting_exchange, ["AMD"], THIRTY, **span)["AMD"]
    assert early.timestamp == at(10, 13) and opening.timestamp == at(10, 13, 30)
    assert hour.open == early.open != opening.open
    assert hour.volume == early.volume + opening.volume


def test_a_day_is_stamped_midnight_and_takes_its_prices_from_the_session(
    lasting_exchange: Any,
) -> None:
    (day,) = bars(
        lasting_exchange, ["SPY"], TimeFrame.Day, start=at(10, 0), end=at(10, 23)
    )["SPY"]
    assert day.timestamp == at(10, 4)
    session = bars(
        lasting_exchange, ["SPY"], THIRTY, start=at(10, 13, 30), end=at(10, 19, 30)
    )["SPY"]
    assert (day.open, day.close) == (session[0].open, session[-1].close)
    assert day.high == max(bar.high for bar in session)
    assert day.volume > sum(bar.volume for bar in session)


def test_two_years_of_history_are_there(lasting_exchange: Any) -> None:
    days = bars(
        lasting_exchange,
        ["AAPL", "INTC"],
        TimeFrame.Day,
        start=datetime(2024, 9, 14, tzinfo=UTC),
        end=at(14, 0),
    )
    assert len(days["AAPL"]) == len(days["INTC"]) == 499


def test_pages_add_up_to_the_whole_in_either_direction(lasting_exchange: Any) -> None:
    params = {
        "symbols": "MSFT,AAPL,NOPE",
        "timeframe": "1Hour",
        "start": "2026-09-01T00:00:00Z",
        "end": "2026-09-12T00:00:00Z",
    }
    for sort in ("asc", "desc"):
        whole = lasting_exchange.raw(
            "GET", "/v2/stocks/bars", params={**params, "sort": sort, "limit": 10_000}
        ).json()
        assert whole["next_page_token"] is None
        assert list(whole["bars"]) == ["AAPL", "MSFT"]
        for limit in (1, 7, len(whole["bars"]["AAPL"])):
            pages: dict[str, list[Any]] = {}
            token = None
            while True:
                page = lasting_exchange.raw(
                    "GET",
                    "/v2/stocks/bars",
                    params={
                        **params,
                        "sort": sort,
                        "limit": limit,
                        **({"page_token": token} if token else {}),
                    },
                ).json()
                assert sum(map(len, page["bars"].values())) <= limit
                for symbol, rows in page["bars"].items():
                    pages.setdefault(symbol, []).extend(rows)
                token = page["next_page_token"]
                if token is None:
                    break
            assert pages == whole["bars"]


def test_the_client_pages_by_itself_and_sorts_as_asked(lasting_exchange: Any) -> None:
    span = {"start": at(1, 0), "end": at(12, 0)}
    up = bars(lasting_exchange, ["KO"], TimeFrame.Minute, feed=DataFeed.IEX, **span)[
        "KO"
    ]
    down = bars(lasting_exchange, ["KO"], TimeFrame.Minute, sort=Sort.DESC, **span)[
        "KO"
    ]
    assert len(up) > 3000
    assert up == down[::-1]
    assert [bar.timestamp for bar in up] == sorted(bar.timestamp for bar in up)


def test_the_latest_values_are_those_of_now(exchange: Any) -> None:
    exchange.control(advance_to="2026-09-14T15:10:00Z")
    client = exchange.data()
    trade = client.get_stock_latest_trade(
        StockLatestTradeRequest(symbol_or_symbols="KO")
    )["KO"]
    quote = client.get_stock_latest_quote(
        StockLatestQuoteRequest(symbol_or_symbols="KO")
    )["KO"]
    assert trade.timestamp == quote.timestamp == at(14, 15, 10)
    assert quote.bid_price <= trade.price <= quote.ask_price
    snapshot = client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="KO"))
    assert snapshot["KO"].latest_trade == trade
    assert snapshot["KO"].minute_bar.timestamp == at(14, 15, 9)
    assert snapshot["KO"].daily_bar.timestamp == at(14, 4)
    assert snapshot["KO"].previous_daily_bar.timestamp == at(11, 4)


@pytest.mark.parametrize(
    "params",
    [
        {"symbols": "KO", "timeframe": "0Min"},
        {"symbols": "KO", "timeframe": "61Min"},
        {"symbols": "KO", "timeframe": "Hour"},
        {"symbols": "", "timeframe": "1Min"},
        {"symbols": "K O", "timeframe": "1Min"},
        {"symbols": "KO", "timeframe": "1Min", "limit": "10001"},
        {"symbols": "KO", "timeframe": "1Min", "limit": "-1"},
        {"symbols": "KO", "timeframe": "1Min", "start": "yesterday"},
        {"symbols": "KO", "timeframe": "1Min", "start": "9999-99-99"},
        {"symbols": "KO", "timeframe": "1Min", "page_token": "%%%"},
        {"symbols": "KO", "timeframe": "1Min", "feed": "mars"},
        {"symbols": ",".join(f"A{n}" for n in range(3_000)), "timeframe": "1Min"},
    ],
)
def test_what_cannot_be_read_is_a_bad_request(
    lasting_exchange: Any, params: dict[str, str]
) -> None:
    answer = lasting_exchange.raw("GET", "/v2/stocks/bars", params=params)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}


def test_the_client_reads_a_refusal(lasting_exchange: Any) -> None:
    with pytest.raises(APIError) as refused:
        bars(lasting_exchange, ["KO"], TimeFrame.Minute, start=at(14, 0), end=at(1, 0))
    assert refused.value.status_code == 400
