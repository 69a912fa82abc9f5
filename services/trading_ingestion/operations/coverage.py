"""How complete each series is."""

from datetime import timedelta
from functools import cache

from trading_core.calendar import NEW_YORK
from trading_ingestion.repository import IngestionTransaction
from trading_system.contracts.ingestion import CoverageView


def coverage(tx: IngestionTransaction) -> list[CoverageView]:
    """Count each symbol's bars, and the calendar's from its first to its last."""
    calendar = tx.calendar
    # Most series begin and end together, and a long calendar takes a while to count.
    counted = cache(lambda *span: len(calendar.bar_ends(*span)))
    found = []
    for series in tx.bars.coverage():
        expected = series.bars
        if calendar.covers(series.first.astimezone(NEW_YORK).date()):
            until = series.last + timedelta(seconds=1)
            # The last bar has started but not ended by then.
            expected = counted(series.first, until, series.timeframe) + 1
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
