"""Orders by hand: signals of strategy `manual`, through the same checks."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from trading_core.money import ZERO
from trading_risk.models import RiskOutcome
from trading_risk.operations.decisions import decide, evaluation_of
from trading_risk.operations.proposals import MANUAL, TradeRequest
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.contracts.execution import OrderProposal
from trading_system.contracts.risk import RiskCheckView, WhatIfView
from trading_system.errors import Conflict, Invalid
from trading_system.vocabulary import OrderType
from trading_system.vocabulary import Side as OrderSide
from trading_system.vocabulary import identity, plain

VALID = timedelta(days=1)
"""How long an order by hand may wait to be sent, in market time."""


class ManualRequest(OrderProposal):
    """An order that a person asks for, and why."""

    reason: str


def what_if(
    tx: RiskTransaction, proposal: OrderProposal, surroundings: Surroundings
) -> WhatIfView:
    """Return what risk would answer to a proposal; nothing is stored or sent."""
    market_time = tx.market_time()
    request = _request(tx, proposal, identity("what-if"), market_time, surroundings)
    evaluation = evaluation_of(tx, request, surroundings, market_time)
    checks = [
        RiskCheckView(
            position=place,
            name=each.name,
            code=each.code,
            passed=each.passed,
            value=None if each.value is None else plain(each.value),
            limit=None if each.limit is None else plain(each.limit),
            detail=each.detail,
            quantity_before=each.quantity_before,
            quantity_after=each.quantity_after,
        )
        for place, each in enumerate(evaluation.results)
    ]
    return WhatIfView(
        approved=evaluation.approved,
        code=evaluation.code,
        detail=evaluation.detail,
        quantity=evaluation.quantity if evaluation.approved else None,
        checks=checks,
    )


def order_by_hand(
    tx: RiskTransaction,
    wanted: ManualRequest,
    idempotency_key: str,
    by: str,
    surroundings: Surroundings,
) -> RiskOutcome:
    """Answer to a person's order, once for each idempotency key."""
    if not wanted.reason.strip():
        raise Invalid("A reason is needed.", remedy="Say why in a few words.")
    _require_prices(wanted)
    market_time = tx.market_time()
    signal = identity("manual", tx.account, idempotency_key)
    tx.lock_account()
    tx.act_as(by, wanted.reason)
    proposal = wanted.model_dump(mode="json", exclude={"reason"})
    order, is_new = tx.manual_orders.claim(
        idempotency_key,
        {
            "signal_id": signal,
            "proposal": proposal,
            "reason": wanted.reason,
            "requested_by": by,
            "market_time": market_time,
        },
    )
    if not is_new:
        if order.proposal != proposal:
            raise Conflict(
                "This idempotency key belongs to another order.",
                remedy="Use a new key for a new order.",
            )
        return tx.outcomes.get(order.signal_id)
    request = _request(tx, wanted, signal, market_time, surroundings)
    decide(tx, request, surroundings, market_time)
    return tx.outcomes.get(signal)


def _request(
    tx: RiskTransaction,
    wanted: OrderProposal,
    signal_id: UUID,
    market_time: datetime,
    surroundings: Surroundings,
) -> TradeRequest:
    return TradeRequest(
        signal_id=signal_id,
        correlation_id=signal_id,
        strategy=MANUAL,
        symbol=wanted.symbol,
        side="buy" if wanted.side is OrderSide.BUY else "sell",
        bar_end=market_time,
        price=_price(tx, wanted, market_time, surroundings),
        max_position_size=Decimal(1),
        allow_short=False,
        may_trade=True,
        is_session_open=tx.is_session_open(market_time),
        valid_until=market_time + VALID,
        market_time=market_time,
        quantity=wanted.quantity,
        order_type=wanted.order_type,
        time_in_force=wanted.time_in_force,
        limit_price=wanted.limit_price,
        stop_price=wanted.stop_price,
    )


def _price(
    tx: RiskTransaction,
    wanted: OrderProposal,
    market_time: datetime,
    surroundings: Surroundings,
) -> Decimal:
    named = wanted.limit_price or wanted.stop_price
    if named is not None:
        return named
    found = tx.books.prices([wanted.symbol], market_time, surroundings.feed)
    if wanted.symbol not in found:
        raise Invalid(
            f"No price is known for {wanted.symbol}.",
            remedy="Check the symbol; only symbols with stored bars can be traded.",
            code="no-price",
        )
    return found.get(wanted.symbol, ZERO)


def _require_prices(wanted: OrderProposal) -> None:
    limits = {OrderType.LIMIT, OrderType.STOP_LIMIT}
    stops = {OrderType.STOP, OrderType.STOP_LIMIT}
    for named, kinds, price in (
        ("limit_price", limits, wanted.limit_price),
        ("stop_price", stops, wanted.stop_price),
    ):
        if (price is not None) != (wanted.order_type in kinds):
            needs = "needs" if wanted.order_type in kinds else "takes no"
            raise Invalid(f"A {wanted.order_type} order {needs} {named}.")
