"""Halt and resume: the record, who is told, and what a resume needs."""

from datetime import timedelta

from trading_risk.domain.trading_state import STATE_OF_LEVEL, halts_further
from trading_risk.models import TradingStateRow
from trading_risk.ports import KillSwitch
from trading_risk.repository import RiskTransaction
from trading_system.clock import utc_now
from trading_system.contracts.risk import TradingStateChanged, TradingStateView
from trading_system.errors import Invalid, Refused
from trading_system.vocabulary import Severity, TradingMode, TradingState

KILL_FILE = "KILL file"
KILL_FILE_LEVEL = 2
CLEAN_WITHIN = timedelta(minutes=5)
"""How old the last clean comparison of the books may be when trading is resumed."""

CONFIRMATION = "RESUME"
"""The word that lets trading go on where money is at stake."""


def trading_state(tx: RiskTransaction) -> TradingStateView:
    """Return the trading state in force; no record reads as HALTED."""
    row = tx.states.get()
    return TradingStateView(
        account_id=tx.account,
        state=tx.states.shown(),
        level=3 if row is None else row.level,
        reason="No trading state is recorded." if row is None else row.reason,
        set_by="nobody" if row is None else row.set_by,
        set_at=utc_now() if row is None else row.set_at,
        version=0 if row is None else row.version,
    )


def halt(tx: RiskTransaction, level: int, reason: str, by: str) -> TradingStateRow:
    """Halt trading at a level, unless it is halted that far already.

    Whoever is submitting an order holds the row: this waits for them, and whoever
    comes after sees the halt.
    """
    if level not in (1, 2, 3):
        raise Invalid(f"Level is {level}: it must be 1, 2 or 3.")
    _require_reason(reason)
    row = tx.states.lock()
    if row is not None and not halts_further(level, by, row.level, row.set_by):
        return row
    # Without a record nothing may trade; writing a milder state would let something.
    state = STATE_OF_LEVEL[level] if row is not None else TradingState.HALTED
    return record_state(tx, state, level, reason, by)


def resume(
    tx: RiskTransaction,
    reason: str,
    by: str,
    kill_switch: KillSwitch,
    confirm: str = "",
) -> TradingStateRow:
    """Let trading go on, and take the account's breakers back."""
    _require_reason(reason)
    if kill_switch.is_pulled():
        raise Refused(
            "The KILL file is in the data directory.",
            remedy="Remove it, then resume.",
            code="kill-file",
        )
    if tx.mode is TradingMode.LIVE and confirm != CONFIRMATION:
        raise Refused(
            "Trading with money resumes only on a typed word.",
            remedy=f"Send confirm: {CONFIRMATION}.",
            code="not-confirmed",
        )
    _require_clean_books(tx)
    tx.lock_account()
    row = tx.states.lock()
    if row is not None and row.state == TradingState.ACTIVE:
        return row
    tx.act_as(by, reason)
    tx.breakers.close_account(tx.market_time(), by, reason)
    last = tx.loss_days.last("account", "")
    if last is not None:
        # A person has accepted the loss; without this the drawdown halts again at once.
        tx.loss_days.save("account", "", last[0].forgiven(), last[1])
    return record_state(tx, TradingState.ACTIVE, 0, reason, by)


def obey_kill_switch(tx: RiskTransaction, kill_switch: KillSwitch) -> bool:
    """Halt when the kill switch is pulled; say whether that changed anything."""
    if not kill_switch.is_pulled():
        return False
    row = tx.states.get()
    if row is not None and row.level >= KILL_FILE_LEVEL:
        return False
    halt(tx, KILL_FILE_LEVEL, "The KILL file was found.", KILL_FILE)
    return True


def record_state(
    tx: RiskTransaction, state: TradingState, level: int, reason: str, by: str
) -> TradingStateRow:
    """Write a trading state, and tell everyone."""
    tx.sitting = None
    tx.act_as(by, reason)
    row = tx.states.set(state, level, reason, by)
    market_time = tx.market_time()
    tx.publish(
        TradingStateChanged(
            account_id=tx.account,
            state=state,
            level=level,
            reason=reason,
            by=by,
            market_time=market_time,
        )
    )
    tx.events.record(
        dedup_key=f"trading_state:{row.version}",
        type="trading_state",
        severity=Severity.INFO if state is TradingState.ACTIVE else Severity.CRITICAL,
        message=f"Trading is {state} (level {level}) by {by}: {reason}",
        timestamp=market_time,
        announced=True,
    )
    return row


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("A reason is needed.", remedy="Say why in a few words.")


def _require_clean_books(tx: RiskTransaction) -> None:
    # The simulated market has nothing to lose, and its clock may stand still.
    if tx.mode is TradingMode.SIMULATED:
        return
    books = tx.states.books()
    if books is None or not books.clean:
        said = "they were never compared" if books is None else books.summary
        raise Refused(
            f"The books do not agree with the broker's: {said}.",
            remedy="Reconcile, settle the differences, then resume.",
            code="books-not-clean",
        )
    if utc_now() - books.completed_at > CLEAN_WITHIN:
        raise Refused(
            f"The books were compared last at {books.completed_at:%Y-%m-%d %H:%M} UTC.",
            remedy="Reconcile, then resume.",
            code="books-not-clean",
        )
