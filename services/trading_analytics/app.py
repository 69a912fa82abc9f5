"""Assembles the analytics service."""

from fastapi import FastAPI

import trading_analytics
from trading_analytics.handlers import on
from trading_analytics.repository import AnalyticsTransaction
from trading_analytics.routes import router
from trading_system.config.settings import Settings
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName


def create(settings: Settings | None = None) -> FastAPI:
    """Return the service."""
    return create_app(
        ServiceName.ANALYTICS,
        settings or Settings(),
        router,
        on=on,
        transaction=AnalyticsTransaction,
        description=trading_analytics.__doc__ or "",
    )
