"""Queries of single orders on execution's books."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from trading_system.errors import NotFound

_ORDER = text("""
select o.*, coalesce(o.parent_order_id, o.order_id) as family from execution.orders o
where o.account_id = :account and o.order_id = :order
""")

# In the words of the index of live orders: PostgreSQL does not know that an order
# which is in no final status is in one of these.
LIVE = "status in ('ACCEPTED', 'PARTIALLY_FILLED', 'READY', 'SUBMITTING', 'UNKNOWN')"

_ALTERNATIVES = text(f"""
select order_id from execution.orders
where account_id = :account and coalesce(parent_order_id, order_id) = :family
  and side = :side and {LIVE}
""")

# An approval counts before execution has heard of it.
_REPLACEMENT = text(f"""
select exists (select from execution.orders
  where account_id = :account and replaces_order_id = :order and {LIVE})
or exists (select from risk_management.manual_orders m
  join risk_management.reservations r on r.order_id =
    (select order_id from risk_management.risk_outcomes o
     where o.signal_id = m.signal_id)
  where m.account_id = :account and m.proposal->>'replaces' = cast(:order as text))
""")


class PlacedOrders:
    """Orders that execution has written down."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def get(self, order_id: UUID) -> Row[Any]:
        """Return an order, with the family that it belongs to."""
        found = self._session.execute(
            _ORDER, {"account": self._account_id, "order": order_id}
        ).one_or_none()
        if found is None:
            raise NotFound(f"There is no order {order_id}.")
        return found

    def alternatives(self, order: Row[Any]) -> frozenset[UUID]:
        """Return an order, and those of its family that are filled instead of it."""
        values = {
            "account": self._account_id,
            "family": order.family,
            "side": order.side,
        }
        return frozenset(self._session.scalars(_ALTERNATIVES, values))

    def is_being_replaced(self, order_id: UUID) -> bool:
        """Say whether a replacement of an order has neither succeeded nor failed."""
        values = {"account": self._account_id, "order": order_id}
        return bool(self._session.scalar(_REPLACEMENT, values))
