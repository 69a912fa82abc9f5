"""Queries of how the broker's endpoints answered when they were last looked at."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trading_execution.models import ContractCheck

_STOPPED = select(ContractCheck.stops).where(
    ContractCheck.account_id == bindparam("account"), ContractCheck.ok.is_(False)
)


class Contracts:
    """How the broker's endpoints answer."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, account_id: str) -> list[ContractCheck]:
        """Return every endpoint's last look, those that are broken first."""
        return list(
            self._session.scalars(
                select(ContractCheck)
                .where(ContractCheck.account_id == account_id)
                .order_by(ContractCheck.ok, ContractCheck.endpoint)
            )
        )

    def broken(self, account_id: str) -> list[ContractCheck]:
        """Return the endpoints whose answers are not as they were."""
        return [each for each in self.all(account_id) if not each.ok]

    def stopped(self, account_id: str) -> set[str]:
        """Return what does not go on, for answers are not as they were."""
        found = self._session.scalars(_STOPPED, {"account": account_id})
        return {what for stops in found for what in stops}

    def last_checked(self, account_id: str) -> datetime | None:
        """Return the market time of the last look."""
        return self._session.scalar(
            select(func.min(ContractCheck.market_time)).where(
                ContractCheck.account_id == account_id
            )
        )

    def put(self, values: dict[str, Any], *, changed: bool) -> None:
        """Keep a look; `changed` begins a new state of the endpoint."""
        statement = insert(ContractCheck).values(**values)
        kept = {"account_id", "endpoint"}
        new: dict[str, Any] = {
            name: statement.excluded[name] for name in values if name not in kept
        }
        if changed:
            new["since"] = func.clock_timestamp()
        self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "endpoint"], set_=new
            )
        )
