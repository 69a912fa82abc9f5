"""What the conductor of simulated time is given to work with."""

from collections.abc import Callable
from dataclasses import dataclass

from trading_system.config.settings import Settings


@dataclass(frozen=True)
class Stage:
    """The running stack as the conductor sees it.

    `settings` hold the services' addresses, the conductor's own token, the exchange's
    control address and token, the speed, and Prefect's address; `until` is the day on
    which market time stops, as it was given; `note` tells the person who watches.
    """

    settings: Settings
    prefect_auth: str
    until: str | None
    note: Callable[[str], None]
