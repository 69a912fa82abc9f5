"""What risk needs from outside its database."""

from dataclasses import dataclass
from typing import Protocol


class KillSwitch(Protocol):
    """A stop that works without database and network."""

    def is_pulled(self) -> bool:
        """Say whether somebody demands that trading stops; in doubt, yes."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every decision needs beside the database: the stop, and whose bars count."""

    kill_switch: KillSwitch
    feed: str
