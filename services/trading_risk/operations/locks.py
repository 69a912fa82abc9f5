"""Locking a symbol: nothing is entered in it, exits keep working."""

from datetime import datetime

from trading_risk.models import SymbolLock
from trading_risk.repository import RiskTransaction
from trading_system.contracts.risk import SymbolLockChanged
from trading_system.errors import Invalid, NotFound


def lock_symbol(
    tx: RiskTransaction, symbol: str, until: datetime | None, reason: str, by: str
) -> SymbolLock:
    """Lock a symbol until a market time, or until it is released.

    Whoever decides about the account at this moment is waited for: whoever comes after
    sees the lock. Orders that are under way stay.
    """
    market_time = tx.market_time()
    if until is not None and until <= market_time:
        raise Invalid(
            f"The lock would end at {until:%Y-%m-%d %H:%M} UTC, which is past.",
            remedy=f"Market time is {market_time:%Y-%m-%d %H:%M} UTC.",
        )
    tx.lock_account()
    tx.act_as(by, reason)
    lock = tx.locks.put(symbol, until, reason, by, market_time)
    _tell(tx, symbol, until, reason, by, market_time, locked=True)
    return lock


def release_symbol(tx: RiskTransaction, symbol: str, reason: str, by: str) -> None:
    """Let a symbol be entered again."""
    tx.lock_account()
    tx.act_as(by, reason)
    if not tx.locks.remove(symbol):
        raise NotFound(f"{symbol} is not locked.")
    _tell(tx, symbol, None, reason, by, tx.market_time(), locked=False)


def _tell(
    tx: RiskTransaction,
    symbol: str,
    until: datetime | None,
    reason: str,
    by: str,
    market_time: datetime,
    *,
    locked: bool,
) -> None:
    tx.publish(
        SymbolLockChanged(
            account_id=tx.account,
            symbol=symbol,
            locked=locked,
            until=until,
            reason=reason,
            by=by,
            market_time=market_time,
        )
    )
