"""What the account is worth: the ledger's shares at the broker's prices."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading_core.money import ZERO
from trading_execution.models import AccountSnapshot, Position
from trading_execution.operations.desk import Desk
from trading_execution.ports import BrokerAccount
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import ClockReading
from trading_system.contracts.execution import AccountUpdated
from trading_system.crash import crash_point

MINUTE = timedelta(minutes=1)
_ENVELOPE = {"event_id", "correlation_id", "causation_id"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A market time and whether the session is over by then."""

    time: datetime
    session_closed: bool


def mark(desk: Desk, *, force: bool = False) -> bool:
    """Mark the positions and record the account's value, when that is due.

    Due once a market minute in the session, once after its end, and whenever the
    ledger has moved since the last time.
    """
    moment = _moment(desk.clock.refresh())
    with desk.database.read_only() as tx:
        last = tx.snapshots.latest(desk.account_id)
        entry = tx.books.last_entry(desk.account_id)
        symbols = [p.symbol for p in tx.books.positions(desk.account_id)]
    if not (force or _is_due(moment, last, entry)):
        return False
    account = desk.broker.account()
    held = desk.broker.positions()
    prices = {
        each.symbol: each.current_price
        for each in held
        if each.current_price is not None
    }
    closes = {each.symbol: each.last_close for each in held}
    if missing := sorted(set(symbols) - set(prices)):
        prices.update(desk.broker.last_prices(missing))
    crash_point("before_marked")
    with desk.booking, desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        _record(tx, desk.account_id, account, prices, closes, moment)
    return True


def is_due(desk: Desk) -> bool:
    """Say whether the account should be marked now."""
    moment = _moment(desk.clock.read())
    with desk.database.read_only() as tx:
        return _is_due(
            moment,
            tx.snapshots.latest(desk.account_id),
            tx.books.last_entry(desk.account_id),
        )


def _moment(reading: ClockReading) -> Moment:
    return Moment(reading.now, session_closed=not reading.is_open)


def _is_due(moment: Moment, last: AccountSnapshot | None, entry: int) -> bool:
    if last is None or entry > last.ledger_entry:
        return True
    if moment.session_closed:
        return not last.session_closed
    return moment.time >= last.market_time + MINUTE or last.session_closed


def _record(
    tx: ExecutionTransaction,
    account_id: str,
    account: BrokerAccount,
    prices: dict[str, Decimal],
    closes: dict[str, Decimal | None],
    moment: Moment,
) -> None:
    positions = tx.books.positions(account_id)
    for position in positions:
        _mark(position, prices.get(position.symbol), moment.time)
        position.last_close = closes.get(position.symbol) or position.last_close
    cash = tx.books.cash(account_id)
    values = [position.market_value or ZERO for position in positions]
    long_value = sum((value for value in values if value > 0), ZERO)
    short_value = sum((value for value in values if value < 0), ZERO)
    updated = AccountUpdated(
        account_id=account_id,
        cash=cash,
        equity=cash + long_value + short_value,
        long_value=long_value,
        short_value=short_value,
        unrealized_pnl=sum((p.unrealized_pnl or ZERO for p in positions), ZERO),
        realized_pnl=tx.books.realized(account_id),
        session_closed=moment.session_closed,
        market_time=moment.time,
    )
    tx.snapshots.put(
        {
            **updated.model_dump(include=set(AccountUpdated.model_fields) - _ENVELOPE),
            "buying_power": account.buying_power,
            "ledger_entry": tx.books.last_entry(account_id),
        }
    )
    tx.publish(updated)


def _mark(position: Position, price: Decimal | None, time: datetime) -> None:
    if price is None:
        # Nothing is invented: the last price known stands, with its own time.
        return
    position.last_price, position.marked_at = price, time
    position.market_value = position.quantity * price
    position.unrealized_pnl = position.market_value - position.cost
