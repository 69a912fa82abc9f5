"""Each morning: does the broker still answer as it did when this was written?

An answer that has lost or changed a field which is read stops only what needs it, is
told at once, and is looked at again each minute until it is as it was.
"""

from datetime import datetime, time, timedelta

from loguru import logger

from trading_core.calendar import NEW_YORK
from trading_execution.domain.contract import Examined
from trading_execution.operations.desk import Desk
from trading_execution.repository import ExecutionTransaction
from trading_system.clock import utc_now
from trading_system.contracts.execution import BrokerContractChanged
from trading_system.errors import Unavailable

MORNING = time(9)
"""New York; half an hour before the open."""

AGAIN = timedelta(minutes=1)
"""How soon what was broken is looked at again, by the machine's clock."""


def check_when_due(desk: Desk) -> bool:
    """Look at the broker's answers when it is time; say whether that was done."""
    if desk.contract is None:
        return False
    now = desk.clock.now().astimezone(NEW_YORK)
    with desk.database.read_only() as tx:
        last = tx.contracts.last_checked(desk.account_id)
        broken = tx.contracts.broken(desk.account_id)
    morning = datetime.combine(now.date(), MORNING, NEW_YORK)
    # By market time: what was looked at before this morning is of yesterday.
    is_new = last is None or (now >= morning and last < morning)
    is_again = any(utc_now() - each.checked_at >= AGAIN for each in broken)
    if not (is_new or is_again):
        return False
    try:
        check(desk)
    except Unavailable as error:
        # The comparison that follows says so too, and it is asked again.
        logger.warning("the broker's answers could not be looked at: {}", error)
        return False
    return True


def check(desk: Desk) -> list[Examined]:
    """Look at every endpoint's answer now, and keep what was found.

    Raises `Unavailable` when the broker does not answer: then nothing is concluded.
    """
    if desk.contract is None:
        return []
    found = desk.contract.examine()
    now = desk.clock.now()
    with desk.database.transaction() as tx:
        tx.fence(desk.epoch)
        _keep(tx, desk.account_id, found, now)
    return found


def require(tx: ExecutionTransaction, account_id: str, what: str) -> None:
    """Raise `Unavailable` when something that `what` needs is not as it was."""
    broken = [each for each in tx.contracts.broken(account_id) if what in each.stops]
    if broken:
        said = "; ".join(f"{each.endpoint}: {each.detail}" for each in broken)
        raise Unavailable(
            f"The broker's answers have changed ({said}).",
            remedy="Nothing that needs them goes on until they are as they were, or"
            " this program is brought up to date.",
        )


def _keep(
    tx: ExecutionTransaction,
    account_id: str,
    found: list[Examined],
    now: datetime,
) -> None:
    before = {each.endpoint: each.detail for each in tx.contracts.broken(account_id)}
    for each in found:
        detail = "; ".join(each.faults)
        was = before.get(each.shape.name)
        if each.faults and was is None:
            logger.critical("broker contract: {}: {}", each.shape.name, detail)
        tx.contracts.put(
            {
                "account_id": account_id,
                "endpoint": each.shape.name,
                "path": each.shape.path,
                "ok": not each.faults,
                "detail": detail,
                "stops": list(each.shape.stops) if each.faults else [],
                "market_time": now,
                "checked_at": utc_now(),
            },
            changed=(was is None) == bool(each.faults),
        )
    broken = {e.shape.name: "; ".join(e.faults) for e in found if e.faults}
    if broken != before:
        stopped = sorted({s for e in found if e.faults for s in e.shape.stops})
        tx.publish(
            BrokerContractChanged(
                account_id=account_id,
                broken=broken,
                stops=stopped,
                market_time=now,
            )
        )
