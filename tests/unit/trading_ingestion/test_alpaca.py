"""The adapter asks politely, pages to the end, and passes on what it got."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from trading_core.bars import SCHEMA
from trading_core.calendar import Timeframe
from trading_ingestion.adapters.alpaca import TRIES, AlpacaMarketData
from trading_system.config.settings import Settings
from trading_system.errors import Misconfigured, Unavailable

pytestmark = pytest.mark.unit

START = datetime(2024, 7, 1, 13, 30, tzinfo=UTC)
END = datetime(2024, 7, 1, 15, 0, tzinfo=UTC)
Answer = Callable[[httpx.Request], httpx.Response]


class Recorder:
    """Answers requests as a test says, and remembers them and the pauses between."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json=answer)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(
        trading_mode="paper",
        alpaca_api_key="key",
        alpaca_secret_key="secret",
        alpaca_data_url="https://data.test",
        alpaca_base_url="https://paper-api.alpaca.markets",
    )


@pytest.fixture
def connect(settings: Settings) -> Callable[[Recorder], AlpacaMarketData]:
    def connected(recorder: Recorder) -> AlpacaMarketData:
        transport = httpx.MockTransport(recorder)
        return AlpacaMarketData(settings, transport, recorder.pauses.append)

    return connected


def row(time: str, close: Any = 10.5) -> dict[str, Any]:
    return {"t": time, "o": 10, "h": 11.0, "l": 9.0, "c": close, "v": 100, "n": 1}


def page(bars: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    return {"bars": bars, "next_page_token": token}


def test_pages_are_followed_to_the_end(connect):
    recorder = Recorder(
        page({"AAPL": [row("2024-07-01T13:30:00Z")]}, "next"),
        page({"SPY": [row("2024-07-01T13:30:00Z"), row("2024-07-01T14:00:00.5Z")]}),
    )

    bars = connect(recorder).bars(["AAPL", "SPY"], Timeframe.THIRTY_MINUTES, START, END)

    assert bars.schema == SCHEMA
    assert bars["symbol"].to_list() == ["AAPL", "SPY", "SPY"]
    first, second = (dict(request.url.params) for request in recorder.requests)
    assert first == {
        "symbols": "AAPL,SPY",
        "timeframe": "30Min",
        "start": "2024-07-01T13:30:00Z",
        "end": "2024-07-01T15:00:00Z",
        "limit": "10000",
        "adjustment": "raw",
        "feed": "iex",
        "sort": "asc",
    }
    assert second == first | {"page_token": "next"}
    assert recorder.requests[0].headers["APCA-API-KEY-ID"] == "key"


def test_a_bar_that_starts_at_the_end_is_left_out(connect):
    recorder = Recorder(
        page({"SPY": [row("2024-07-01T14:30:00Z"), row("2024-07-01T15:00:00Z")]})
    )

    bars = connect(recorder).bars(["SPY"], Timeframe.THIRTY_MINUTES, START, END)

    assert bars["timestamp"].to_list() == [datetime(2024, 7, 1, 14, 30, tzinfo=UTC)]


def test_no_bars_is_an_empty_frame_of_bars(connect):
    bars = connect(Recorder(page({}))).bars(["XX"], Timeframe.ONE_MINUTE, START, END)

    assert bars.is_empty() and bars.schema == SCHEMA


@pytest.mark.parametrize("close", [None, "10.5", True, {}])
def test_what_is_no_number_becomes_null_to_be_told_later(connect, close):
    recorder = Recorder(page({"SPY": [row("2024-07-01T13:30:00Z", close)]}))

    bars = connect(recorder).bars(["SPY"], Timeframe.THIRTY_MINUTES, START, END)

    assert bars["close"].to_list() == [None]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(503),
        httpx.Response(429),
        httpx.Response(500, text="<html>"),
    ],
)
def test_a_passing_trouble_is_asked_again_after_a_pause(connect, trouble):
    recorder = Recorder(trouble, trouble, page({}))

    connect(recorder).bars(["SPY"], Timeframe.THIRTY_MINUTES, START, END)

    assert len(recorder.requests) == 3
    assert len(recorder.pauses) == 2
    assert 0 < recorder.pauses[0] <= 0.5
    assert 0.5 <= recorder.pauses[1] <= 1.0


def test_a_trouble_that_lasts_is_told_in_one_sentence(connect):
    recorder = Recorder(httpx.Response(502))

    with pytest.raises(Unavailable, match="did not answer 5 times: status 502"):
        connect(recorder).clock()

    assert len(recorder.requests) == TRIES
    assert len(recorder.pauses) == TRIES - 1


def test_a_pause_that_is_asked_for_is_kept(connect):
    asked = httpx.Response(429, headers={"Retry-After": "7"})
    recorder = Recorder(asked, page({}))

    connect(recorder).bars(["SPY"], Timeframe.THIRTY_MINUTES, START, END)

    assert recorder.pauses == [7.0]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_keys_are_not_asked_again(connect, status):
    recorder = Recorder(httpx.Response(status, json={"message": "forbidden."}))

    with pytest.raises(Misconfigured, match="ALPACA_API_KEY"):
        connect(recorder).clock()

    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"bars": None, "next_page_token": None},
        {"bars": {"SPY": [{"o": 1}]}, "next_page_token": None},
        {"bars": {"SPY": [{"t": 5}]}, "next_page_token": None},
        {"bars": {"SPY": [{"t": "yesterday"}]}, "next_page_token": None},
    ],
)
def test_an_answer_that_is_no_bars_is_refused(connect, body):
    with pytest.raises(Unavailable, match="not understood"):
        connect(Recorder(body)).bars(["SPY"], Timeframe.ONE_MINUTE, START, END)


def test_an_answer_that_is_no_json_is_refused(connect):
    with pytest.raises(Unavailable, match="not understood"):
        connect(Recorder(httpx.Response(200, text="<html>"))).clock()


def test_pages_that_go_in_circles_are_refused(connect):
    with pytest.raises(Unavailable, match="same page"):
        connect(Recorder(page({}, "again"))).bars(
            ["SPY"], Timeframe.ONE_MINUTE, START, END
        )


def test_the_clock_is_read_in_utc(connect):
    recorder = Recorder(
        {
            "timestamp": "2024-07-01T10:02:03.123456789-04:00",
            "is_open": True,
            "next_open": "2024-07-02T09:30:00-04:00",
            "next_close": "2024-07-01T16:00:00-04:00",
        }
    )

    reading = connect(recorder).clock()

    assert reading.now == datetime(2024, 7, 1, 14, 2, 3, 123456, tzinfo=UTC)
    assert reading.next_close == datetime(2024, 7, 1, 20, tzinfo=UTC)
    assert reading.is_open


def test_only_what_can_be_traded_is_listed(connect):
    recorder = Recorder(
        [
            {"symbol": "SPY", "name": "SPDR", "tradable": True},
            {"symbol": "OLD", "name": "Gone", "tradable": False},
        ]
    )

    assert connect(recorder).assets() == [("SPY", "SPDR")]
