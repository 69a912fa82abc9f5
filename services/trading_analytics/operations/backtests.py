"""Backtests: kept once, however often the same one is run."""

from trading_analytics.models import BacktestRow
from trading_analytics.repository import AnalyticsTransaction
from trading_system.contracts.analytics import BacktestCompleted, BacktestView


def store_backtest(tx: AnalyticsTransaction, result: BacktestView) -> BacktestRow:
    """Keep a backtest's result; the same inputs are the same row."""
    known = tx.results.known_backtest(result.backtest_id)
    if known is not None:
        return known
    row = BacktestRow(
        **result.model_dump(exclude={"metrics"}),
        metrics=[metric.model_dump(mode="json") for metric in result.metrics],
    )
    tx.results.put(row)
    tx.publish(
        BacktestCompleted(
            backtest_id=result.backtest_id,
            strategy=result.strategy,
            status=result.status,
            trades=result.trades,
            total_return=result.total_return,
            summary=result.summary,
        )
    )
    return row
