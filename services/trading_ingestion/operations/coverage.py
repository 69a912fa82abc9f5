"""How complete each series is."""

from datetime import timedelta

from trading_core.calendar import NEW_YORK
from trading_ingestion.repository import IngestionTransaction
from trading_system.contracts.ingestion import CoverageView


def coverage(tx: IngestionTransaction) -> list[CoverageView]:
    """Count each symbol's bars, and the calendar's from its first to its last."""
    calendar = tx.calendar
    found = []
    for series in tx.bars.coverage():
        expected = series.bars
        if calendar.covers(series.first.astimezone(NEW_YORK).date()):
            between = calendar.bar_ends(
                series.first, series.last + timedelta(seconds=1), series.timeframe
            )
            # The last bar has started but not ended by then.
            expected = len(between) + 1
        found.append(
            CoverageView(
                symbol=series.symbol,
                timeframe=series.timeframe,
                feed=series.feed,
                bars=series.bars,
                first=series.first,
                last=series.last,
                missing=max(expected - series.bars, 0),
            )
        )
    return found
