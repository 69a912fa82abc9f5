"""Orders of two strategies that oppose each other are netted before they leave.

Two strategies that decide on the same bar, one to buy and one to sell, would trade with
each other at the broker's spread, or be refused as a wash trade. Their shares pass from
book to book instead, at the close of the bar that both decided on, and only what is
left of the larger order leaves. The account's shares and cash do not move.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from loguru import logger

from trading_execution.domain.netting import Meeting, Resting, meetings
from trading_execution.domain.order_status import OrderStatus
from trading_execution.models import Cross, Order
from trading_execution.operations import ledger
from trading_execution.operations.orders import give_up
from trading_execution.repository import ExecutionTransaction
from trading_system.contracts.execution import OrdersCrossed
from trading_system.vocabulary import (
    OrderClass,
    OrderType,
    TimeInForce,
    identity,
    plain,
)


def cross(tx: ExecutionTransaction, orders: Sequence[Order]) -> int:
    """Let opposing ones of orders that may all leave now meet; return how often.

    The orders are locked, and each could be claimed in this transaction.
    """
    found = 0
    able = sorted(filter(_can_be_netted, orders), key=_bar)
    for _, together in groupby(able, key=_bar):
        rows = {order.order_id: order for order in together}
        resting = [
            Resting(row.order_id, row.strategy, row.side, row.left_to_send)
            for row in sorted(rows.values(), key=lambda row: row.timestamp)
        ]
        for met in meetings(resting):
            _book(tx, rows[met.buyer], rows[met.seller], met)
            found += 1
    return found


def _can_be_netted(order: Order) -> bool:
    """Say whether it asks at the market, as a strategy does, and was never sent."""
    return (
        order.status == OrderStatus.READY
        and order.attempts == 0
        and order.order_type == OrderType.MARKET
        and order.time_in_force == TimeInForce.DAY
        and order.order_class == OrderClass.SIMPLE
        and order.tag == ""
        and order.notional is None
        and order.replaces_order_id is None
        and order.combo_id is None
    )


def _bar(order: Order) -> tuple[str, str, Decimal]:
    return order.symbol, str(order.correlation_id), order.decision_price or Decimal(0)


def _book(tx: ExecutionTransaction, buyer: Order, seller: Order, met: Meeting) -> None:
    price = buyer.decision_price
    assert price is not None
    cross_id = identity("cross", buyer.order_id, seller.order_id)
    for order, other in ((buyer, seller), (seller, buyer)):
        order.netted_quantity += met.quantity
        tx.session.add(
            Cross(
                trade_id=identity("trade", cross_id, order.side),
                cross_id=cross_id,
                order_id=order.order_id,
                against_order_id=other.order_id,
                account_id=order.account_id,
                strategy=order.strategy,
                symbol=order.symbol,
                side=order.side,
                quantity=met.quantity,
                price=price,
                timestamp=order.market_time,
            )
        )
        tx.session.flush()
        ledger.post(tx, _entry(order, other, met.quantity, price, str(cross_id)))
    tx.publish(
        OrdersCrossed(
            correlation_id=buyer.correlation_id,
            cross_id=cross_id,
            symbol=buyer.symbol,
            buy_order_id=buyer.order_id,
            sell_order_id=seller.order_id,
            buyer=buyer.strategy,
            seller=seller.strategy,
            quantity=met.quantity,
            price=price,
            market_time=buyer.market_time,
        )
    )
    logger.info(
        "netted: {} {} from {} to {} at {}",
        plain(met.quantity),
        buyer.symbol,
        seller.strategy,
        buyer.strategy,
        plain(price),
    )
    for order, other in ((buyer, seller), (seller, buyer)):
        if not order.left_to_send:
            reason = f"netted with order {other.order_id} of {other.strategy}"
            give_up(tx, order, reason, order.market_time)


def _entry(
    order: Order, other: Order, quantity: Decimal, price: Decimal, cross_id: str
) -> ledger.Entry:
    sign = 1 if order.side == "buy" else -1
    return ledger.Entry(
        account_id=order.account_id,
        kind=ledger.CROSS,
        reference=f"{cross_id}:{order.side}",
        strategy=order.strategy,
        time=order.market_time,
        symbol=order.symbol,
        quantity=sign * quantity,
        cash=-sign * quantity * price,
        price=price,
        order_id=order.order_id,
        correlation_id=order.correlation_id,
        note=f"netted with {other.strategy} at the bar's close",
    )
