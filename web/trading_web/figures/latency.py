"""How long each stage of an order took, order by order."""

from collections.abc import Sequence

from trading_web import formats
from trading_web.figures.axis import Figure, layout_of, named
from trading_web.figures.tables import Looks, nothing, table
from trading_web.latency import STAGES, Timing

SYMBOLS = ("circle", "square", "diamond", "triangle-up")
COLOURS = ("@accent", "@down", "@quiet", "@series")

LOOKS: Looks = {
    "market_time": ("Order of", formats.day_time),
    "symbol": ("Symbol", str),
    **{stage: (label, formats.elapsed) for stage, label in STAGES.items()},
}


def latency_figure(timings: Sequence[Timing], *, revision: str) -> Figure:
    """Return a mark an order and stage on a logarithmic axis, oldest order first."""
    if not timings:
        return nothing("No order was sent yet.")
    x = list(range(len(timings)))
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label,
            "x": x,
            "y": [_milliseconds(getattr(timing, stage)) for timing in timings],
            "customdata": [
                {"text": "", "link": f"/explain/order/{timing.order_id}"}
                for timing in timings
            ],
            "marker": {"symbol": symbol, "color": colour, "size": 7},
            "hovertemplate": f"{label} %{{y:,.0f}} ms<extra></extra>",
        }
        for (stage, label), symbol, colour in zip(
            STAGES.items(), SYMBOLS, COLOURS, strict=True
        )
    ]
    layout = layout_of(revision, ["yaxis"])
    times = [formats.day_time(timing.market_time) for timing in timings]
    layout["xaxis"] |= {"labelalias": named(times), "showticklabels": False}
    layout["yaxis"] |= {"type": "log", "dtick": 1, "ticksuffix": " ms"}
    layout["showlegend"] = True
    caption = (
        f"{formats.counted(len(timings), 'order')}, oldest left, by the machine's "
        "clock. Click a mark for its order."
    )
    return {
        "data": data,
        "layout": layout,
        "caption": caption,
        "table": table("Stages of orders", timings, LOOKS),
    }


def _milliseconds(seconds: float | None) -> float | None:
    # A logarithmic axis has no place for nothing at all.
    return None if seconds is None else max(seconds * 1000, 0.1)
