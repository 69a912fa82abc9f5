"""Putting what was taken in into the database, with all that is to be said about it."""

from collections.abc import Iterable
from datetime import datetime

from trading_core.calendar import Timeframe
from trading_ingestion.domain.finding import Finding, Verdict
from trading_ingestion.domain.intake import SOURCE, Intake
from trading_ingestion.repository import IngestionTransaction, Stored
from trading_ingestion.repository.bars import Correction
from trading_system.contracts.ingestion import DataQualityFailed


def store(
    tx: IngestionTransaction,
    intake: Intake,
    *,
    timeframe: Timeframe,
    feed: str,
    source: str,
    market_time: datetime,
    received_as: Timeframe = SOURCE,
) -> Stored:
    """Keep the bars as received and as built; log and tell what was wrong."""
    tx.bars.keep_received(
        intake.received, timeframe=received_as, feed=feed, received_at=market_time
    )
    stored = tx.bars.store(
        intake.session_bars,
        timeframe=timeframe,
        feed=feed,
        source=source,
        received_at=market_time,
    )
    corrected = [correction_found(one) for one in stored.corrections]
    log(
        tx,
        [*intake.findings, *corrected],
        timeframe=timeframe,
        feed=feed,
        market_time=market_time,
    )
    return stored


def log(
    tx: IngestionTransaction,
    findings: Iterable[Finding],
    *,
    timeframe: Timeframe,
    feed: str,
    market_time: datetime,
) -> int:
    """Log findings and publish the bad ones; return how many are new."""
    fresh = tx.quality.add(
        findings, timeframe=timeframe, feed=feed, market_time=market_time
    )
    for finding in fresh:
        if finding.status is Verdict.FAILED:
            tx.publish(
                DataQualityFailed(
                    symbol=finding.symbol,
                    check_type=finding.check_type,
                    severity="warning",
                    message=finding.message,
                    market_time=market_time,
                )
            )
    return len([one for one in fresh if one.status is not Verdict.PASSED])


def correction_found(correction: Correction) -> Finding:
    """Say what a correction changed."""
    names = ("open", "high", "low", "close", "volume")
    changes = ", ".join(
        f"{name} {before:g} -> {after:g}"
        for name, before, after in zip(
            names, correction.before, correction.after, strict=True
        )
        if before != after
    )
    return Finding(
        "corrected",
        Verdict.WARNING,
        f"The feed corrected {correction.symbol} "
        f"{correction.timestamp:%Y-%m-%d %H:%M}Z: {changes}.",
        correction.symbol,
        correction.timestamp,
        correction.revision,
    )
