"""Rules that end a position, whatever the strategy's signals say."""

from dataclasses import dataclass
from math import isfinite

from trading_core.money import BadNumber


@dataclass(frozen=True, slots=True)
class Exits:
    """When to leave a position; a rule that is 0 (or False) is off.

    `stop` and `target` are distances from the entry price as shares of it, `trail` one
    from the best price since the entry: 0.02 for 2 %. `bars` is how many bars a
    position is held, the one in which it was entered included: it is left at the open
    after the last of them. `session_end` leaves at the close of the last bar of a day.

    Within a bar the price takes the way of `bars.path`; it jumps to the open, where a
    level is overshot, and passes every level after that. Stop and trail are stop
    orders, which pay slippage; the target is a limit order, which never does.
    """

    stop: float = 0.0
    target: float = 0.0
    trail: float = 0.0
    bars: int = 0
    session_end: bool = False

    @property
    def any(self) -> bool:
        """Whether a rule is on."""
        return bool(
            self.stop or self.target or self.trail or self.bars or self.session_end
        )

    def __post_init__(self) -> None:
        for name in ("stop", "target", "trail"):
            distance = getattr(self, name)
            if not (isfinite(distance) and distance >= 0):
                raise BadNumber(f"Exit {name} is {distance}: it must be 0 or above.")
        for name in ("stop", "trail"):
            if getattr(self, name) >= 1:
                raise BadNumber(f"Exit {name} is {getattr(self, name)}: 0.02 is 2 %.")
        if self.bars < 0:
            raise BadNumber(f"Exit bars is {self.bars}: it must be 0 or above.")
