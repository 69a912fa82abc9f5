"""Orders by hand: signals of strategy `manual`, through the same checks."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from trading_core.money import QUANTITY_STEP, ZERO
from trading_risk.domain.replacing import changed, obstacle_to_replacing, proposal_of
from trading_risk.domain.terms import fault_of, waits_for_its_time
from trading_risk.models import RiskOutcome
from trading_risk.operations.decisions import decide, decide_combo, evaluation_of
from trading_risk.operations.proposals import MANUAL, TradeRequest
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.contracts.execution import OrderChange, OrderProposal
from trading_system.contracts.risk import ComboLeg, RiskCheckView, WhatIfView
from trading_system.contracts.terms import OrderTerms, terms_of
from trading_system.errors import Conflict, Invalid
from trading_system.vocabulary import Model, OrderClass
from trading_system.vocabulary import Side as OrderSide
from trading_system.vocabulary import identity, plain

VALID = timedelta(days=1)
"""How long an order by hand may wait to be sent, in market time."""


class ManualRequest(OrderProposal):
    """An order that a person asks for, and why."""

    reason: str


class ReplaceRequest(OrderChange):
    """A change to an order that a person asks for, and why."""

    reason: str


class ComboRequest(Model):
    """Orders that a person wants all of or none, and why."""

    legs: Annotated[list[OrderProposal], Field(min_length=2, max_length=8)]
    reason: str


def what_if(
    tx: RiskTransaction, proposal: OrderProposal, surroundings: Surroundings
) -> WhatIfView:
    """Return what risk would answer to a proposal; nothing is stored or sent."""
    _require_fitting_terms(proposal)
    market_time = tx.market_time()
    request = _request(tx, proposal, identity("what-if"), market_time, surroundings)
    return _foreseen(tx, request, surroundings, market_time)


def what_if_replaced(
    tx: RiskTransaction,
    order_id: UUID,
    change: OrderChange,
    surroundings: Surroundings,
) -> WhatIfView:
    """Return what risk would answer to a change of an order; nothing is stored."""
    market_time = tx.market_time()
    signal = identity("what-if")
    request = _replacement(tx, order_id, change, signal, market_time, surroundings)
    return _foreseen(tx, request, surroundings, market_time)


def _foreseen(
    tx: RiskTransaction,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
) -> WhatIfView:
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
    _require_fitting_terms(wanted)
    market_time = tx.market_time()
    proposal = wanted.model_dump(mode="json", exclude={"reason"})
    signal, is_new = _claim(
        tx, idempotency_key, proposal, wanted.reason, by, market_time
    )
    if is_new:
        request = _request(tx, wanted, signal, market_time, surroundings)
        decide(tx, request, surroundings, market_time)
    return tx.outcomes.get(signal)


def replace_by_hand(
    tx: RiskTransaction,
    order_id: UUID,
    wanted: ReplaceRequest,
    idempotency_key: str,
    by: str,
    surroundings: Surroundings,
) -> RiskOutcome:
    """Answer to a person's change of an order, once for each idempotency key.

    The changed order is judged as one that stands in the place of the old one.
    """
    market_time = tx.market_time()
    change = wanted.model_dump(mode="json", exclude={"reason"})
    asked = {"replaces": str(order_id), **change}
    signal, is_new = _claim(tx, idempotency_key, asked, wanted.reason, by, market_time)
    if not is_new:
        return tx.outcomes.get(signal)
    request = _replacement(tx, order_id, wanted, signal, market_time, surroundings)
    decide(tx, request, surroundings, market_time)
    return tx.outcomes.get(signal)


def _replacement(
    tx: RiskTransaction,
    order_id: UUID,
    change: OrderChange,
    signal: UUID,
    market_time: datetime,
    surroundings: Surroundings,
) -> TradeRequest:
    """Return the changed order as one that stands in the place of the old one."""
    order = tx.placed.get(order_id)
    if obstacle := obstacle_to_replacing(order, tx.placed.is_being_replaced(order_id)):
        raise Conflict(obstacle)
    before = proposal_of(order)
    after = changed(before, change)
    if after == before:
        raise Invalid("Nothing would be different about the order.")
    _require_fitting_terms(after)
    return replace(
        _request(tx, after, signal, market_time, surroundings),
        strategy=order.strategy,
        correlation_id=order.correlation_id,
        replaces=order_id,
        instead_of=tx.placed.alternatives(order),
    )


def combo_by_hand(
    tx: RiskTransaction,
    wanted: ComboRequest,
    idempotency_key: str,
    by: str,
    surroundings: Surroundings,
) -> list[RiskOutcome]:
    """Answer to orders that a person wants all of or none, once for each key."""
    for leg in wanted.legs:
        _require_fitting_terms(leg)
        if leg.order_class is not OrderClass.SIMPLE:
            raise Invalid("A leg has no exits of its own: order it as simple.")
    market_time = tx.market_time()
    asked = wanted.model_dump(mode="json", exclude={"reason"})
    combo, _ = _claim(tx, idempotency_key, asked, wanted.reason, by, market_time)
    requests = [
        replace(
            _request(tx, leg, identity("leg", combo, place), market_time, surroundings),
            correlation_id=combo,
            combo=ComboLeg(combo_id=combo, leg=place, legs=len(wanted.legs)),
        )
        for place, leg in enumerate(wanted.legs, start=1)
    ]
    return decide_combo(tx, requests, surroundings, market_time)


def _claim(
    tx: RiskTransaction,
    idempotency_key: str,
    asked: dict[str, Any],
    reason: str,
    by: str,
    market_time: datetime,
) -> tuple[UUID, bool]:
    """Note what a person asks for; return its signal and whether it is new."""
    if not reason.strip():
        raise Invalid("A reason is needed.", remedy="Say why in a few words.")
    tx.lock_account()
    tx.act_as(by, reason)
    order, is_new = tx.manual_orders.claim(
        idempotency_key,
        {
            "signal_id": identity("manual", tx.account, idempotency_key),
            "proposal": asked,
            "reason": reason,
            "requested_by": by,
            "market_time": market_time,
        },
    )
    # What was stored before an order had some of today's terms lacks them.
    blank = OrderTerms().model_dump(mode="json")
    if not is_new and {**blank, **order.proposal} != {**blank, **asked}:
        raise Conflict(
            "This idempotency key belongs to another order.",
            remedy="Use a new key for a new order.",
        )
    return order.signal_id, is_new


def _request(
    tx: RiskTransaction,
    wanted: OrderProposal,
    signal_id: UUID,
    market_time: datetime,
    surroundings: Surroundings,
) -> TradeRequest:
    price = _price(tx, wanted, market_time, surroundings)
    quantity = wanted.quantity
    if wanted.notional is not None:
        quantity = (wanted.notional / price).quantize(QUANTITY_STEP, ROUND_FLOOR)
    return TradeRequest(
        signal_id=signal_id,
        correlation_id=signal_id,
        strategy=MANUAL,
        symbol=wanted.symbol,
        side="buy" if wanted.side is OrderSide.BUY else "sell",
        bar_end=market_time,
        price=price,
        max_position_size=Decimal(1),
        allow_short=False,
        may_trade=True,
        is_session_open=tx.is_session_open(market_time) or waits_for_its_time(wanted),
        valid_until=market_time + VALID,
        market_time=market_time,
        quantity=quantity,
        terms=terms_of(wanted),
    )


def _price(
    tx: RiskTransaction,
    wanted: OrderProposal,
    market_time: datetime,
    surroundings: Surroundings,
) -> Decimal:
    if wanted.named_price is not None:
        return wanted.named_price
    found = tx.books.prices([wanted.symbol], market_time, surroundings.feed)
    if wanted.symbol not in found:
        raise Invalid(
            f"No price is known for {wanted.symbol}.",
            remedy="Check the symbol; only symbols with stored bars can be traded.",
            code="no-price",
        )
    return found.get(wanted.symbol, ZERO)


def _require_fitting_terms(wanted: OrderProposal) -> None:
    if fault := fault_of(wanted):
        raise Invalid(fault)
