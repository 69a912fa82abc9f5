"""What a close and a night do to accounts: fees, interest, values, margin calls."""

from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal

from paper_exchange import numbers, valuation
from paper_exchange.accounts import Account
from paper_exchange.journal import Journal
from paper_exchange.market.market import Market
from paper_exchange.numbers import ZERO
from paper_exchange.sessions import TradingDay
from trading_core.costs import daily_fees, night_costs

# What became of a call that the broker waits no longer for.
UNMET = ("missed", "overdue")


def close_books(
    journal: Journal, accounts: Iterable[Account], market: Market, day: TradingDay
) -> list[Account]:
    """Charge each account what its day cost and keep what it held.

    Returns the accounts that owe margin on a call that they did not meet.
    """
    owing = []
    for account in accounts:
        _charge_executions(journal, account, day)
        if _keep_values(journal, account, market, day) in UNMET:
            owing.append(account)
        journal.account_changed(account)
    return owing


def charge_night(
    journal: Journal,
    accounts: Iterable[Account],
    market: Market,
    before: TradingDay,
    day: TradingDay,
) -> None:
    """Charge what was borrowed from one trading day to the next: shares and dollars."""
    nights = (day.day - before.day).days
    model = market.fill_model
    for account in accounts:
        values = [
            (symbol, holding.quantity * (market.mark(symbol, before.close) or ZERO))
            for symbol, holding in sorted(account.holdings.items())
        ]
        costs = night_costs(
            account.cash, values, model.borrow_rate, model.margin_rate, nights
        )
        for symbol, fee in costs.borrow.items():
            written = f"Borrow fee for {symbol} of {before.day.isoformat()}"
            charge(journal, account, day, "FEE", fee, written)
        if costs.interest:
            written = f"Margin interest of {before.day.isoformat()}"
            charge(journal, account, day, "INT", costs.interest, written)
        journal.account_changed(account)


def _charge_executions(journal: Journal, account: Account, day: TradingDay) -> None:
    if not account.unbilled:
        return
    fees = daily_fees(day.day, account.unbilled)
    account.unbilled = []
    for name, amount in asdict(fees).items():
        if amount:
            written = f"{name.upper()} fee for proceeds of {day.day.isoformat()}"
            charge(journal, account, day, "FEE", amount, written)


def charge(
    journal: Journal,
    account: Account,
    day: TradingDay,
    kind: str,
    amount: Decimal,
    written: str,
) -> None:
    """Take dollars from an account and write down why."""
    account.cash -= amount
    journal.activity(
        account,
        journal.stamp(),
        {
            "activity_type": kind,
            "date": day.day.isoformat(),
            "net_amount": numbers.text(-amount),
            "description": written,
            "symbol": None,
            "qty": None,
            "per_share_amount": None,
            "status": "executed",
        },
    )


def _keep_values(
    journal: Journal, account: Account, market: Market, day: TradingDay
) -> str | None:
    """Keep what an account was worth; return what became of a margin call."""
    value = valuation.value(account, market, day.close)
    standing = account.standing
    outcome = standing.close(
        value.equity,
        value.maintenance_margin,
        value.initial_margin,
        day,
        market.sessions,
    )
    if outcome is not None:
        what = {"account": account.id, "outcome": outcome, **standing.record()}
        journal.note("margin_call", what)
    account.closing_equity.append((day.day.isoformat(), value.equity))
    account.closing_maintenance = value.maintenance_margin
    del account.closing_equity[:-2]
    account.closing_quantities = {
        symbol: holding.quantity for symbol, holding in account.holdings.items()
    }
    return outcome
