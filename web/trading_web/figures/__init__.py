"""Figures as plain dictionaries; the page paints them."""

from trading_web.figures.account import (
    equity_figure,
    equity_rows,
    exposure_figure,
    exposure_rows,
)
from trading_web.figures.axis import Figure, Span, Timeline
from trading_web.figures.bars import bar_figure
from trading_web.figures.latency import latency_figure

__all__ = [
    "Figure",
    "Span",
    "Timeline",
    "bar_figure",
    "equity_figure",
    "equity_rows",
    "exposure_figure",
    "exposure_rows",
    "latency_figure",
]
