"""What may leave for the broker, in which trading state."""

from datetime import datetime

from trading_system.vocabulary import TradingState

FLATTEN = "flatten"

_STATES = {state.value: state for state in TradingState}


def state_in_force(recorded: str | None, kill_file: bool) -> TradingState:
    """Return the safest of what is recorded and the KILL file; unclear is HALTED."""
    if kill_file:
        return TradingState.HALTED
    return _STATES.get(recorded or "", TradingState.HALTED)


def may_leave(state: TradingState, *, reduces: bool, tag: str) -> bool:
    """Say whether an order may be claimed: halted, only a flatten is."""
    if tag == FLATTEN or state is TradingState.ACTIVE:
        return True
    return state is TradingState.REDUCING and reduces


def is_late(valid_until: datetime, market_time: datetime) -> bool:
    """Say whether the order's reason has passed."""
    return market_time > valid_until
