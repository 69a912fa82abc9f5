"""What the strategy service can do."""

from trading_strategy.operations.deciding import decide_bar
from trading_strategy.operations.engine import Engine
from trading_strategy.operations.running import (
    calculate_indicators,
    generate_signals,
    run_strategies,
)
from trading_strategy.operations.settings import (
    change_settings,
    follow_file,
    return_to_file,
    set_status,
)
from trading_strategy.operations.views import view, views

__all__ = [
    "Engine",
    "calculate_indicators",
    "change_settings",
    "decide_bar",
    "follow_file",
    "generate_signals",
    "return_to_file",
    "run_strategies",
    "set_status",
    "view",
    "views",
]
