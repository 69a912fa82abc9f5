"""The opening of the books: what the account held before the first order of ours."""

from dataclasses import dataclass, replace
from datetime import datetime

from loguru import logger

from trading_core.money import ZERO
from trading_execution.models import StreamState
from trading_execution.operations import ledger
from trading_execution.operations.desk import Desk
from trading_execution.operations.fills import LOOK_BACK
from trading_execution.ports import (
    BrokerAccount,
    BrokerActivity,
    BrokerFill,
    BrokerPosition,
)
from trading_execution.repository import ExecutionTransaction
from trading_system.crash import crash_point
from trading_system.errors import Misconfigured, Unavailable

TRIES = 5


def open_books(desk: Desk) -> bool:
    """Enter the account's cash and positions once, before any order; say if it did."""
    if are_open(desk):
        return False
    found = _at_rest(desk)
    crash_point("before_opening")
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        _enter(tx, desk.account_id, found)
    logger.info(
        "books opened with {} in cash and {} positions",
        found.account.cash,
        len(found.positions),
    )
    return True


def are_open(desk: Desk) -> bool:
    """Say whether the books have been opened."""
    if not desk.books_are_open:
        with desk.database.read_only() as tx:
            desk.books_are_open = tx.stream_state(desk.account_id) is not None
    return desk.books_are_open


@dataclass(frozen=True, slots=True)
class _Found:
    """What was at the broker before our first order."""

    time: datetime
    account: BrokerAccount
    positions: list[BrokerPosition]
    fills: list[BrokerFill]
    activities: list[BrokerActivity]


def _at_rest(desk: Desk) -> _Found:
    for _ in range(TRIES):
        time = desk.clock.refresh().now
        found = _look(desk, time)
        require_account(desk, found.account)
        if _look(desk, time) == found:
            return found
    raise Unavailable(
        "The account keeps changing, so that the books cannot be opened.",
        remedy="Wait until its open orders have come to rest.",
    )


def _look(desk: Desk, time: datetime) -> _Found:
    account = desk.broker.account()
    # Prices move, and do not belong to the opening.
    still = replace(account, equity=account.cash, last_equity=None, buying_power=None)
    return _Found(
        time,
        still,
        [replace(held, current_price=None) for held in desk.broker.positions()],
        desk.broker.fills_after(time),
        desk.broker.activities_after(time - LOOK_BACK),
    )


def _enter(tx: ExecutionTransaction, account_id: str, found: _Found) -> None:
    opening = ledger.Entry(
        account_id=account_id,
        kind="transfer",
        reference=f"opening:{account_id}:cash",
        strategy=ledger.HOUSE,
        time=found.time,
        cash=found.account.cash,
        note="cash at the first start",
    )
    ledger.post(tx, opening)
    for held in found.positions:
        shares = replace(
            opening,
            reference=f"opening:{account_id}:{held.symbol}",
            strategy=ledger.EXTERNAL,
            symbol=held.symbol,
            quantity=held.quantity,
            cash=ZERO,
            price=held.average_price,
            note="position at the first start",
        )
        ledger.post(tx, shares)
    _mark_as_counted(tx, account_id, found, opening)
    tx.session.add(
        StreamState(
            account_id=account_id, opened_at=found.time, activities_until=found.time
        )
    )


def _mark_as_counted(
    tx: ExecutionTransaction, account_id: str, found: _Found, opening: ledger.Entry
) -> None:
    """Keep out of the ledger what the opening holds already."""
    for fill in found.fills:
        tx.trades.set_aside(
            {
                "broker_order_id": fill.broker_order_id,
                "cumulative_quantity": fill.cumulative_quantity,
                "account_id": account_id,
                "symbol": fill.symbol,
                "side": fill.side,
                "quantity": fill.quantity,
                "price": fill.price,
                "timestamp": fill.time,
                "source": fill.source,
                "resolution": "external",
            }
        )
    for activity in found.activities:
        counted = replace(
            opening,
            kind=activity.kind or "adjustment",
            reference=activity.activity_id,
            cash=ZERO,
            note=f"{activity.said}: before the opening",
        )
        ledger.post(tx, counted)


def require_account(desk: Desk, account: BrokerAccount) -> None:
    """Refuse to trade another account than the one this database belongs to."""
    if desk.account_id not in (account.account_id, account.number):
        raise Misconfigured(
            f"This database belongs to account {desk.account_id}, and the keys are"
            f" those of account {account.number}.",
            remedy="Use the keys of that account, or another data directory.",
        )
