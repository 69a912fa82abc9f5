"""The same values as a table: what a chart shows, for those who read or compute."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from trading_system.vocabulary import View
from trading_web.figures.axis import Figure

Looks = Mapping[str, tuple[str, Callable[[Any], str]]]
"""The columns: which field, what it is called, how it is written."""

MOST: Final = 50
"""Rows of a table beside its chart; the file has them all."""


def table(caption: str, rows: Sequence[View], looks: Looks) -> dict[str, Any]:
    """Return the newest rows as text, newest first; rows come oldest first."""
    shown = rows[-MOST:][::-1]
    more = f", the last {len(shown)} of {len(rows)}" if len(rows) > len(shown) else ""
    return {
        "caption": caption + more,
        "columns": [label for label, _ in looks.values()],
        "rows": [
            [write(getattr(row, name)) for name, (_, write) in looks.items()]
            for row in shown
        ],
    }


def nothing(caption: str) -> Figure:
    """Return a figure that draws nothing and says why."""
    return {"data": [], "layout": {}, "caption": caption, "table": None}
