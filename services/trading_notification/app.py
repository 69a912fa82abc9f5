"""Assembles the notification service."""

from fastapi import FastAPI

import trading_notification
from trading_notification.adapters.portfolio import ServicesPortfolio
from trading_notification.adapters.probes import probes
from trading_notification.adapters.smtp import mailer
from trading_notification.handlers import handlers
from trading_notification.ports import Desk
from trading_notification.repository import NotificationTransaction
from trading_notification.routes import router
from trading_notification.workers import workers
from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName


def create(settings: Settings | None = None, desk: Desk | None = None) -> FastAPI:
    """Return the service; another desk can take the place of the outside."""
    settings = settings or Settings()
    desk = desk or Desk(
        mailer(settings),
        probes(settings),
        ServicesPortfolio(Services(settings)),
        settings.log_retention_days,
    )
    app = create_app(
        ServiceName.NOTIFICATION,
        settings,
        router,
        on=handlers(desk.by_mail),
        transaction=NotificationTransaction,
        workers=lambda database: workers(database, desk),
        description=trading_notification.__doc__ or "",
    )
    app.state.desk = desk
    return app
