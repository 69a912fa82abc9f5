"""Shadow replays: one a day, kept beside the reports."""

from typing import Any

from trading_analytics.models import ReportRow
from trading_analytics.repository import AnalyticsTransaction
from trading_analytics.repository.results import SHADOW_REPLAY
from trading_system.contracts.analytics import ShadowReplayView
from trading_system.vocabulary import identity


def store_shadow_replay(
    tx: AnalyticsTransaction, replay: ShadowReplayView
) -> ShadowReplayView:
    """Keep the replay of a day; a later one that differs takes its place."""
    content = replay.model_dump(mode="json")
    kept = tx.results.shadow_replay(replay.day)
    if kept is not None and _without_time(kept.content) == _without_time(content):
        return ShadowReplayView.model_validate(kept.content)
    tx.results.put(
        ReportRow(
            report_id=identity("report", SHADOW_REPLAY, replay.day, tx.account_id),
            kind=SHADOW_REPLAY,
            title=f"{tx.mode.upper()} shadow replay {replay.day}",
            period_start=replay.day,
            period_end=replay.day,
            content=content,
        )
    )
    return replay


def _without_time(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "created_at"}


def shadow_replays(tx: AnalyticsTransaction, limit: int) -> list[ShadowReplayView]:
    """Return the replays that were kept, newest day first."""
    rows = tx.results.shadow_replays(limit)
    return [ShadowReplayView.model_validate(row.content) for row in rows]
