"""Assembles the risk service."""

from fastapi import FastAPI

import trading_risk
from trading_risk import operations
from trading_risk.adapters.kill_file import KillFile
from trading_risk.handlers import handlers
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_risk.repository.identities import IDENTITIES
from trading_risk.routes import router
from trading_risk.workers import workers
from trading_system.config.settings import Settings
from trading_system.database import Database
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName


def create(settings: Settings | None = None) -> FastAPI:
    """Return the service."""
    settings = settings or Settings()
    kill_switch = KillFile(settings.trading_data_dir)
    surroundings = Surroundings(kill_switch, settings.alpaca_feed)

    def start(database: Database[RiskTransaction]) -> None:
        with database.transaction() as tx:
            operations.prepare(tx)
            operations.obey_kill_switch(tx, kill_switch)

    app = create_app(
        ServiceName.RISK,
        settings,
        router,
        on=handlers(surroundings),
        transaction=RiskTransaction,
        workers=lambda database: workers(database, surroundings),
        start=start,
        description=trading_risk.__doc__ or "",
        identities=IDENTITIES,
    )
    app.state.surroundings = surroundings
    return app
