"""The backtest engine: signals and bars in; orders, fills and equity out.

`simulate` is the specification: it reads like the rules, in `Decimal`. Its compiled
kin, `account.backtest_account`, `columns.backtest_columns` and `columns.sweep`, are
imported from their modules: they load Numba, which no service needs.
"""

from trading_core.simulation.actions import CorporateAction
from trading_core.simulation.reference import simulate
from trading_core.simulation.result import (
    ENGINE_VERSION,
    Backtest,
    OrderStatus,
    Outcome,
    Provenance,
    SimulatedOrder,
)
from trading_core.simulation.setup import Opening, Setup

__all__ = [
    "ENGINE_VERSION",
    "Backtest",
    "CorporateAction",
    "OrderStatus",
    "Opening",
    "Outcome",
    "Provenance",
    "Setup",
    "SimulatedOrder",
    "simulate",
]
