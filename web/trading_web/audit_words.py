"""What a line of the audit log says: which row, and what became of its values."""

from collections.abc import Mapping
from typing import Any, Final

from trading_system.contracts.system import AuditView
from trading_web import formats

TABLES: Final = {
    "risk_management.trading_state": "Trading state",
    "risk_management.risk_limits": "Limits",
    "risk_management.breakers": "Breakers",
    "risk_management.symbol_locks": "Locked symbols",
    "risk_management.manual_orders": "Orders by hand",
    "strategy_engine.strategies": "Strategies",
    "execution.holds": "Holds",
    "execution.ledger": "Ledger",
    "execution.orders": "Orders",
    "execution.trades": "Executions",
    "execution.flatten_requests": "Flattening",
}
"""What the tables that are audited are called."""

OPERATIONS: Final = {"INSERT": "New", "UPDATE": "Changed", "DELETE": "Removed"}

_NAMES: Final = ("symbol", "strategy", "name", "limit_type", "scope_id", "type")
# Stamps and counters change with every write and say nothing of their own.
_SILENT: Final = frozenset(
    {"updated_at", "set_at", "locked_at", "created_at", "updated_by", "set_by"}
    | {"locked_by", "market_time", "as_of", "reason", "version", "account_id"}
)


def subject(line: AuditView) -> str:
    """Return which row it is about: AAPL, max_daily_loss."""
    row = line.new_values or line.old_values or {}
    said = (str(row[name]) for name in _NAMES if row.get(name))
    return " ".join(dict.fromkeys(said))


def changes(line: AuditView) -> list[str]:
    """Return what became different, field by field: limit value 0.02 → 0.01."""
    old, new = line.old_values or {}, line.new_values or {}
    if not old or not new:
        return []
    return [
        f"{formats.words(name)} {_shown(old, name)} → {_shown(new, name)}"
        for name in new
        if name not in _SILENT and new[name] != old.get(name)
    ]


def _shown(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if isinstance(value, dict):
        return ", ".join(f"{key} = {each}" for key, each in value.items())
    return formats.MISSING if value in (None, "") else str(value)
