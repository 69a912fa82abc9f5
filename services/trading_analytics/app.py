"""Assembles the analytics service."""

from fastapi import FastAPI

import trading_analytics
from trading_analytics.handlers import handlers
from trading_analytics.repository import AnalyticsTransaction
from trading_analytics.routes import router
from trading_system.config.settings import Settings
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName


def create(settings: Settings | None = None) -> FastAPI:
    """Return the service."""
    settings = settings or Settings()
    app = create_app(
        ServiceName.ANALYTICS,
        settings,
        router,
        on=handlers(settings.alpaca_feed),
        transaction=AnalyticsTransaction,
        description=trading_analytics.__doc__ or "",
    )
    app.state.feed = settings.alpaca_feed
    return app
