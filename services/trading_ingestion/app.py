"""Assembles the ingestion service."""

from fastapi import FastAPI

import trading_ingestion
from trading_ingestion.adapters.alpaca import AlpacaMarketData
from trading_ingestion.domain.due import Pace
from trading_ingestion.handlers import on
from trading_ingestion.operations import RecentBars, Source
from trading_ingestion.ports import MarketData
from trading_ingestion.repository import IngestionTransaction
from trading_ingestion.routes import UPLOAD_LIMIT, router
from trading_ingestion.workers import workers
from trading_system.cache import Cache
from trading_system.config.settings import Settings
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName


def create(
    settings: Settings | None = None, market_data: MarketData | None = None
) -> FastAPI:
    """Return the service; another feed can be put in the place of Alpaca's."""
    settings = settings or Settings()
    pace = Pace.of(settings.trading_mode, settings.simulation_speed)
    source = Source(market_data or AlpacaMarketData(settings), pace)
    recent = RecentBars(Cache(settings.redis_url, "ingestion"))
    app = create_app(
        ServiceName.INGESTION,
        settings,
        router,
        on=on,
        transaction=IngestionTransaction,
        workers=lambda database: workers(database, source, recent),
        description=trading_ingestion.__doc__ or "",
        larger_bodies={"/bars/upload": UPLOAD_LIMIT},
    )
    app.state.source, app.state.recent = source, recent
    return app
