"""Figures: what Plotly accepts, on an axis that no calendar can bend."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import plotly.graph_objects as go
import pytest
from fake_services import NOW, a_market, trading

from trading_system.contracts.execution import EquityPoint
from trading_web import formats
from trading_web.figures import (
    Span,
    Timeline,
    bar_figure,
    equity_figure,
    exposure_figure,
)
from trading_web.pages.chart import daily

pytestmark = pytest.mark.unit

MARKET = a_market()


def painted(value: Any) -> Any:
    """Put a real colour where a figure names one, as the page does."""
    return json.loads(re.sub(r'"@[a-z_]+(/\d+)?"', '"#123456"', json.dumps(value)))


def chart(symbol: str = "AAPL") -> dict[str, Any]:
    def of(rows: Any) -> Any:
        return [row for row in rows if row.symbol == symbol]

    return bar_figure(
        MARKET.bars[symbol],
        of(MARKET.decisions),
        of(MARKET.outcomes),
        [],
        of(MARKET.trades),
        revision=symbol,
    )


def test_plotly_accepts_the_chart_of_bars():
    figure = painted(chart())
    go.Figure(data=figure["data"], layout=figure["layout"])
    kinds = [trace["name"] for trace in figure["data"]]
    assert kinds[:3] == ["AAPL", "Volume", "Score"]
    assert {"Buy signal", "Bought", "Sold"} <= set(kinds)


def test_plotly_accepts_the_chart_of_equity():
    points = [
        EquityPoint(
            market_time=bar.bar_end, equity=Decimal(100_000 + i), cash=Decimal(0)
        )
        for i, bar in enumerate(MARKET.bars["SPY"])
    ]
    figure = painted(equity_figure(points, MARKET.bars["SPY"], revision="1W"))
    go.Figure(data=figure["data"], layout=figure["layout"])
    equity, held, drawdown = figure["data"]
    assert held["y"][0] == equity["y"][0]
    assert len(held["y"]) == len(equity["y"]) == len(drawdown["y"])
    assert max(drawdown["y"]) <= 0


def test_without_bars_or_points_there_is_nothing_to_draw_and_no_axis():
    for figure in (
        bar_figure([], [], [], [], [], revision="x"),
        equity_figure([], [], revision="x"),
    ):
        assert figure["data"] == [] and figure["layout"] == {}
        assert figure["caption"]


def test_bars_stand_one_apart_over_nights_weekends_and_clock_changes():
    bars = chart("SPY")["data"][0]
    assert bars["x"] == list(range(len(MARKET.bars["SPY"])))
    axis = chart("SPY")["layout"]["meta"]["bars"]
    assert axis["labels"][0].startswith("09:30")
    # New York put its clocks back on 1 November 2026; the session begins at 09:30.
    assert {axis["labels"][i][:5] for i in axis["sessions"]} == {"09:30"}


def test_a_fill_stands_inside_the_bar_in_which_it_happened():
    start = datetime(2026, 11, 20, 15, tzinfo=UTC)
    hour = timedelta(hours=1)
    line = Timeline([Span(start, start + hour), Span(start + hour, start + 2 * hour)])
    assert line.place(start - hour) is None
    assert line.place(start + hour / 2) == pytest.approx(0)
    assert line.place(start + hour) == pytest.approx(0.6)
    assert line.place(start + 3 * hour) == pytest.approx(1.6)


def test_marks_lead_to_their_explanation():
    marks = [t for t in chart()["data"] if t["name"] in ("Bought", "Buy signal")]
    links = [point["link"] for trace in marks for point in trace["customdata"]]
    assert links and all(link.startswith("/explain/") for link in links)


def test_a_day_is_made_of_its_session_bars():
    hours = MARKET.bars["SPY"][:7]
    (day,) = daily(hours)
    assert (day.open, day.close) == (hours[0].open, hours[-1].close)
    assert day.high == max(bar.high for bar in hours)
    assert day.volume == sum(bar.volume for bar in hours)


@pytest.mark.parametrize(
    "path",
    [
        "/figures/equity?range=All",
        "/figures/equity?range=nonsense",
        "/figures/bars/AAPL",
        "/figures/bars/AAPL?tf=1d",
        "/figures/bars/ZZZZ",
    ],
)
async def test_a_figure_is_served_as_json(open_browser, path):
    browser = open_browser(trading())
    await browser.sign_in()
    answer = await browser.get(path)
    assert answer.status_code == 200
    assert set(answer.json()) == {"data", "layout", "caption", "table"}


async def test_a_figure_without_its_service_is_a_problem(open_browser):
    fake = trading()
    fake.down.add("ingestion")
    browser = open_browser(fake)
    await browser.sign_in()
    answer = await browser.http.get("/figures/bars/AAPL")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["detail"]


def test_exposure_stands_against_its_limit_and_shorts_below_the_line():
    points = [
        EquityPoint(
            market_time=bar.bar_end,
            equity=Decimal(100),
            cash=Decimal(70),
            long_value=Decimal(i),
            short_value=Decimal(-10),
        )
        for i, bar in enumerate(MARKET.bars["SPY"][:60])
    ]
    told = exposure_figure(points, Decimal("0.5"), revision="1W")
    figure = painted(told)
    go.Figure(data=figure["data"], layout=figure["layout"])
    longs, shorts, net = figure["data"]
    assert (longs["y"][-1], shorts["y"][-1]) == (0.59, -0.1)
    assert net["y"][-1] == pytest.approx(0.49)
    assert "gross 69.0\u202f%, net +49.0\u202f%" in told["caption"]
    assert told["layout"]["shapes"][0]["y0"] == 0.5
    assert len(told["table"]["rows"]) == 50


def test_what_was_not_recorded_is_not_drawn():
    bare = EquityPoint(market_time=NOW, equity=Decimal(1), cash=Decimal(1))
    broke = bare.model_copy(update={"equity": Decimal(0), "long_value": Decimal(0)})
    assert exposure_figure([bare, broke], None, revision="x")["data"] == []


def test_the_table_of_a_chart_has_its_values_newest_first():
    figure = chart()
    bars, table = MARKET.bars["AAPL"], figure["table"]
    assert table["columns"] == ["Begins", "Open", "High", "Low", "Close", "Volume"]
    assert len(table["rows"]) == 50
    assert table["rows"][0][4] == formats.price(bars[-1].close)
    assert table["caption"].endswith(f"the last 50 of {len(bars)}")


async def test_every_chart_has_files_with_the_values_that_it_draws(open_browser):
    browser = open_browser(trading())
    await browser.sign_in()
    equity = (await browser.get("/figures/equity?range=1W")).json()
    rows = (await browser.get("/files/equity.json?range=1W")).json()
    assert [float(row["equity"]) for row in rows] == equity["data"][0]["y"]
    assert [row["drawdown"] for row in rows] == equity["data"][-1]["y"]
    csv = (await browser.get("/files/equity.csv?range=1W")).text
    assert csv.startswith("market_time,market_time_new_york,equity,benchmark,drawdown")
    exposure = (await browser.get("/figures/exposure?range=1W")).json()
    rows = (await browser.get("/files/exposure.json?range=1W")).json()
    assert [row["long"] for row in rows] == exposure["data"][0]["y"]
    bars = (await browser.get("/files/bars/AAPL.json?tf=1h")).json()
    drawn = (await browser.get("/figures/bars/AAPL?tf=1h")).json()
    assert [bar["close"] for bar in bars] == drawn["data"][0]["close"]
    assert (await browser.get("/files/bars/BRK.B.csv")).status_code == 200
