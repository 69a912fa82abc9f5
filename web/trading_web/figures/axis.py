"""What every figure stands on: an axis of numbers, and how the page paints it.

Bars and equity stand on an axis of numbers, not dates: holidays, half days and nights
then leave no gaps, and a clock change cannot bend the line. `meta.bars` carries what
the page needs to label that axis at any zoom. Colours are names: "@up".
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

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
        """Return what the page needs to label the axis.

        `shown` bars are in view at first, fewer on a phone; None shows all anywhere.
        """
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
        return {"bars": bars, "shown": shown, "space": space}


def layout_of(revision: str, rows: list[str]) -> dict[str, Any]:
    """Return the layout of one to three rows, the first on top and the largest."""
    domains = {
        1: ([0, 1],),
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
    if len(rows) > 1:
        layout[rows[1]] |= {"nticks": 3, "rangemode": "tozero"}
    if len(rows) == 3:
        layout[rows[2]] |= {"nticks": 3}
    return layout


def named(labels: Sequence[str]) -> dict[str, str]:
    """Return what the hover box calls each number of the axis."""
    return {str(i): label for i, label in enumerate(labels)}


def row_names(layout: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
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
