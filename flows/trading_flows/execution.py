"""Execution's flows: what an outage left behind, and the books against the broker's.

The workers of the execution service do the quick work; these normally find nothing.
"""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from trading_flows import timetable
from trading_flows.run import run, slot_time


@flow(name="execute_trades")
async def execute_trades(scheduled_for: datetime | None = None) -> State[Any]:
    """Submit approved orders that are still unsent.

    By the timetable `manage_orders` and `update_positions` follow in the same run,
    whatever becomes of this part.
    """
    slot = slot_time(scheduled_for)
    try:
        return await run(
            timetable.EXECUTE_TRADES, lambda s: s.execution.execute(), scheduled_for
        )
    finally:
        if slot is not None:
            await manage_orders(scheduled_for=slot)
            await update_positions(scheduled_for=slot)


@flow(name="manage_orders")
async def manage_orders(scheduled_for: datetime | None = None) -> State[Any]:
    """Time orders out, resolve the unknown ones, expire what is over."""
    return await run(
        timetable.MANAGE_ORDERS, lambda s: s.execution.manage(), scheduled_for
    )


@flow(name="update_positions")
async def update_positions(scheduled_for: datetime | None = None) -> State[Any]:
    """Mark positions, compute P&L, record the account's value."""
    return await run(
        timetable.UPDATE_POSITIONS,
        lambda s: s.execution.update_positions(),
        scheduled_for,
    )


@flow(name="reconcile_trades")
async def reconcile_trades(scheduled_for: datetime | None = None) -> State[Any]:
    """Compare the ledger with the broker's books; show every difference."""
    return await run(
        timetable.RECONCILE_TRADES, lambda s: s.execution.reconcile(), scheduled_for
    )
