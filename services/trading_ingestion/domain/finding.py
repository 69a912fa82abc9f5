"""What a check says about a bar, a symbol or a feed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the quality log; the same finding again is the same row."""

    check_type: str
    status: Verdict
    message: str
    symbol: str | None = None
    bar_timestamp: datetime | None = None
    revision: int = 0
