"""What risk can do. Whoever commits is the caller; nothing here reaches the network."""

from trading_risk.operations.alerts import announce
from trading_risk.operations.decisions import (
    decide,
    decide_all,
    decide_outstanding,
    evaluation_of,
)
from trading_risk.operations.limits import adopt_strategy_limits, set_limit
from trading_risk.operations.locks import lock_symbol, release_symbol
from trading_risk.operations.losses import (
    mark_account,
    mark_books,
    reset_breaker,
)
from trading_risk.operations.manual import (
    ComboRequest,
    ManualRequest,
    ReplaceRequest,
    combo_by_hand,
    order_by_hand,
    replace_by_hand,
    what_if,
    what_if_replaced,
)
from trading_risk.operations.monitoring import exposure, limits_in_use, monitor
from trading_risk.operations.proposals import TradeRequest, request_of
from trading_risk.operations.start import prepare
from trading_risk.operations.trading_state import (
    halt,
    obey_kill_switch,
    resume,
    trading_state,
)

__all__ = [
    "ComboRequest",
    "ManualRequest",
    "ReplaceRequest",
    "TradeRequest",
    "adopt_strategy_limits",
    "announce",
    "combo_by_hand",
    "decide",
    "decide_all",
    "decide_outstanding",
    "evaluation_of",
    "exposure",
    "halt",
    "limits_in_use",
    "lock_symbol",
    "mark_account",
    "mark_books",
    "monitor",
    "obey_kill_switch",
    "order_by_hand",
    "prepare",
    "release_symbol",
    "replace_by_hand",
    "request_of",
    "reset_breaker",
    "resume",
    "set_limit",
    "trading_state",
    "what_if",
    "what_if_replaced",
]
