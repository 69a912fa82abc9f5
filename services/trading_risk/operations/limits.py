"""Changes of limits: a new version each, with who and why."""

from decimal import Decimal

from trading_core.money import exact
from trading_risk.domain.limits import objection
from trading_risk.repository import RiskTransaction
from trading_system.contracts.risk import RiskLimitChanged
from trading_system.contracts.strategy import StrategyChanged
from trading_system.errors import Conflict, Invalid

EDIT = "edit"


def set_limit(
    tx: RiskTransaction,
    *,
    limit_type: str,
    value: Decimal,
    scope: str = "account",
    scope_id: str = "",
    reason: str,
    by: str,
    source: str = EDIT,
    version: int | None = None,
) -> bool:
    """Put a limit in force and say whether that changed anything.

    `version`, when given, is the one that the caller saw: another one is a conflict.
    """
    if not reason.strip():
        raise Invalid("A reason is needed.", remedy="Say why in a few words.")
    if problem := objection(limit_type, scope, scope_id, value):
        raise Invalid(problem)
    # Whoever is deciding has read the limits: they finish first.
    tx.lock_account()
    limit = tx.limits.lock(scope, scope_id, limit_type)
    if version is not None and (limit is None or limit.version != version):
        current = "none" if limit is None else str(limit.version)
        raise Conflict(
            f"{limit_type} was changed meanwhile: version {current} is in force.",
            remedy="Look at it again.",
        )
    if limit is not None and (limit.limit_value, limit.source) == (value, source):
        return False
    tx.act_as(by, reason)
    old = None if limit is None else limit.limit_value
    if limit is None:
        past = tx.limits.last_version(scope, scope_id, limit_type)
        tx.limits.add(
            scope,
            scope_id,
            limit_type,
            value,
            version=past + 1,
            source=source,
            reason=reason,
            by=by,
        )
    else:
        tx.limits.change(limit, value, source=source, reason=reason, by=by)
    tx.publish(
        RiskLimitChanged(
            account_id=tx.account,
            scope=scope,
            scope_id=scope_id,
            limit_type=limit_type,
            old_value=old,
            new_value=value,
            reason=reason,
            by=by,
        )
    )
    return True


def adopt_strategy_limits(tx: RiskTransaction, event: StrategyChanged) -> None:
    """Put a strategy's limits in force.

    A file that says what it said before undoes no edit; a limit that it no longer names
    falls back to the account's.
    """
    tx.lock_account()
    reason = event.reason or f"{event.strategy} changed"
    for limit_type, number in event.risk_limits.items():
        value = exact(number)
        said = tx.limits.last_from(event.source, "strategy", event.strategy, limit_type)
        if (
            said is not None
            and said.operation != "DELETE"
            and said.limit_value == value
        ):
            continue
        set_limit(
            tx,
            limit_type=limit_type,
            value=value,
            scope="strategy",
            scope_id=event.strategy,
            reason=reason,
            by=event.by,
            source=event.source,
        )
    tx.act_as(event.by, reason)
    for limit in tx.limits.of_scope("strategy", event.strategy):
        if limit.source == event.source and limit.limit_type not in event.risk_limits:
            tx.limits.remove(limit)
