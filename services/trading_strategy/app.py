"""Assembles the strategy service."""

from fastapi import FastAPI

import trading_strategy
from trading_strategy import operations
from trading_strategy.handlers import handlers
from trading_strategy.operations import Engine
from trading_strategy.repository import StrategyTransaction
from trading_strategy.repository.identities import IDENTITIES
from trading_strategy.routes import router
from trading_system import plugins
from trading_system.config import strategies
from trading_system.config.settings import Settings
from trading_system.database import Database
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName


def create(settings: Settings | None = None) -> FastAPI:
    """Return the service, with every strategy it finds."""
    settings = settings or Settings()
    engine = Engine(
        plugins.discover(settings.strategy_dirs),
        strategies.load(settings.strategies_file),
        settings.alpaca_feed,
        directories=settings.strategy_dirs,
    )

    def follow_file(database: Database[StrategyTransaction]) -> None:
        with database.transaction() as tx:
            operations.follow_file(tx, engine)

    app = create_app(
        ServiceName.STRATEGY,
        settings,
        router,
        on=handlers(engine),
        transaction=StrategyTransaction,
        start=follow_file,
        description=trading_strategy.__doc__ or "",
        identities=IDENTITIES,
    )
    app.state.engine = engine
    return app
