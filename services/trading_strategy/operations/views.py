"""Strategies as others see them."""

from trading_strategy.models import StrategyRow
from trading_strategy.operations.engine import Engine
from trading_strategy.operations.settings import setting_of_block, setting_of_row
from trading_strategy.repository import StrategyTransaction
from trading_system.contracts.strategy import StrategyView
from trading_system.errors import TradingError


def views(tx: StrategyTransaction, engine: Engine) -> list[StrategyView]:
    """Return every strategy."""
    return [view(tx, engine, row) for row in tx.strategies.all()]


def view(tx: StrategyTransaction, engine: Engine, row: StrategyRow) -> StrategyView:
    """Return a strategy, how it differs from the file, and what it did."""
    decisions, last_bar_end = tx.strategies.activity(row)
    signals, last_signal_at = tx.strategies.signalling(row)
    differences = _differences(engine, row)
    return StrategyView(
        strategy_id=row.strategy_id,
        name=row.name,
        version=row.version,
        status=row.status,
        parameters=row.parameters,
        risk_limits=row.risk_limits,
        description=row.description,
        warmup=row.warmup,
        source=row.source,
        source_hash=row.source_hash,
        differs_from_file=bool(differences),
        differences=differences,
        last_bar_end=last_bar_end,
        last_signal_at=last_signal_at,
        decisions=decisions,
        signals=signals,
        last_error=row.last_error,
        created_at=row.created_at,
    )


def _differences(engine: Engine, row: StrategyRow) -> list[str]:
    block = engine.file.block(row.name)
    if block is None:
        return [] if row.status == "disabled" else ["it is not in the file"]
    try:
        return setting_of_block(engine, block).differences(setting_of_row(row))
    except TradingError as error:  # its plugin is gone, or refuses the file's values
        return [str(error)]
