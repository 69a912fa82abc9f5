"""What analytics can do."""

from trading_analytics.operations.backtests import store_backtest
from trading_analytics.operations.performance import calculate_performance
from trading_analytics.operations.portfolio import summarize_portfolio
from trading_analytics.operations.reports import generate_report
from trading_analytics.operations.shadow import shadow_replays, store_shadow_replay
from trading_analytics.operations.trades import analyze_trades, follow_round_trips

__all__ = [
    "analyze_trades",
    "calculate_performance",
    "follow_round_trips",
    "generate_report",
    "shadow_replays",
    "store_backtest",
    "store_shadow_replay",
    "summarize_portfolio",
]
