"""What the strategy service does when it hears of bars."""

from trading_strategy import operations
from trading_strategy.operations import Engine
from trading_strategy.repository import StrategyTransaction
from trading_system.contracts.ingestion import BarsIngested
from trading_system.messaging import EventHandlers
from trading_system.vocabulary import ServiceName


def handlers(engine: Engine) -> EventHandlers[StrategyTransaction]:
    """Return the handlers of a process that runs these strategies."""
    on = EventHandlers[StrategyTransaction](ServiceName.STRATEGY)

    @on(BarsIngested)
    def decide(event: BarsIngested, tx: StrategyTransaction) -> None:
        operations.decide_bar(tx, engine, event)

    return on
