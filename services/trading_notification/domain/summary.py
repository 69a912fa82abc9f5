"""The day on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Holding:
    """A position at the end of the day."""

    symbol: str
    quantity: Decimal
    value: Decimal | None
    unrealized: Decimal | None


@dataclass(frozen=True, slots=True)
class Executed:
    """An execution of the day."""

    symbol: str
    side: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """What the summary of a day is made of."""

    day: date
    equity: Decimal
    day_pnl: Decimal | None
    cash: Decimal
    positions: Sequence[Holding]
    trades: Sequence[Executed]


def title(figures: Figures) -> str:
    """Return the day in a line."""
    moved = "" if figures.day_pnl is None else f", {_signed(figures.day_pnl)}"
    count = len(figures.trades)
    trades = f"{count} execution" + ("" if count == 1 else "s")
    return f"{figures.day}: {_money(figures.equity)}{moved}, {trades}"


def lines(figures: Figures, alerts: Sequence[str]) -> list[str]:
    """Return the page, line by line."""
    day = "not known" if figures.day_pnl is None else _signed(figures.day_pnl)
    page = [
        f"Equity      {_money(figures.equity)}",
        f"Day         {day}",
        f"Cash        {_money(figures.cash)}",
        "",
        f"Positions ({len(figures.positions)})",
    ]
    for held in figures.positions:
        value = "no price" if held.value is None else _money(held.value)
        open_pnl = "" if held.unrealized is None else f"  {_signed(held.unrealized)}"
        page.append(f"  {held.symbol:<6} {held.quantity:>10f}  {value}{open_pnl}")
    page += ["", f"Executions ({len(figures.trades)})"]
    for trade in figures.trades:
        verb = "bought" if trade.side == "buy" else "sold"
        page.append(
            f"  {trade.symbol:<6} {verb} {trade.quantity:f} at {_money(trade.price)}"
        )
    page += ["", f"Alerts ({len(alerts)})", *(f"  {alert}" for alert in alerts)]
    return page


def _money(amount: Decimal) -> str:
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def _signed(amount: Decimal) -> str:
    return ("+" if amount > 0 else "") + _money(amount)
