"""The runner of all flows: `python -m trading_flows.serve`."""

import asyncio

from prefect import aserve

from trading_flows.deployments import deployments
from trading_system import logging as log
from trading_system.config.settings import Settings
from trading_system.vocabulary import TradingMode

AT_ONCE = 2
"""Runs at the same time: each is an interpreter of its own."""


def main() -> None:
    """Register every deployment and run what becomes due, until stopped."""
    settings = Settings()
    log.configure("flows", settings)
    asyncio.run(_serve(settings.trading_mode))


async def _serve(mode: TradingMode) -> None:
    found = await deployments(mode)
    # Schedules stay in place while the runner is away: what was missed then runs late,
    # and the services tell old slots that they are out of date.
    await aserve(
        *found, limit=AT_ONCE, pause_on_shutdown=False, print_starting_message=False
    )


if __name__ == "__main__":
    main()
