"""Figures as plain dictionaries; the page paints them. Colours are names: "@up".

Bars and equity stand on an axis of numbers, not dates: holidays, half days and nights
then leave no gaps, and a clock change cannot bend the line. `meta.bars` carries what
the page needs to label that axis at any zoom.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from trading_system.contracts.execution import EquityPoint, OrderView, TradeView
from trading_system.contracts.ingestion import BarView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.explanation import side_of
from trading_web import formats

Figure = dict[str, Any]
Trace = dict[str, Any]

# Below stand the time and, on a line of its own, the day.
MARGIN: Final = {"l": 26, "r": 62, "t": 8, "b": 40}


class Span(NamedTuple):
    """One place on the axis, from when to when."""

    start: datetime
    end: datetime


class Timeline:
    """Where on the axis a moment is."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        self._starts = [span.start for span in spans]
        self._numbers = {start: i for i, start in enumerate(self._starts)}

    def number(self, start: datetime) -> int | None:
        """Return the x of the bar that begins at a moment."""
        return self._numbers.get(start)

    def place(self, moment: datetime) -> float | None:
        """Return the x of a moment, inside its bar; None when it is off the chart."""
        number = bisect_right(self._starts, moment) - 1
        if number < 0:
            return None
        span = self.spans[number]
        if moment >= span.end:
            # Between two bars: the next one begins with it, also one still to come.
            return number + 0.6
        share = (moment - span.start) / (span.end - span.start)
        return number + (share - 0.5) * 0.8

    def axis(self, shown: int | None = None, space: float = 1) -> dict[str, Any]:
        """Return what the page needs to label the axis."""
        local = [formats.local(start) for start in self._starts]
        days = [f"{moment.day} {moment:%b}" for moment in local]
        # Sessions are New York's days, whichever zone is shown.
        dates = [start.astimezone(formats.NEW_YORK).date() for start in self._starts]
        fresh = [i for i, day in enumerate(dates) if i == 0 or day != dates[i - 1]]
        months = [i for i in fresh if i == 0 or dates[i].month != dates[i - 1].month]
        opening = set(fresh)
        labels = [
            f"{moment:%H:%M}<br>{days[i]}" if i in opening else f"{moment:%H:%M}"
            for i, moment in enumerate(local)
        ]
        bars = {"labels": labels, "days": days, "sessions": fresh, "months": months}
        return {"bars": bars, "shown": shown or len(labels), "space": space}


def bar_figure(
    bars: Sequence[BarView],
    decisions: Sequence[DecisionView],
    outcomes: Sequence[RiskOutcomeView],
    orders: Sequence[OrderView],
    trades: Sequence[TradeView],
    *,
    revision: str,
    shown: int = 105,
    scores: Sequence[DecisionView] | None = None,
    decided_at: datetime | None = None,
) -> Figure:
    """Return bars with volume, the strategy's score, and what was done on them."""
    if not bars:
        return {"data": [], "layout": {}, "caption": "There are no bars to draw."}
    timeline = Timeline([Span(bar.timestamp, bar.bar_end) for bar in bars])
    labels = [formats.bar_span(bar.timestamp, bar.bar_end) for bar in bars]
    data = [_candles(bars), _volume(bars)]
    score = _score(decisions if scores is None else scores, timeline)
    if score is not None:
        data.append(score)
    data += _signals(decisions, outcomes, bars, timeline)
    data += _fills(trades, timeline)
    layout = _layout(revision, ["yaxis", "yaxis2"] + (["yaxis3"] if score else []))
    layout["meta"] = timeline.axis(shown)
    layout["xaxis"]["labelalias"] = _named(labels)
    layout["annotations"] = _row_names(layout, ["Volume", "Score"])
    layout["shapes"] = [*_working(orders), *_decision_line(decided_at, timeline)]
    caption = _bar_caption(bars, decisions, trades)
    return {"data": data, "layout": layout, "caption": caption}


def equity_figure(
    points: Sequence[EquityPoint], benchmark: Sequence[BarView], *, revision: str
) -> Figure:
    """Return equity against buy-and-hold of the benchmark, with drawdown below."""
    if not points:
        caption = "No equity was recorded in this range yet."
        return {"data": [], "layout": {}, "caption": caption}
    timeline = Timeline([Span(p.market_time, p.market_time) for p in points])
    x = list(range(len(points)))
    equity = [float(point.equity) for point in points]
    when = [formats.day_time(point.market_time) for point in points]
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines" if len(points) > 1 else "markers",
            "name": "Equity",
            "x": x,
            "y": equity,
            "line": {"color": "@accent", "width": 2, "shape": "hv"},
            "hovertemplate": "Equity $%{y:,.2f}<extra></extra>",
        }
    ]
    held = _rebased(benchmark, [p.market_time for p in points], equity)
    if held is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{benchmark[0].symbol}, bought and held",
                "x": x,
                "y": held,
                "line": {"color": "@quiet", "width": 1.5, "dash": "dot"},
                "hovertemplate": "Buy and hold $%{y:,.2f}<extra></extra>",
            }
        )
    data.append(_drawdown(equity))
    layout = _layout(revision, ["yaxis", "yaxis2"])
    layout["meta"] = timeline.axis(space=0.5)
    layout["xaxis"]["labelalias"] = _named(when)
    layout["yaxis"] |= {"tickprefix": "$", "tickformat": ",.0f"}
    layout["yaxis2"] |= {"tickformat": ".1%", "nticks": 3, "rangemode": "tozero"}
    if min(data[-1]["y"]) > -0.001:
        # A line along the top, and not in the middle of an axis made for nothing.
        layout["yaxis2"]["range"] = [-0.01, 0]
    layout["annotations"] = _row_names(layout, ["Drawdown"])
    layout["showlegend"] = True
    return {"data": data, "layout": layout, "caption": _equity_caption(points)}


def _candles(bars: Sequence[BarView]) -> Trace:
    # Up is hollow and down is filled, so that direction survives greyscale.
    return {
        "type": "candlestick",
        "name": bars[0].symbol if bars else "",
        "x": list(range(len(bars))),
        "open": [bar.open for bar in bars],
        "high": [bar.high for bar in bars],
        "low": [bar.low for bar in bars],
        "close": [bar.close for bar in bars],
        "increasing": {"line": {"color": "@up", "width": 1.2}, "fillcolor": "@panel"},
        "decreasing": {"line": {"color": "@down", "width": 1.2}, "fillcolor": "@down"},
        "hovertemplate": "O %{open:,.2f}  H %{high:,.2f}"
        "<br>L %{low:,.2f}  C %{close:,.2f}<extra></extra>",
        "showlegend": False,
    }


def _volume(bars: Sequence[BarView]) -> Trace:
    return {
        "type": "bar",
        "name": "Volume",
        "yaxis": "y2",
        "x": list(range(len(bars))),
        "y": [bar.volume for bar in bars],
        "marker": {"color": "@quiet/45"},
        "hovertemplate": "Volume %{y:,.0f}<extra></extra>",
        "showlegend": False,
    }


def _score(decisions: Sequence[DecisionView], timeline: Timeline) -> Trace | None:
    placed = [(timeline.number(d.bar_start), d.score) for d in decisions]
    points = sorted((x, y) for x, y in placed if x is not None and y is not None)
    if len(points) < 5:
        return None
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Score",
        "yaxis": "y3",
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "line": {"color": "@series", "width": 1.5},
        "hovertemplate": "Score %{y:.4f}<extra></extra>",
        "showlegend": False,
    }


def _signals(
    decisions: Sequence[DecisionView],
    outcomes: Sequence[RiskOutcomeView],
    bars: Sequence[BarView],
    timeline: Timeline,
) -> list[Trace]:
    denied = {o.signal_id: o for o in outcomes if o.outcome != "approved"}
    # Said again on every bar while a position is held: no news.
    held = {s for s, o in denied.items() if o.code == "AT_TARGET"}
    marks: dict[str, list[tuple[float, float, str, str]]] = {}
    reach = _reach(bars)
    for decision in decisions:
        number = timeline.number(decision.bar_start)
        signal = decision.signal_id
        if signal is None or signal in held or number is None:
            continue
        link = f"/explain/{decision.decision_id}"
        bar = bars[number]
        buys = side_of(decision) == "buy"
        kind = "Buy signal" if buys else "Sell signal"
        y = bar.low - reach if buys else bar.high + reach
        text = f"{kind}: {decision.reason}"
        refused = denied.get(signal)
        if refused is not None:
            kind, text = "Denied by risk", f"{kind}, denied: {refused.detail}"
        marks.setdefault(kind, []).append((number, y, text, link))
    looks = {
        "Buy signal": ("triangle-up-open", "@up", 10),
        "Sell signal": ("triangle-down-open", "@down", 10),
        "Denied by risk": ("x-thin-open", "@bad", 8),
    }
    return [_marks(kind, points, *looks[kind]) for kind, points in marks.items()]


def _fills(trades: Sequence[TradeView], timeline: Timeline) -> list[Trace]:
    marks: dict[str, list[tuple[float, float, str, str]]] = {}
    for trade in trades:
        place = timeline.place(trade.timestamp)
        if place is None:
            continue
        kind = "Bought" if trade.side == "buy" else "Sold"
        text = (
            f"{kind} {formats.quantity(trade.quantity)} @ {formats.price(trade.price)}"
        )
        link = f"/explain/order/{trade.order_id}"
        point = (place, float(trade.price), text, link)
        marks.setdefault(kind, []).append(point)
    looks = {
        "Bought": ("triangle-up", "@up", 12),
        "Sold": ("triangle-down", "@down", 12),
    }
    return [_marks(kind, points, *looks[kind]) for kind, points in marks.items()]


def _marks(
    name: str,
    points: list[tuple[float, float, str, str]],
    symbol: str,
    colour: str,
    size: int,
) -> Trace:
    line: dict[str, Any] = {"width": 2 if "open" in symbol else 1.5}
    if "open" not in symbol:
        # An edge in the panel's colour keeps a mark apart from the bar below it.
        line |= {"color": "@panel"}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [x for x, *_ in points],
        "y": [y for _, y, *_ in points],
        "customdata": [{"text": text, "link": link} for _, _, text, link in points],
        "marker": {"symbol": symbol, "color": colour, "size": size, "line": line},
        "hovertemplate": "%{customdata.text}<extra></extra>",
    }


def _working(orders: Sequence[OrderView]) -> list[dict[str, Any]]:
    prices = [order.limit_price or order.stop_price for order in orders]
    return [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": float(at),
            "y1": float(at),
            "line": {"color": "@warn", "width": 1, "dash": "dash"},
        }
        for at in prices
        if at is not None
    ]


def _decision_line(
    decided_at: datetime | None, timeline: Timeline
) -> list[dict[str, Any]]:
    if decided_at is None:
        return []
    place = timeline.place(decided_at)
    if place is None:
        return []
    return [
        {
            "type": "line",
            "yref": "paper",
            "x0": round(place) - 0.5,
            "x1": round(place) - 0.5,
            "y0": 0,
            "y1": 1,
            "line": {"color": "@accent", "width": 1.5, "dash": "dot"},
            "label": {
                "text": "decided here; later bars were not known →",
                "textposition": "start",
                "xanchor": "right",
                "textangle": 0,
                "font": {"color": "@quiet", "size": 11},
            },
        }
    ]


def _rebased(
    benchmark: Sequence[BarView], moments: list[datetime], equity: list[float]
) -> list[float] | None:
    """Return what the first equity had become in the benchmark, at each moment."""
    ends = [bar.bar_end for bar in benchmark]
    places = [bisect_right(ends, moment) - 1 for moment in moments]
    if len(moments) < 2 or not places or places[0] < 0:
        return None
    base = benchmark[places[0]].close
    return [equity[0] * benchmark[place].close / base for place in places]


def _drawdown(equity: list[float]) -> Trace:
    peak, depths = float("-inf"), []
    for value in equity:
        peak = max(peak, value)
        depths.append(value / peak - 1 if peak > 0 else 0.0)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Drawdown",
        "yaxis": "y2",
        "x": list(range(len(equity))),
        "y": depths,
        "fill": "tozeroy",
        "fillcolor": "@down/20",
        "line": {"color": "@down", "width": 1, "shape": "hv"},
        "hovertemplate": "Drawdown %{y:.2%}<extra></extra>",
        "showlegend": False,
    }


def _layout(revision: str, rows: list[str]) -> dict[str, Any]:
    domains = {
        2: ([0.27, 1], [0, 0.21]),
        3: ([0.42, 1], [0.24, 0.38], [0, 0.19]),
    }[len(rows)]
    axis = {
        "gridcolor": "@line",
        "linecolor": "@line",
        "zerolinecolor": "@line",
        "tickfont": {"color": "@quiet", "size": 11},
        "side": "right",
        "fixedrange": True,
    }
    layout: dict[str, Any] = {
        "uirevision": revision,
        "autosize": True,
        "margin": MARGIN,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "@ink", "size": 12, "family": "inherit"},
        "separators": ".,",
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "hoverlabel": {
            "bgcolor": "@panel",
            "bordercolor": "@line",
            "font": {"color": "@ink", "size": 12},
        },
        "dragmode": "pan",
        "bargap": 0.35,
        "showlegend": False,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "font": {"color": "@quiet", "size": 11},
        },
        "xaxis": {
            "gridcolor": "@line",
            "linecolor": "@line",
            "showgrid": True,
            "zeroline": False,
            "tickmode": "array",
            "tickfont": {"color": "@quiet", "size": 11},
            "rangeslider": {"visible": False},
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikedash": "dot",
            "spikecolor": "@quiet",
            "anchor": ["y", "y2", "y3"][len(rows) - 1],
        },
    }
    for row, domain in zip(rows, domains, strict=True):
        layout[row] = axis | {"domain": domain}
    layout[rows[1]] |= {"nticks": 3, "rangemode": "tozero"}
    if len(rows) == 3:
        layout[rows[2]] |= {"nticks": 3}
    return layout


def _named(labels: Sequence[str]) -> dict[str, str]:
    """Return what the hover box calls each number of the axis."""
    return {str(i): label for i, label in enumerate(labels)}


def _row_names(layout: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Return a small name at the top left of every row below the first."""
    rows = [axis for axis in ("yaxis2", "yaxis3") if axis in layout]
    return [
        {
            "text": name,
            "xref": "paper",
            "yref": "paper",
            "x": 0,
            "y": layout[row]["domain"][1],
            "xanchor": "left",
            "yanchor": "bottom",
            "showarrow": False,
            "font": {"color": "@quiet", "size": 11},
        }
        for row, name in zip(rows, names, strict=False)
    ]


def _reach(bars: Sequence[BarView]) -> float:
    """Return how far a mark stands off its bar."""
    recent = bars[-105:]
    if not recent:
        return 0.0
    return (max(b.high for b in recent) - min(b.low for b in recent)) * 0.03


def _bar_caption(
    bars: Sequence[BarView],
    decisions: Sequence[DecisionView],
    trades: Sequence[TradeView],
) -> str:
    last = bars[-1]
    signals = sum(d.signal_id is not None for d in decisions)
    buys = sum(t.side == "buy" for t in trades)
    change = formats.percent(last.close / bars[0].close - 1)
    return (
        f"{last.symbol}, {formats.counted(len(bars), 'bar')} to "
        f"{formats.day_time(last.bar_end)}: last "
        f"{formats.price(last.close)}, {change} over the bars loaded; "
        f"{formats.counted(signals, 'signal')}, {formats.counted(buys, 'buy')} and "
        f"{formats.counted(len(trades) - buys, 'sell')} executed."
    )


def _equity_caption(points: Sequence[EquityPoint]) -> str:
    first, last = points[0], points[-1]
    change = last.equity - first.equity
    return (
        f"Equity {formats.money(last.equity)} at {formats.day_time(last.market_time)}, "
        f"{formats.pnl(change)} ({formats.percent(change / first.equity)}) since "
        f"{formats.day_time(first.market_time)}."
        if first.equity
        else f"Equity {formats.money(last.equity)}."
    )
