"""The nightly shadow replay, computed in the run's own process."""

from loguru import logger

from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.errors import TradingError
from trading_system.runtime import run_file
from trading_system.runtime.data_directory import DataDirectory
from trading_system.shadow import shadow_replay


def replay_last_day(services: Services) -> str:
    """Run the last day again and keep the gap; return what came out in a line.

    A day that cannot be run again takes nothing from the analysis of its trades.
    """
    settings = Settings()
    running = run_file.read(DataDirectory(settings.trading_data_dir).run)
    seed = running.seed if running is not None else 0
    try:
        replay = shadow_replay(services, settings, seed=seed)
        services.analytics.store_shadow_replay(replay)
    except TradingError as error:
        logger.warning("the day could not be run again: {}", error)
        return f"no shadow replay: {error}"
    return f"shadow replay of {replay.day}: gap {replay.gap:+.2f}"
