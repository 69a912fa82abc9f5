"""The life of an order."""

import pytest

from trading_execution.domain.order_status import (
    EVIDENCE,
    LIFE,
    LIVE,
    TERMINAL,
    OrderStatus,
    may_become,
)

pytestmark = pytest.mark.unit

S = OrderStatus


def test_every_status_has_its_row() -> None:
    assert set(LIFE) == set(OrderStatus)
    assert LIVE | TERMINAL == set(OrderStatus)


@pytest.mark.parametrize("old", sorted(LIVE))
@pytest.mark.parametrize("new", sorted(TERMINAL & EVIDENCE))
def test_an_end_that_the_broker_reports_is_believed_from_every_live_state(
    old: OrderStatus, new: OrderStatus
) -> None:
    assert may_become(old, new, broker_had_it=True, broker_has_it=True)


@pytest.mark.parametrize("old", sorted(TERMINAL))
@pytest.mark.parametrize("new", sorted(OrderStatus))
def test_an_end_with_an_order_of_the_brokers_behind_it_is_final(
    old: OrderStatus, new: OrderStatus
) -> None:
    assert not may_become(old, new, broker_had_it=True, broker_has_it=True)


@pytest.mark.parametrize("old", [S.EXPIRED, S.REJECTED, S.NOT_SENT])
def test_an_end_of_our_own_gives_way_to_an_order_of_the_brokers(
    old: OrderStatus,
) -> None:
    assert may_become(old, S.FILLED, broker_had_it=False, broker_has_it=True)
    assert not may_become(old, S.READY, broker_had_it=False, broker_has_it=True)
    assert not may_become(old, S.FILLED, broker_had_it=False, broker_has_it=False)


def test_nothing_is_sent_twice_without_being_unknown_first() -> None:
    senders = {old for old in LIFE if S.SUBMITTING in LIFE[old]}
    assert senders == {S.READY}
    assert {old for old in LIFE if S.READY in LIFE[old]} == {S.UNKNOWN}
