"""The account over time: equity against the benchmark, drawdown, exposure."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from trading_system.contracts.execution import EquityPoint
from trading_system.contracts.ingestion import BarView
from trading_system.vocabulary import Instant, Money, View
from trading_web import formats
from trading_web.figures.axis import (
    Figure,
    Span,
    Timeline,
    Trace,
    layout_of,
    named,
    row_names,
)
from trading_web.figures.tables import Looks, nothing, table


class EquityRow(View):
    """Equity at a market time, beside the same money in the benchmark."""

    market_time: Instant
    equity: Money
    benchmark: float | None
    drawdown: float
    cash: Money


class ExposureRow(View):
    """What was held at a market time, as fractions of equity."""

    market_time: Instant
    long: float
    short: float
    net: float
    gross: float


EQUITY_LOOKS: Looks = {
    "market_time": ("Time", formats.day_time),
    "equity": ("Equity", formats.money),
    "benchmark": ("Bought and held", formats.money),
    "drawdown": ("Drawdown", formats.percent),
    "cash": ("Cash", formats.money),
}
EXPOSURE_LOOKS: Looks = {
    "market_time": ("Time", formats.day_time),
    "long": ("Long", partial(formats.percent, signed=False)),
    "short": ("Short", formats.percent),
    "net": ("Net", formats.percent),
    "gross": ("Gross", partial(formats.percent, signed=False)),
}


def equity_rows(
    points: Sequence[EquityPoint], benchmark: Sequence[BarView]
) -> list[EquityRow]:
    """Return equity, the same money in the benchmark, and the depth below the peak."""
    equity = [float(point.equity) for point in points]
    held = _rebased(benchmark, [p.market_time for p in points], equity)
    depths = _depths(equity)
    return [
        EquityRow(
            market_time=point.market_time,
            equity=point.equity,
            benchmark=held[i] if held else None,
            drawdown=depths[i],
            cash=point.cash,
        )
        for i, point in enumerate(points)
    ]


def equity_figure(
    points: Sequence[EquityPoint], benchmark: Sequence[BarView], *, revision: str
) -> Figure:
    """Return equity against buy-and-hold of the benchmark, with drawdown below."""
    if not points:
        return nothing("No equity was recorded in this range yet.")
    timeline = Timeline([Span(p.market_time, p.market_time) for p in points])
    x = list(range(len(points)))
    rows = equity_rows(points, benchmark)
    when = [formats.day_time(point.market_time) for point in points]
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines" if len(points) > 1 else "markers",
            "name": "Equity",
            "x": x,
            "y": [float(row.equity) for row in rows],
            "line": {"color": "@accent", "width": 2, "shape": "hv"},
            "hovertemplate": "Equity $%{y:,.2f}<extra></extra>",
        }
    ]
    if rows[0].benchmark is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{benchmark[0].symbol}, bought and held",
                "x": x,
                "y": [row.benchmark for row in rows],
                "line": {"color": "@quiet", "width": 1.5, "dash": "dot"},
                "hovertemplate": "Buy and hold $%{y:,.2f}<extra></extra>",
            }
        )
    data.append(_drawdown([row.drawdown for row in rows]))
    layout = layout_of(revision, ["yaxis", "yaxis2"])
    layout["meta"] = timeline.axis(space=0.5)
    layout["xaxis"]["labelalias"] = named(when)
    layout["yaxis"] |= {"tickprefix": "$", "tickformat": ",.0f"}
    layout["yaxis2"] |= {"tickformat": ".1%", "nticks": 3, "rangemode": "tozero"}
    if min(data[-1]["y"]) > -0.001:
        # A line along the top, and not in the middle of an axis made for nothing.
        layout["yaxis2"]["range"] = [-0.01, 0]
    layout["annotations"] = row_names(layout, ["Drawdown"])
    layout["showlegend"] = True
    return {
        "data": data,
        "layout": layout,
        "caption": _equity_caption(points),
        "table": table("Equity", rows, EQUITY_LOOKS),
    }


def exposure_rows(points: Sequence[EquityPoint]) -> list[ExposureRow]:
    """Return what was held of the account's equity, wherever it was recorded."""
    return [
        ExposureRow(
            market_time=point.market_time,
            long=float(point.long_value / point.equity),
            short=float(point.short_value / point.equity),
            net=float((point.long_value + point.short_value) / point.equity),
            gross=float((point.long_value - point.short_value) / point.equity),
        )
        for point in points
        if point.equity > 0
        and point.long_value is not None
        and point.short_value is not None
    ]


def exposure_figure(
    points: Sequence[EquityPoint], most_gross: Decimal | None, *, revision: str
) -> Figure:
    """Return longs above and shorts below the line, the net, and the gross limit."""
    rows = exposure_rows(points)
    if not rows:
        return nothing("No exposure was recorded in this range yet.")
    x = list(range(len(rows)))
    data = [
        _area("Long", x, [row.long for row in rows], "@up"),
        _area("Short", x, [row.short for row in rows], "@down"),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Net",
            "x": x,
            "y": [row.net for row in rows],
            "line": {"color": "@ink", "width": 1.5, "dash": "dash", "shape": "hv"},
            "hovertemplate": "Net %{y:.1%}<extra></extra>",
        },
    ]
    layout = layout_of(revision, ["yaxis"])
    spans = [Span(row.market_time, row.market_time) for row in rows]
    layout["meta"] = Timeline(spans).axis(space=0.5)
    layout["xaxis"]["labelalias"] = named(
        [formats.day_time(row.market_time) for row in rows]
    )
    layout["yaxis"] |= {"tickformat": ".0%", "zeroline": True}
    layout["showlegend"] = True
    if most_gross is not None:
        layout["shapes"] = [_limit_line(float(most_gross))]
    last = rows[-1]
    caption = (
        f"Exposure at {formats.day_time(last.market_time)}: gross "
        f"{formats.percent(last.gross, 1, False)}, net {formats.percent(last.net, 1)} "
        f"of equity; at most {formats.percent(max(r.gross for r in rows), 1, False)}"
        " gross in this range"
    )
    if most_gross is not None:
        caption += f", {formats.percent(most_gross, 1, False)} are allowed"
    return {
        "data": data,
        "layout": layout,
        "caption": caption + ".",
        "table": table("Exposure, of equity", rows, EXPOSURE_LOOKS),
    }


def _area(name: str, x: list[int], y: list[float], colour: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "fill": "tozeroy",
        "fillcolor": f"{colour}/20",
        "line": {"color": colour, "width": 1, "shape": "hv"},
        "hovertemplate": f"{name} %{{y:.1%}}<extra></extra>",
    }


def _limit_line(at: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": at,
        "y1": at,
        "line": {"color": "@warn", "width": 1, "dash": "dash"},
        "label": {
            "text": "most gross exposure",
            "textposition": "start",
            "font": {"color": "@quiet", "size": 11},
        },
    }


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


def _depths(equity: list[float]) -> list[float]:
    """Return how far below its peak so far each value is."""
    peak, depths = float("-inf"), []
    for value in equity:
        peak = max(peak, value)
        depths.append(value / peak - 1 if peak > 0 else 0.0)
    return depths


def _drawdown(depths: list[float]) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Drawdown",
        "yaxis": "y2",
        "x": list(range(len(depths))),
        "y": depths,
        "fill": "tozeroy",
        "fillcolor": "@down/20",
        "line": {"color": "@down", "width": 1, "shape": "hv"},
        "hovertemplate": "Drawdown %{y:.2%}<extra></extra>",
        "showlegend": False,
    }


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
