"""Queries of orders, their attempts and their history."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cache
from typing import NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    Integer,
    Select,
    Table,
    and_,
    between,
    bindparam,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningInsert

from trading_execution.domain.order_status import AT_BROKER, LIVE, OrderStatus
from trading_execution.models import Hold, Order, OrderStep, SubmitAttempt
from trading_execution.repository.combos import may_be_next
from trading_system.errors import NotFound
from trading_system.vocabulary import OrderClass, TradingState

ACCOUNT = "*"
"""The symbol of a hold on the whole account."""


_ADD_ORDER: ReturningInsert[tuple[UUID]] = (
    insert(cast(Table, Order.__table__))
    .on_conflict_do_nothing()
    .returning(Order.order_id)
)


class _Kind(Enum):
    """What may leave beside the orders of a flatten."""

    ALL = auto()
    REDUCING = auto()
    NOTHING = auto()


def _kind(state: TradingState, entries: bool) -> _Kind:
    if state is TradingState.HALTED:
        return _Kind.NOTHING
    if state is TradingState.ACTIVE and entries:
        return _Kind.ALL
    return _Kind.REDUCING


@cache
def _claimable(kind: _Kind, *, opposed: bool, lock: bool) -> Select[tuple[Order]]:
    """Return the query of orders that may leave; `account`, `tag`, `most` are bound.

    It is built once: that takes longer than PostgreSQL's answer.
    """
    on_hold = (Hold.account_id == bindparam("account"), Hold.released_at.is_(None))
    held = select(Hold.symbol).where(*on_hold)
    on_account = select(true()).where(*on_hold, Hold.symbol == ACCOUNT)
    tagged = Order.tag == bindparam("tag")
    allowed = {
        _Kind.ALL: true(),
        _Kind.REDUCING: or_(tagged, Order.reduces.is_(True)),
        _Kind.NOTHING: tagged,
    }[kind]
    query = (
        select(Order)
        .where(
            Order.account_id == bindparam("account"),
            Order.status == OrderStatus.READY,
            Order.cancel_requested_at.is_(None),
            allowed,
            Order.symbol.not_in(held),
            or_(tagged, ~on_account.exists()),
            may_be_next(),
        )
        .order_by(Order.timestamp, Order.order_id)
        .limit(bindparam("most", type_=Integer))
    )
    if opposed:
        other = aliased(Order)
        on_the_other_side = select(true()).where(
            other.account_id == Order.account_id,
            other.symbol == Order.symbol,
            other.correlation_id == Order.correlation_id,
            other.decision_price == Order.decision_price,
            other.strategy != Order.strategy,
            other.side != Order.side,
            other.status == OrderStatus.READY,
        )
        query = query.where(on_the_other_side.exists())
    if lock:
        query = query.with_for_update(skip_locked=True, of=Order)
    return query


_OVERDUE = (
    select(Order)
    .where(
        Order.account_id == bindparam("account"),
        Order.status == OrderStatus.READY,
        or_(
            Order.valid_until < bindparam("market_time"),
            Order.cancel_requested_at.is_not(None),
        ),
    )
    .order_by(Order.timestamp)
    .with_for_update(skip_locked=True)
)


class EndedAttempt(NamedTuple):
    """What came of an attempt to hand an order to the broker."""

    order_id: UUID
    attempt: int
    outcome: str
    http_status: int | None = None
    detail: str | None = None


_ENDED = tuple(f"ended_{name}" for name in EndedAttempt._fields)
_END_ATTEMPT = (
    update(cast(Table, SubmitAttempt.__table__))
    .where(
        SubmitAttempt.order_id == bindparam("ended_order_id"),
        SubmitAttempt.attempt == bindparam("ended_attempt"),
        SubmitAttempt.ended_at.is_(None),
    )
    .values(
        ended_at=func.clock_timestamp(),
        outcome=bindparam("ended_outcome"),
        http_status=bindparam("ended_http_status"),
        detail=bindparam("ended_detail"),
    )
)


class Orders:
    """Orders, their attempts and their history."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, order_id: UUID) -> Order:
        """Return an order, as it is now."""
        order = self._session.get(Order, order_id)
        if order is None:
            raise NotFound(f"There is no order {order_id}.")
        return order

    def lock(self, order_id: UUID) -> Order:
        """Return an order, locked until the transaction ends."""
        return self._session.scalars(
            select(Order)
            .where(Order.order_id == order_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()

    def lock_all(self, order_ids: Iterable[UUID]) -> dict[UUID, Order]:
        """Return orders, locked until the transaction ends."""
        found = self._session.scalars(
            select(Order)
            .where(Order.order_id.in_(list(order_ids)))
            .order_by(Order.order_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return {order.order_id: order for order in found}

    def add(self, rows: Sequence[dict[str, object]]) -> int:
        """Add orders unless they are there already; return how many were new."""
        added = self._session.execute(_ADD_ORDER, rows)
        return len(added.all())

    def claimable(
        self,
        account_id: str,
        state: TradingState,
        *,
        entries: bool = True,
        tag: str = "flatten",
        limit: int | None = 8,
        lock: bool = False,
        opposed: bool = False,
    ) -> list[Order]:
        """Return READY orders that may leave, oldest first.

        Without `entries`, and in REDUCING, only orders that reduce a position; in
        HALTED only those of the tag. Symbols on hold are left out. With `opposed` only
        those of a bar on which another strategy asks for the other side.
        """
        found = self._session.scalars(
            _claimable(_kind(state, entries), opposed=opposed, lock=lock),
            {"account": account_id, "tag": tag, "most": limit},
        )
        return list(found)

    def overdue(self, account_id: str, market_time: datetime) -> list[Order]:
        """Return READY orders whose reason has passed or that were canceled, locked."""
        values = {"account": account_id, "market_time": market_time}
        return list(self._session.scalars(_OVERDUE, values))

    def unresolved(
        self, account_id: str, epoch: int, now: datetime, call_time: timedelta
    ) -> list[Order]:
        """Return orders to look up: UNKNOWN, or claimed by a call that is over.

        A claim of the future was made before the clock was set back: it is looked up
        too, which does no harm to a call that is still under way.
        """
        under_way = between(Order.claimed_at, now - call_time, now + call_time)
        return list(
            self._session.scalars(
                select(Order)
                .where(
                    Order.account_id == account_id,
                    or_(
                        Order.status == OrderStatus.UNKNOWN,
                        and_(
                            Order.status == OrderStatus.SUBMITTING,
                            or_(Order.epoch != epoch, not_(under_way)),
                        ),
                    ),
                )
                .order_by(Order.timestamp)
            )
        )

    def with_status(
        self, account_id: str, statuses: Iterable[OrderStatus]
    ) -> list[Order]:
        """Return the orders in any of the statuses, oldest first."""
        return list(
            self._session.scalars(
                select(Order)
                .where(Order.account_id == account_id, Order.status.in_(list(statuses)))
                .order_by(Order.timestamp, Order.order_id)
            )
        )

    def to_cancel(self, account_id: str) -> list[Order]:
        """Return the orders at the broker whose cancellation is wanted."""
        return list(
            self._session.scalars(
                select(Order)
                .where(
                    Order.account_id == account_id,
                    Order.status.in_(list(AT_BROKER)),
                    Order.cancel_requested_at.is_not(None),
                )
                .order_by(Order.timestamp)
            )
        )

    def replaced(self, account_id: str) -> list[Order]:
        """Return orders that have not ended, and another stands in their place."""
        other = aliased(Order)
        succeeded = select(true()).where(
            other.replaces_order_id == Order.order_id,
            other.broker_order_id.is_not(None),
            other.status != OrderStatus.REJECTED,
        )
        return list(
            self._session.scalars(
                select(Order)
                .where(
                    Order.account_id == account_id,
                    Order.status.in_(list(AT_BROKER)),
                    succeeded.exists(),
                )
                .order_by(Order.timestamp)
            )
        )

    def unfollowed(self, account_id: str) -> list[Order]:
        """Return orders that the broker has replaced by one that is not known here."""
        other = aliased(Order)
        known = select(true()).where(other.broker_order_id == Order.replaced_by)
        return list(
            self._session.scalars(
                select(Order)
                .where(
                    Order.account_id == account_id,
                    Order.replaced_by.is_not(None),
                    ~known.exists(),
                )
                .order_by(Order.timestamp)
            )
        )

    def next_generation(self, signal_id: UUID, leg: int) -> int:
        """Return the number of a leg's next generation."""
        newest = self._session.scalar(
            select(func.max(Order.generation)).where(
                Order.signal_id == signal_id, Order.leg == leg
            )
        )
        return 0 if newest is None else newest + 1

    def without_exits(self, account_id: str) -> list[Order]:
        """Return orders with exits at the broker, none of which is written here."""
        leg = aliased(Order)
        known = select(true()).where(leg.parent_order_id == Order.order_id, leg.leg > 0)
        return list(
            self._session.scalars(
                select(Order)
                .where(
                    Order.account_id == account_id,
                    Order.order_class != OrderClass.SIMPLE,
                    Order.broker_order_id.is_not(None),
                    Order.replaces_order_id.is_(None),
                    Order.status != OrderStatus.REJECTED,
                    ~known.exists(),
                )
                .order_by(Order.timestamp)
            )
        )

    def watched(self, account_id: str, closed_after: datetime) -> list[Order]:
        """Return orders we gave up lately although an attempt was made."""
        return list(
            self._session.scalars(
                select(Order).where(
                    Order.account_id == account_id,
                    Order.status.in_([OrderStatus.EXPIRED, OrderStatus.REJECTED]),
                    Order.broker_order_id.is_(None),
                    Order.attempts > 0,
                    Order.closed_at > closed_after,
                )
            )
        )

    def id_by_broker(self, broker_order_id: str) -> UUID | None:
        """Return our id of an order of the broker's."""
        return self._session.scalar(
            select(Order.order_id).where(Order.broker_order_id == broker_order_id)
        )

    def id_by_client(self, client_order_id: str) -> UUID | None:
        """Return our id of an order by the name the broker knows it by."""
        return self._session.scalar(
            select(Order.order_id).where(Order.client_order_id == client_order_id)
        )

    def by_signal(self, signal_id: UUID) -> list[Order]:
        """Return the orders of a signal."""
        return list(
            self._session.scalars(
                select(Order)
                .where(Order.signal_id == signal_id)
                .order_by(Order.generation, Order.leg)
            )
        )

    def page(
        self,
        *,
        statuses: Iterable[OrderStatus] | None,
        symbol: str | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[Order]:
        """Return orders, newest first, from a place in the list on."""
        query: Select[tuple[Order]] = select(Order)
        if statuses is not None:
            query = query.where(Order.status.in_(list(statuses)))
        if symbol is not None:
            query = query.where(Order.symbol == symbol)
        if before is not None:
            query = query.where(tuple_(Order.timestamp, Order.order_id) < before)
        query = query.order_by(Order.timestamp.desc(), Order.order_id.desc())
        return list(self._session.scalars(query.limit(limit)))

    def live_symbols(self, account_id: str) -> set[str]:
        """Return the symbols with an order that may still trade."""
        return set(
            self._session.scalars(
                select(Order.symbol)
                .where(Order.account_id == account_id, Order.status.in_(list(LIVE)))
                .distinct()
            )
        )

    def attempts(self, order_id: UUID) -> list[SubmitAttempt]:
        """Return the attempts to hand an order over, oldest first."""
        return list(
            self._session.scalars(
                select(SubmitAttempt)
                .where(SubmitAttempt.order_id == order_id)
                .order_by(SubmitAttempt.attempt)
            )
        )

    def attempt(self, order: Order) -> SubmitAttempt | None:
        """Return the last attempt to hand an order over."""
        return self._session.get(SubmitAttempt, (order.order_id, order.attempts))

    def end_attempts(self, ended: Sequence[EndedAttempt]) -> None:
        """Note how attempts to hand orders over ended; each ends once."""
        self._session.connection().execute(
            _END_ATTEMPT, [dict(zip(_ENDED, each, strict=True)) for each in ended]
        )

    def known(self, client_order_ids: Iterable[str]) -> dict[str, Order]:
        """Return our orders among those the broker names."""
        found = self._session.scalars(
            select(Order).where(Order.client_order_id.in_(list(client_order_ids)))
        )
        return {order.client_order_id: order for order in found}

    def history(self, order_id: UUID) -> list[OrderStep]:
        """Return the steps of an order's life, oldest first."""
        return list(
            self._session.scalars(
                select(OrderStep)
                .where(OrderStep.order_id == order_id)
                .order_by(OrderStep.step_id)
            )
        )
