"""What was seen of a part of the system, and when a person is told of it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Status = Literal["pass", "warn", "fail"]

FAILURES_TO_TELL = 2
"""A part that is looked at while it restarts is no alarm; the second look decides."""

DISK_WARN, DISK_FAIL = 0.10, 0.05
SKEW_WARN, SKEW_FAIL = timedelta(seconds=2), timedelta(seconds=10)
LAG_WARN, LAG_FAIL = 1_000, 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at one component showed."""

    component: str
    status: Status
    detail: str
    observed_value: str | None = None


def worst(statuses: list[str]) -> Status:
    """Return how the whole is, by its parts."""
    if "fail" in statuses:
        return "fail"
    return "warn" if "warn" in statuses else "pass"


def disk(free_share: float, free_bytes: int) -> Seen:
    """Judge the room that is left where the data are."""
    status: Status = "pass"
    if free_share < DISK_WARN:
        status = "fail" if free_share < DISK_FAIL else "warn"
    left = f"{free_bytes / 1e9:.1f} GB ({free_share:.0%}) free"
    return Seen("disk", status, left, f"{free_share:.3f}")


def skew(offset: timedelta, against: str) -> Seen:
    """Judge how far the machine's clock is from another."""
    away = abs(offset)
    status: Status = "pass"
    if away > SKEW_WARN:
        status = "fail" if away > SKEW_FAIL else "warn"
    seconds = offset.total_seconds()
    return Seen("clock", status, f"{seconds:+.2f} s from {against}", f"{seconds:.3f}")


def consumer(name: str, behind: int, parked: int, paused: bool) -> Seen:
    """Judge how far a service is behind the event log."""
    status: Status = "pass"
    if behind > LAG_WARN or parked:
        status = "warn"
    if behind > LAG_FAIL or paused:
        status = "fail"
    words = f"{behind} events behind, {parked} set aside" + (
        ", paused" if paused else ""
    )
    return Seen(f"{name} events", status, words, str(behind))
