"""The live topics: which values each one reads, once a second while it is watched."""

from collections.abc import Callable
from typing import Final, NamedTuple

from trading_web.cells import (
    Cells,
    account_cells,
    clock_cells,
    position_cells,
    state_cells,
)
from trading_web.desk import Desk
from trading_web.market_hours import as_of


class Reading(NamedTuple):
    """The values of a topic, as of when, and why they may be old."""

    cells: Cells
    as_of: str
    problem: str | None


def read_shell(desk: Desk) -> Reading:
    """Return the header: market clock and trading state."""
    clock = desk.ask("clock", desk.services.execution.clock)
    state = desk.ask("trading-state", desk.services.risk.trading_state)
    fresh = None if state.stale else state.value
    cells = clock_cells(clock.value) | state_cells(fresh)
    return Reading(cells, "", clock.problem or state.problem)


def read_portfolio(desk: Desk) -> Reading:
    """Return the account's figures and each position's."""
    account = desk.ask("account", desk.services.execution.account)
    positions = desk.ask("positions", desk.services.execution.positions)
    equity = account.value.equity if account.value else None
    cells = account_cells(account.value) | position_cells(positions.value or [], equity)
    clock = desk.ask("clock", desk.services.execution.clock)
    marked = account.value.market_time if account.value else None
    return Reading(
        cells,
        as_of(desk, None if clock.stale else clock.value, marked),
        account.problem or positions.problem,
    )


TOPICS: Final[dict[str, Callable[[Desk], Reading]]] = {
    "shell": read_shell,
    "portfolio": read_portfolio,
}
