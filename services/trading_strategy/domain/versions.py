"""What a strategy is set to, and when that is another version."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Whether a strategy trades.

    A paused one goes on deciding, so that its exits work; risk refuses its entries. A
    disabled one decides nothing.
    """

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


class Origin(StrEnum):
    """Who set what is in force."""

    FILE = "file"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything about a strategy that a version holds."""

    status: Status
    parameters: Mapping[str, Any]
    risk_limits: Mapping[str, float]

    def differences(self, other: "Setting") -> list[str]:
        """Say what is different in the other, one line each."""
        said = []
        if self.status != other.status:
            said.append(f"{self.status} -> {other.status}")
        for title, mine, theirs in (
            ("", self.parameters, other.parameters),
            ("limit ", self.risk_limits, other.risk_limits),
        ):
            for name in sorted({*mine, *theirs}):
                if mine.get(name) != theirs.get(name):
                    before, after = mine.get(name, "unset"), theirs.get(name, "unset")
                    said.append(f"{title}{name} {before} -> {after}")
        return said
