"""The one answer to each signal: sized, checked, stored and told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from trading_core.limits import (
    CheckResult,
    Evaluation,
    evaluate,
    refusal_of_leg,
    together,
)
from trading_core.money import ZERO, BadNumber
from trading_risk.domain import CHECKS, LiveProposal
from trading_risk.domain.books import OpenOrder
from trading_risk.domain.sitting import Sitting
from trading_risk.models import RiskOutcome
from trading_risk.operations.losses import begin_session
from trading_risk.operations.proposals import (
    TradeRequest,
    complete,
    propose,
    request_of,
    sit,
)
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.contracts.risk import ComboLeg, OrderApproved, OrderDenied
from trading_system.database import connection_lost
from trading_system.logging import correlated
from trading_system.vocabulary import Side as OrderSide
from trading_system.vocabulary import order_id, outcome_id, plain


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What the checks said, on what; no proposal when it could not be made."""

    evaluation: Evaluation
    proposal: LiveProposal | None


def decide(
    tx: RiskTransaction,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
) -> RiskOutcome:
    """Answer to a signal, once: a repeat returns the answer that is there."""
    return decide_all(tx, [request], surroundings, market_time)[0]


def decide_all(
    tx: RiskTransaction,
    requests: Sequence[TradeRequest],
    surroundings: Surroundings,
    market_time: datetime,
) -> list[RiskOutcome]:
    """Answer to signals of one bar, in their order, each once.

    Decisions about one account follow each other, each with the approvals of those
    before it on its books, so that together they keep the limits. Legs of one position
    are answered where the first of them stands: all are approved, as a combo, or none.
    """
    bar_end, day = requests[0].bar_end, tx.session_day(market_time)
    if tx.sitting is None or (tx.sitting.bar_end, tx.sitting.day) != (bar_end, day):
        tx.lock_account()
        begin_session(tx, day, market_time)
    outcomes = tx.outcomes.known([request.signal_id for request in requests])
    new = [request for request in requests if request.signal_id not in outcomes]
    if new:
        facts = _facts(tx, new, surroundings, market_time)
        rows, checks, reserved = [], [], []
        for legs in together(new, attrgetter("leg_of")):
            refused, combo = _tried(tx, facts, legs, surroundings, market_time)
            for leg in legs:
                request = replace(leg, combo=combo.get(leg.signal_id))
                judgement = _judge(
                    tx, facts, request, surroundings, market_time, refused
                )
                rows.append(_outcome(request, judgement, day, market_time))
                checks += _checks(rows[-1]["outcome_id"], judgement.evaluation)
                if rows[-1]["order_id"] is not None:
                    reserved.append(_approve(tx, request, judgement))
                else:
                    _deny(tx, request, judgement.evaluation, market_time)
        outcomes |= tx.outcomes.add(rows, checks)
        tx.reservations.add(reserved)
    return [outcomes[request.signal_id] for request in requests]


def decide_combo(
    tx: RiskTransaction,
    requests: Sequence[TradeRequest],
    surroundings: Surroundings,
    market_time: datetime,
) -> list[RiskOutcome]:
    """Answer to legs of one intent: all are approved, or none is.

    Each leg is judged with those before it on the books.
    """
    day = tx.session_day(market_time)
    tx.lock_account()
    begin_session(tx, day, market_time)
    outcomes = tx.outcomes.known([request.signal_id for request in requests])
    if outcomes:
        return [outcomes[request.signal_id] for request in requests]
    facts = _facts(tx, requests, surroundings, market_time)
    judged = []
    for request in requests:
        judged.append(_judge(tx, facts, request, surroundings, market_time))
        if isinstance(facts, Sitting) and judged[-1].evaluation.approved:
            facts.approve(_reserved(request, judged[-1]))
    # What was counted on the way holds for this judgement only.
    tx.sitting = None
    refused = next((j for j in judged if not j.evaluation.approved), None)
    if refused is not None:
        judged = [_denied_with(each, refused.evaluation) for each in judged]
    rows, checks, reserved = [], [], []
    for request, judgement in zip(requests, judged, strict=True):
        rows.append(_outcome(request, judgement, day, market_time))
        checks += _checks(rows[-1]["outcome_id"], judgement.evaluation)
        if refused is None:
            reserved.append(_approve(tx, request, judgement))
        else:
            _deny(tx, request, judgement.evaluation, market_time)
    added = tx.outcomes.add(rows, checks)
    tx.reservations.add(reserved)
    return [added[request.signal_id] for request in requests]


def _denied_with(judgement: _Judgement, other: Evaluation) -> _Judgement:
    """Return the refusal of a leg whose combo is refused for another one's sake."""
    if not judgement.evaluation.approved:
        return judgement
    evaluation = replace(
        judgement.evaluation,
        approved=False,
        quantity=ZERO,
        code="COMBO_DENIED",
        detail=f"another leg is denied: {other.detail}",
    )
    return _Judgement(evaluation, judgement.proposal)


def decide_outstanding(
    tx: RiskTransaction, surroundings: Surroundings
) -> list[RiskOutcome]:
    """Answer to every signal that has no answer, and tidy the reservations."""
    tx.lock_account()
    tx.reservations.release_written()
    market_time = tx.market_time()
    # The legs of one position are answered together.
    return [
        outcome
        for _, signals in groupby(tx.outcomes.unanswered(), attrgetter("bar_end"))
        for outcome in decide_all(
            tx, [request_of(signal) for signal in signals], surroundings, market_time
        )
    ]


def evaluation_of(
    tx: RiskTransaction,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
) -> Evaluation:
    """Return what the answer to a request would be; nothing is stored or held."""
    state = str(tx.states.shown())
    sitting = sit(tx, request.bar_end, surroundings, market_time, state)
    complete(tx, sitting, [request], surroundings)
    proposal = propose(tx, sitting, request, surroundings, market_time)
    return evaluate(proposal, sitting.limits, CHECKS)


def _facts(
    tx: RiskTransaction,
    requests: Sequence[TradeRequest],
    surroundings: Surroundings,
    market_time: datetime,
) -> Sitting | Evaluation:
    """Return the facts that requests are judged by, or the refusal for want of them."""
    try:
        # A statement that fails leaves the rest of the transaction usable.
        with tx.session.begin_nested():
            sitting = tx.sitting or sit(
                tx,
                requests[0].bar_end,
                surroundings,
                market_time,
                tx.states.tradable(),
            )
            complete(tx, sitting, requests, surroundings)
    except Exception as error:  # why: whatever fails here is a refusal with its reason
        if isinstance(error, OperationalError) or connection_lost(error):
            raise  # the database's trouble, not the signals': they are tried again
        logger.exception("signals of {} could not be judged", requests[0].bar_end)
        return _failed(error)
    tx.sitting = sitting
    return sitting


def _judge(
    tx: RiskTransaction,
    facts: Sitting | Evaluation,
    request: TradeRequest,
    surroundings: Surroundings,
    market_time: datetime,
    refused_leg: str = "",
) -> _Judgement:
    if isinstance(facts, Evaluation):
        return _Judgement(facts, None)
    try:
        proposal = propose(tx, facts, request, surroundings, market_time, refused_leg)
    except Exception as error:  # why: whatever fails here is a refusal with its reason
        if isinstance(error, SQLAlchemyError):
            raise
        # Signals of a bar are answered together: each line says whose it is.
        with correlated(request.correlation_id):
            logger.exception("signal {} could not be judged", request.signal_id)
        return _Judgement(_failed(error), None)
    return _Judgement(evaluate(proposal, facts.limits, CHECKS), proposal)


def _tried(
    tx: RiskTransaction,
    facts: Sitting | Evaluation,
    legs: Sequence[TradeRequest],
    surroundings: Surroundings,
    market_time: datetime,
) -> tuple[str, dict[UUID, ComboLeg]]:
    """Say which of the legs of a position may not trade; else how they are a combo.

    Each leg is judged with those before it, on a copy of the books. A leg that came
    without its others is refused: it is another position than was asked for.
    """
    combo = legs[0].leg_of
    if combo is not None and len(legs) != legs[0].legs:
        return f"{len(legs)} of {legs[0].legs} legs came", {}
    if combo is None or len(legs) == 1 or isinstance(facts, Evaluation):
        return "", {}
    tried, trading = facts.copy(), []
    for leg in legs:
        judgement = _judge(tx, tried, leg, surroundings, market_time)
        if refused := refusal_of_leg(leg.symbol, judgement.evaluation):
            return refused, {}
        if judgement.evaluation.approved:
            tried.approve(_reserved(leg, judgement))
            trading.append(leg.signal_id)
    if len(trading) < 2:
        return "", {}
    return "", {
        signal: ComboLeg(combo_id=combo, leg=place, legs=len(trading))
        for place, signal in enumerate(trading, start=1)
    }


def _failed(error: Exception) -> Evaluation:
    code = "BAD_NUMBER" if isinstance(error, BadNumber) else "CHECK_FAILED"
    detail = f"{type(error).__name__}: {error}"[:500]
    check = CheckResult(
        name="facts_are_known",
        passed=False,
        value=None,
        limit=None,
        detail=detail,
        code=code,
        quantity_before=ZERO,
        quantity_after=ZERO,
    )
    return Evaluation(False, ZERO, (check,), code, detail)


def _outcome(
    request: TradeRequest, judgement: _Judgement, day: date, market_time: datetime
) -> dict[str, Any]:
    evaluation, proposal = judgement.evaluation, judgement.proposal
    approved = evaluation.approved and proposal is not None
    return {
        "signal_id": request.signal_id,
        "outcome_id": outcome_id(request.signal_id),
        "correlation_id": request.correlation_id,
        "order_id": order_id(request.signal_id) if approved else None,
        "strategy": request.strategy,
        "symbol": request.symbol,
        "side": request.side,
        "bar_end": request.bar_end,
        "session_day": day,
        "outcome": "approved" if approved else "denied",
        "code": "" if approved else evaluation.code,
        "detail": evaluation.detail,
        "quantity": evaluation.quantity if approved else None,
        "decision_price": request.price,
        "equity": proposal and proposal.equity,
        "context": _context(proposal),
        "market_time": market_time,
    }


def _checks(outcome: UUID, evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "outcome_id": outcome,
            "position": place,
            "name": each.name,
            "code": each.code,
            "passed": each.passed,
            "value": None if each.value is None else plain(each.value),
            "limit": None if each.limit is None else plain(each.limit),
            "detail": each.detail,
            "quantity_before": _storable(each.quantity_before),
            "quantity_after": _storable(each.quantity_after),
        }
        for place, each in enumerate(evaluation.results)
    ]


def _approve(
    tx: RiskTransaction, request: TradeRequest, judgement: _Judgement
) -> OpenOrder:
    """Tell of an approval; return what is reserved for it."""
    quantity, reserved = judgement.evaluation.quantity, _reserved(request, judgement)
    if tx.sitting is not None:
        tx.sitting.approve(reserved, is_plain=request.is_plain)
    tx.publish(
        OrderApproved(
            causation_id=request.event_id,
            correlation_id=request.correlation_id,
            outcome_id=outcome_id(request.signal_id),
            signal_id=request.signal_id,
            order_id=reserved.order_id,
            strategy=request.strategy,
            symbol=request.symbol,
            side=OrderSide(request.side),
            quantity=quantity,
            **dict(request.terms_for(quantity)),
            decision_price=request.price,
            reduces=reserved.reduces,
            replaces=request.replaces,
            combo=request.combo,
            valid_until=request.valid_until,
            market_time=request.market_time,
        )
    )
    return reserved


def _reserved(request: TradeRequest, judgement: _Judgement) -> OpenOrder:
    assert judgement.proposal is not None
    return OpenOrder(
        order_id=order_id(request.signal_id),
        strategy=request.strategy,
        symbol=request.symbol,
        side=request.side,
        quantity=judgement.evaluation.quantity,
        price=request.terms.named_price or request.price,
        reduces=judgement.proposal.is_reducing,
    )


def _deny(
    tx: RiskTransaction,
    request: TradeRequest,
    evaluation: Evaluation,
    market_time: datetime,
) -> None:
    tx.publish(
        OrderDenied(
            causation_id=request.event_id,
            correlation_id=request.correlation_id,
            outcome_id=outcome_id(request.signal_id),
            signal_id=request.signal_id,
            strategy=request.strategy,
            symbol=request.symbol,
            side=OrderSide(request.side),
            code=evaluation.code,
            detail=evaluation.detail,
            market_time=market_time,
        )
    )


def _storable(quantity: Decimal) -> Decimal | None:
    return quantity if quantity.is_finite() else None


_SHOWN = (
    "equity",
    "buying_power",
    "gross_exposure",
    "held",
    "max_position_size",
    "account_daily_loss",
    "account_drawdown",
    "strategy_daily_loss",
    "strategy_drawdown",
    "reference_price",
)


def _context(proposal: LiveProposal | None) -> dict[str, Any]:
    if proposal is None:
        return {}
    numbers = {name: str(getattr(proposal, name)) for name in _SHOWN}
    return {**numbers, "trading_state": proposal.trading_state}
