"""What must be there before the first signal is answered."""

from trading_risk.domain.limits import SEED
from trading_risk.operations.trading_state import record_state
from trading_risk.repository import RiskTransaction
from trading_system.vocabulary import TradingState

STARTER = "risk"


def prepare(tx: RiskTransaction) -> None:
    """Give a new account its limits and let it trade.

    Only an account without any history is let trade: a trading state that was deleted
    later stays away, which is a halt.
    """
    tx.lock_account()
    tx.act_as(STARTER, "first start")
    tx.limits.seed(SEED)
    if tx.states.is_new():
        record_state(tx, TradingState.ACTIVE, 0, "first start", STARTER)
