"""The chart of a symbol: its bars, and what was decided, refused and done on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from trading_system.contracts.execution import OrderView, TradeView
from trading_system.contracts.ingestion import BarView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.explanation import side_of
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

BAR_LOOKS: Looks = {
    "timestamp": ("Begins", formats.day_time),
    "open": ("Open", formats.price),
    "high": ("High", formats.price),
    "low": ("Low", formats.price),
    "close": ("Close", formats.price),
    "volume": ("Volume", formats.quantity),
}


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
        return nothing("There are no bars to draw.")
    timeline = Timeline([Span(bar.timestamp, bar.bar_end) for bar in bars])
    labels = [formats.bar_span(bar.timestamp, bar.bar_end) for bar in bars]
    data = [_candles(bars), _volume(bars)]
    score = _score(decisions if scores is None else scores, timeline)
    if score is not None:
        data.append(score)
    data += _signals(decisions, outcomes, bars, timeline)
    data += _fills(trades, timeline)
    layout = layout_of(revision, ["yaxis", "yaxis2"] + (["yaxis3"] if score else []))
    layout["meta"] = timeline.axis(shown)
    layout["xaxis"]["labelalias"] = named(labels)
    layout["annotations"] = row_names(layout, ["Volume", "Score"])
    layout["shapes"] = [*_working(orders), *_decision_line(decided_at, timeline)]
    caption = _bar_caption(bars, decisions, trades)
    return {
        "data": data,
        "layout": layout,
        "caption": caption,
        "table": table(f"Bars of {bars[0].symbol}", bars, BAR_LOOKS),
    }


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
