"""Assembles the execution service."""

from datetime import timedelta

from fastapi import FastAPI

import trading_execution
from trading_execution.adapters.alpaca import AlpacaBroker, pace
from trading_execution.adapters.alpaca_contract import AlpacaContract
from trading_execution.adapters.alpaca_stream import AlpacaTradeStream
from trading_execution.domain.lookup import Patience
from trading_execution.handlers import on
from trading_execution.operations.desk import KILL_FILE, Desk
from trading_execution.operations.lease import Lease
from trading_execution.ports import Broker, TradeStream
from trading_execution.repository import ExecutionTransaction
from trading_execution.repository.identities import IDENTITIES
from trading_execution.routes import router
from trading_execution.workers import UNASKED, UNASKED_IN_A_HURRY, workers
from trading_system.clock import MarketClock
from trading_system.config.settings import Settings
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName, TradingMode

SIMULATED = Patience(timedelta(seconds=5), timedelta(seconds=30))
"""The paper exchange shows an order at once: a lookup there need not wait as long."""


def create(
    settings: Settings | None = None,
    broker: Broker | None = None,
    stream: TradeStream | None = None,
) -> FastAPI:
    """Return the service; another broker can be put in the place of Alpaca."""
    settings = settings or Settings()
    broker = broker or AlpacaBroker(settings)
    stream = stream or AlpacaTradeStream(settings)
    simulated = settings.trading_mode is TradingMode.SIMULATED
    lockstep = pace(settings) == 0.0
    unasked = UNASKED if pace(settings) == 1.0 else UNASKED_IN_A_HURRY

    def executor() -> str:
        desk: Desk = app.state.desk
        if not desk.in_charge():
            return "standing by: another process is the executor"
        doubt = f", comparing: {desk.trust.why}" if desk.trust.doubted else ""
        told = "streaming" if stream.connected else "polling, the stream is away"
        return f"epoch {desk.epoch}, {told}{doubt}"

    app = create_app(
        ServiceName.EXECUTION,
        settings,
        router,
        on=on,
        transaction=ExecutionTransaction,
        workers=lambda _: workers(app.state.desk, stream, unasked),
        ready=[executor],
        description=trading_execution.__doc__ or "",
        identities=IDENTITIES,
    )
    app.state.desk = Desk(
        database=app.state.database,
        broker=broker,
        clock=MarketClock(broker.clock, max_age=0.0 if lockstep else 1.0),
        lease=Lease(app.state.database, f"execution:{settings.trading_data_dir.name}"),
        kill_file=settings.trading_data_dir / KILL_FILE,
        patience=SIMULATED if simulated else Patience(),
        lockstep=lockstep,
        recheck=timedelta(seconds=0.2 if simulated else 5),
        contract=AlpacaContract(broker) if isinstance(broker, AlpacaBroker) else None,
    )
    return app
