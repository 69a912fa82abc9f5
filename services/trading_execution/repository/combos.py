"""Queries of orders that are one intent."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from trading_execution.domain.combo import OPEN, UNWIND, ComboStatus
from trading_execution.domain.order_status import AT_BROKER, OrderStatus
from trading_execution.models import Combo, Order
from trading_system.errors import NotFound

WATCH = timedelta(days=4)
"""How long a late execution of an unwound leg is looked for."""


def may_be_next() -> ColumnElement[bool]:
    """Whether an order stands alone, or is the next leg that may leave."""
    earlier, leg = aliased(Order), aliased(Order)
    taken = [*AT_BROKER, OrderStatus.FILLED]
    not_taken = select(earlier.order_id).where(
        earlier.combo_id == Order.combo_id,
        earlier.combo_leg < Order.combo_leg,
        earlier.tag != UNWIND,
        earlier.replaced_by.is_(None),
        earlier.status.not_in(taken),
    )
    written = select(func.count(leg.combo_leg.distinct())).where(
        leg.combo_id == Combo.combo_id, leg.tag != UNWIND
    )
    is_placing = select(Combo.combo_id).where(
        Combo.combo_id == Order.combo_id,
        Combo.status == ComboStatus.PLACING,
        Combo.legs == written.scalar_subquery(),
    )
    return or_(
        Order.combo_id.is_(None),
        Order.tag == UNWIND,
        and_(is_placing.exists(), ~not_taken.exists()),
    )


_FILLED = select(func.coalesce(func.sum(Order.filled_quantity), 0)).where(
    Order.combo_id == Combo.combo_id, Order.tag != UNWIND
)
_UNSETTLED = (
    select(Combo)
    .where(
        Combo.account_id == bindparam("account"),
        or_(
            Combo.status.in_(list(OPEN)),
            and_(
                Combo.status == ComboStatus.UNWOUND,
                Combo.finished_at > func.now() - WATCH,
                Combo.settled < _FILLED.scalar_subquery(),
            ),
        ),
    )
    .order_by(Combo.created_at)
)


class Combos:
    """Several orders that are one intent."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, values: dict[str, Any]) -> None:
        """Add a combo unless it is there."""
        self._session.execute(insert(Combo).values(**values).on_conflict_do_nothing())

    def get(self, combo_id: UUID) -> Combo:
        """Return a combo."""
        combo = self._session.get(Combo, combo_id)
        if combo is None:
            raise NotFound(f"There is no combo {combo_id}.")
        return combo

    def latest(self, limit: int) -> list[Combo]:
        """Return combos, newest first."""
        query = select(Combo).order_by(Combo.created_at.desc()).limit(limit)
        return list(self._session.scalars(query))

    def orders(self, combo_id: UUID) -> list[Order]:
        """Return the orders of a combo by leg, as they were written."""
        return list(
            self._session.scalars(
                select(Order)
                .where(Order.combo_id == combo_id)
                .order_by(Order.combo_leg, Order.generation, Order.timestamp)
            )
        )

    def filled(self, combo_id: UUID) -> Decimal:
        """Return the shares that the legs have filled, all together."""
        total = self._session.scalar(
            select(func.coalesce(func.sum(Order.filled_quantity), 0)).where(
                Order.combo_id == combo_id, Order.tag != UNWIND
            )
        )
        return Decimal(total or 0)

    def unsettled(self, account_id: str, *, lock: bool = False) -> Sequence[Combo]:
        """Return the combos on their way, and those with a late execution."""
        query = _UNSETTLED.with_for_update(of=Combo) if lock else _UNSETTLED
        found = self._session.scalars(query, {"account": account_id})
        return found.all()
