"""The numbers that move: named once, for the first render and for the live frames."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from trading_system.contracts.execution import (
    AccountView,
    MarketClockView,
    PositionView,
)
from trading_system.contracts.risk import TradingStateView
from trading_system.vocabulary import TradingState
from trading_web import formats


class Cell(NamedTuple):
    """A value as shown: its text, its tone and a title that explains it."""

    text: str
    tone: str = ""
    title: str = ""


Cells = dict[str, Cell]


def account_cells(account: AccountView | None) -> Cells:
    """Return the figures at the top of the portfolio."""
    if account is None:
        return {}
    equity = account.equity
    gross = account.long_value + abs(account.short_value)
    day = account.day_pnl
    base = account.last_equity
    fraction = day / base if day is not None and base else None
    return {
        "account.equity": Cell(formats.money(equity)),
        "account.day": _pnl(day),
        "account.day_percent": _percent(fraction),
        "account.last_equity": Cell(formats.money(base)),
        "account.unrealized": _pnl(account.unrealized_pnl),
        "account.realized": _pnl(account.realized_pnl),
        "account.cash": Cell(formats.money(account.cash)),
        "account.buying_power": Cell(formats.money(account.buying_power)),
        "account.exposure": Cell(
            formats.percent(gross / equity, 1, signed=False)
            if equity
            else formats.MISSING
        ),
        "account.gross": Cell(formats.money(gross)),
        "account.positions": Cell(formats.count(account.open_positions)),
    }


def position_cells(positions: Iterable[PositionView], equity: Decimal | None) -> Cells:
    """Return the moving columns of the positions table and its totals."""
    cells: Cells = {}
    value, unrealized = Decimal(0), Decimal(0)
    for position in positions:
        name = f"position.{position.symbol}"
        worth = position.market_value
        weight = worth / equity if worth is not None and equity else None
        marked = position.marked_at
        as_of = f"as of {formats.clock_time(marked)}" if marked else "not marked yet"
        cells |= {
            f"{name}.last": Cell(formats.price(position.last_price), "", as_of),
            f"{name}.value": Cell(formats.money(worth)),
            f"{name}.weight": Cell(formats.percent(weight, 1, signed=False)),
            f"{name}.unrealized": _pnl(position.unrealized_pnl),
            f"{name}.percent": _percent(position.unrealized_fraction),
            f"{name}.day": _percent(position.day_change_fraction),
        }
        value += worth or 0
        unrealized += position.unrealized_pnl or 0
    cells["positions.value"] = Cell(formats.money(value))
    cells["positions.unrealized"] = _pnl(unrealized)
    return cells


def clock_cells(clock: MarketClockView | None) -> Cells:
    """Return the market clock of the header."""
    if clock is None:
        return {
            "market.state": Cell("Market clock unknown", "warn"),
            "market.now": Cell(""),
        }
    if clock.is_open:
        left = formats.duration(clock.next_close - clock.now)
        state = Cell(
            f"Open, closes {formats.short_time(clock.next_close)} in {left}", "ok"
        )
    else:
        opens = formats.weekday_time(clock.next_open)
        state = Cell(f"Closed, opens {opens}", "quiet")
    now = Cell(
        formats.day_time(clock.now),
        "",
        f"market time, {formats.all_zones(clock.now)}",
    )
    return {"market.state": state, "market.now": now}


def state_cells(state: TradingStateView | None) -> Cells:
    """Return whether orders may leave."""
    if state is None:
        return {"trading.state": Cell("Trading state unknown", "bad")}
    words = {
        TradingState.ACTIVE: ("Trading on", "ok"),
        TradingState.REDUCING: ("Entries paused", "warn"),
        TradingState.HALTED: ("Halted", "bad"),
    }
    text, tone = words[state.state]
    return {"trading.state": Cell(text, tone, state.reason)}


def _pnl(value: Decimal | None) -> Cell:
    return Cell(formats.pnl(value), formats.direction(value))


def _percent(value: Decimal | float | None) -> Cell:
    return Cell(formats.percent(value), formats.direction(value))
