"""Reports of a day, a week or a month."""

from datetime import date, timedelta
from typing import Any, Literal

from trading_analytics.models import ReportRow
from trading_analytics.operations.performance import PORTFOLIO
from trading_analytics.repository import AnalyticsTransaction
from trading_core.calendar import NEW_YORK
from trading_system.contracts.analytics import (
    AnalyticsRunResult,
    ReportGenerated,
    RoundTripView,
)
from trading_system.vocabulary import identity, plain

Kind = Literal["daily", "weekly", "monthly"]


def generate_report(
    tx: AnalyticsTransaction, kind: Kind, day: date | None
) -> AnalyticsRunResult:
    """Write the report of the period that a day is in; a repeat changes nothing."""
    now = tx.books.latest_market_time()
    if now is None:
        return AnalyticsRunResult(
            status="nothing to do", summary="no account value was recorded yet"
        )
    start, end = period(kind, day or now.astimezone(NEW_YORK).date())
    content = _content(tx, start, end)
    row = ReportRow(
        report_id=identity("report", kind, start, tx.account_id),
        kind=kind,
        title=f"{tx.mode.upper()} {kind} report {start}"
        + (f" to {end}" if end != start else ""),
        period_start=start,
        period_end=end,
        content=content,
    )
    changed = tx.results.put(row)
    if changed:
        tx.publish(
            ReportGenerated(
                report_id=row.report_id,
                kind=kind,
                period_start=start,
                period_end=end,
                title=row.title,
                market_time=now,
            )
        )
    return AnalyticsRunResult(
        status="done",
        examined=len(content["days"]),
        changed=int(changed),
        summary=f"{row.title}: {len(content['trades'])} trades",
        detail={"report_id": str(row.report_id)},
    )


def period(kind: Kind, day: date) -> tuple[date, date]:
    """Return the first and the last date of a day's report period."""
    if kind == "daily":
        return day, day
    if kind == "weekly":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first, following - timedelta(days=1)


def _content(tx: AnalyticsTransaction, start: date, end: date) -> dict[str, Any]:
    values = [v for v in tx.books.values() if v.day <= end]
    inside = [v for v in values if v.day >= start]
    earlier = [v for v in values if v.day < start]
    opening = earlier[-1].equity if earlier else tx.books.opening_equity()
    closing = inside[-1].equity if inside else opening
    rows = tx.results.performance(None, latest=False, limit=100_000)
    figures = [row for row in rows if start <= row.date <= end]
    trips = [
        RoundTripView.model_validate(row).model_dump(mode="json")
        for row in tx.results.round_trips(closed=True, limit=100_000)
        if row.exit_time and start <= row.exit_time.astimezone(NEW_YORK).date() <= end
    ]
    return {
        "mode": str(tx.mode),
        "opening_equity": None if opening is None else plain(opening),
        "closing_equity": None if closing is None else plain(closing),
        "days": [{"day": v.day.isoformat(), "equity": plain(v.equity)} for v in inside],
        "performance": {
            row.strategy: row.metrics
            for row in sorted(figures, key=lambda row: row.date)
        },
        "returns": [
            {"strategy": r.strategy, "day": r.date.isoformat(), "returns": r.returns}
            for r in sorted(figures, key=lambda r: (r.date, r.strategy != PORTFOLIO))
        ],
        "trades": trips,
    }
