"""What risk answers over HTTP."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request

from trading_risk import operations
from trading_risk.models import (
    Breaker,
    RiskEvent,
    RiskLimitHistory,
    RiskOutcome,
    SymbolLock,
)
from trading_risk.operations import ComboRequest, ManualRequest, ReplaceRequest
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.contracts.execution import OrderChange, OrderProposal
from trading_system.contracts.risk import (
    BreakerReset,
    BreakerView,
    ExposureView,
    HaltRequest,
    LimitChange,
    LimitVersionView,
    LimitView,
    LockRelease,
    LockRequest,
    ResumeRequest,
    RiskCheckView,
    RiskEventView,
    RiskOutcomeView,
    RiskRunResult,
    SymbolLockView,
    TradingStateView,
    WhatIfView,
)
from trading_system.personal_tokens import RISK, TRADE
from trading_system.security import requires
from trading_system.service import in_read_only, in_transaction
from trading_system.vocabulary import Symbol

router = APIRouter()

Reading = Annotated[RiskTransaction, in_read_only]
Writing = Annotated[RiskTransaction, in_transaction]
Limit = Annotated[int, Query(ge=1, le=1000)]


def _surroundings(request: Request) -> Surroundings:
    surroundings: Surroundings = request.app.state.surroundings
    return surroundings


def _asker(request: Request) -> str:
    return request.headers.get("X-Acting-User") or str(request.state.caller.name)


@router.get("/outcomes/{signal_id}", response_model=RiskOutcomeView, tags=["Outcomes"])
def outcome(tx: Reading, signal_id: UUID) -> Any:
    """Return what risk answered to a signal, with every check in order."""
    return _views(tx, [tx.outcomes.get(signal_id)])[0]


@router.get("/outcomes", response_model=list[RiskOutcomeView], tags=["Outcomes"])
def outcomes(
    tx: Reading,
    strategy: str | None = None,
    symbol: str | None = None,
    outcome: Literal["approved", "denied"] | None = None,
    correlation_id: UUID | None = None,
    before: UUID | None = None,
    limit: Limit = 100,
) -> Any:
    """List answers to signals, newest first; go on `before` the last one seen."""
    found = tx.outcomes.recent(
        strategy=strategy,
        symbol=symbol,
        outcome=outcome,
        correlation_id=correlation_id,
        before=before,
        limit=limit,
    )
    return _views(tx, found)


@router.get("/trading-state", response_model=TradingStateView, tags=["Trading state"])
def trading_state(tx: Reading) -> Any:
    """Return the trading state in force."""
    return operations.trading_state(tx)


@router.get(
    "/trading-state/history",
    response_model=list[TradingStateView],
    tags=["Trading state"],
)
def trading_states(tx: Reading, limit: Limit = 100) -> Any:
    """List every state there was, newest first."""
    return tx.states.history(limit)


@router.post(
    "/trading-state/halt",
    response_model=TradingStateView,
    tags=["Trading state"],
    dependencies=[requires(RISK)],
)
def halt(tx: Writing, asked: HaltRequest) -> Any:
    """Halt trading: 1 stops entries, 2 also cancels orders, 3 also closes positions."""
    operations.halt(tx, asked.level, asked.reason, asked.by)
    return operations.trading_state(tx)


@router.post(
    "/trading-state/resume",
    response_model=TradingStateView,
    tags=["Trading state"],
    dependencies=[requires(RISK)],
)
def resume(tx: Writing, request: Request, asked: ResumeRequest) -> Any:
    """Let trading go on."""
    switch = _surroundings(request).kill_switch
    operations.resume(tx, asked.reason, asked.by, switch, asked.confirm)
    return operations.trading_state(tx)


@router.get("/limits", response_model=list[LimitView], tags=["Limits"])
def limits(tx: Reading, request: Request) -> Any:
    """List every limit in force and how much of it is used."""
    return operations.limits_in_use(tx, _surroundings(request))


@router.put(
    "/limits",
    response_model=list[LimitView],
    tags=["Limits"],
    dependencies=[requires(RISK)],
)
def set_limit(tx: Writing, request: Request, asked: LimitChange) -> Any:
    """Put a limit in force, as its next version."""
    operations.set_limit(
        tx,
        limit_type=asked.limit_type,
        value=asked.limit_value,
        scope=asked.scope,
        scope_id=asked.scope_id,
        reason=asked.reason,
        by=asked.by,
        version=asked.version,
    )
    return operations.limits_in_use(tx, _surroundings(request))


@router.get("/limits/history", response_model=list[LimitVersionView], tags=["Limits"])
def limit_history(tx: Reading, limit: Limit = 100) -> list[RiskLimitHistory]:
    """List the versions of all limits, newest first."""
    return tx.limits.history(limit)


@router.get("/exposure", response_model=ExposureView, tags=["Monitoring"])
def exposure(tx: Reading, request: Request) -> Any:
    """Return the account's exposure, losses and value at risk."""
    return operations.exposure(tx, _surroundings(request))


@router.get("/breakers", response_model=list[BreakerView], tags=["Monitoring"])
def breakers(tx: Reading, limit: Limit = 50) -> list[Breaker]:
    """List breakers that have tripped, newest first."""
    return tx.breakers.recent(limit)


@router.post(
    "/breakers/{breaker_id}/reset",
    response_model=BreakerView,
    tags=["Monitoring"],
    dependencies=[requires(RISK)],
)
def reset_breaker(tx: Writing, breaker_id: UUID, asked: BreakerReset) -> Breaker:
    """Take a strategy's breaker back."""
    return operations.reset_breaker(tx, breaker_id, asked.reason, asked.by)


@router.get("/locks", response_model=list[SymbolLockView], tags=["Locks"])
def locks(tx: Reading) -> list[SymbolLock]:
    """List the symbols in which nothing may be entered."""
    return tx.locks.in_force(tx.market_time())


@router.post(
    "/locks",
    response_model=SymbolLockView,
    tags=["Locks"],
    dependencies=[requires(RISK)],
)
def lock_symbol(tx: Writing, asked: LockRequest) -> SymbolLock:
    """Lock a symbol against entries; exits keep working."""
    return operations.lock_symbol(tx, asked.symbol, asked.until, asked.reason, asked.by)


@router.post(
    "/locks/{symbol}/release",
    response_model=list[SymbolLockView],
    tags=["Locks"],
    dependencies=[requires(RISK)],
)
def release_symbol(tx: Writing, symbol: Symbol, asked: LockRelease) -> list[SymbolLock]:
    """Let a symbol be entered again."""
    operations.release_symbol(tx, symbol, asked.reason, asked.by)
    return tx.locks.in_force(tx.market_time())


@router.get("/events-log", response_model=list[RiskEventView], tags=["Monitoring"])
def risk_events(tx: Reading, limit: Limit = 100) -> list[RiskEvent]:
    """List warnings, breaches and halts, newest first."""
    return tx.events.recent(limit)


@router.post("/what-if", response_model=WhatIfView, tags=["Orders"])
def what_if(tx: Reading, request: Request, proposal: OrderProposal) -> Any:
    """Say what risk would answer to an order; nothing is stored or sent."""
    return operations.what_if(tx, proposal, _surroundings(request))


@router.post(
    "/manual-orders",
    response_model=RiskOutcomeView,
    tags=["Orders"],
    dependencies=[requires(TRADE)],
)
def manual_order(
    tx: Writing,
    request: Request,
    wanted: ManualRequest,
    idempotency_key: Annotated[str, Header(min_length=8, max_length=200)],
) -> Any:
    """Ask for an order by hand; the same key asks for the same order."""
    answer = operations.order_by_hand(
        tx, wanted, idempotency_key, _asker(request), _surroundings(request)
    )
    return _views(tx, [answer])[0]


@router.post(
    "/combos",
    response_model=list[RiskOutcomeView],
    tags=["Orders"],
    dependencies=[requires(TRADE)],
)
def manual_combo(
    tx: Writing,
    request: Request,
    wanted: ComboRequest,
    idempotency_key: Annotated[str, Header(min_length=8, max_length=200)],
) -> Any:
    """Ask for orders that are one intent: all are placed, or none stays."""
    answers = operations.combo_by_hand(
        tx, wanted, idempotency_key, _asker(request), _surroundings(request)
    )
    return _views(tx, answers)


@router.post(
    "/orders/{order_id}/replace",
    response_model=RiskOutcomeView,
    tags=["Orders"],
    dependencies=[requires(TRADE)],
)
def replace_order(
    tx: Writing,
    request: Request,
    order_id: UUID,
    wanted: ReplaceRequest,
    idempotency_key: Annotated[str, Header(min_length=8, max_length=200)],
) -> Any:
    """Ask for an order at the broker to be replaced; a key asks for it once."""
    answer = operations.replace_by_hand(
        tx, order_id, wanted, idempotency_key, _asker(request), _surroundings(request)
    )
    return _views(tx, [answer])[0]


@router.post("/orders/{order_id}/what-if", response_model=WhatIfView, tags=["Orders"])
def what_if_replaced(
    tx: Reading, request: Request, order_id: UUID, change: OrderChange
) -> Any:
    """Say what risk would answer to a change of an order; nothing is stored or sent."""
    return operations.what_if_replaced(tx, order_id, change, _surroundings(request))


@router.post(
    "/size",
    response_model=RiskRunResult,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def size(tx: Writing, request: Request) -> Any:
    """Size and answer signals without answer; sizing is the answer's first step."""
    return _decide_outstanding(tx, request)


@router.post(
    "/validate",
    response_model=RiskRunResult,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def validate(tx: Writing, request: Request) -> Any:
    """Check and answer signals that have no answer."""
    return _decide_outstanding(tx, request)


@router.post(
    "/monitor",
    response_model=RiskRunResult,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def monitor(tx: Writing, request: Request) -> Any:
    """Measure exposure and losses, and write down what is near or over a limit."""
    market_time = tx.market_time()
    examined, raised = operations.monitor(tx, _surroundings(request), market_time)
    return RiskRunResult(
        status="done",
        examined=examined,
        changed=len(raised),
        alerts=raised,
        market_time=market_time,
    )


@router.post(
    "/alerts",
    response_model=RiskRunResult,
    tags=["Runs"],
    dependencies=[requires(RISK)],
)
def alerts(tx: Writing) -> Any:
    """Tell everyone of warnings and breaches that nobody was told of."""
    told = operations.announce(tx)
    return RiskRunResult(
        status="done",
        examined=len(told),
        changed=len(told),
        alerts=[event.message for event in told],
        market_time=tx.market_time(),
    )


def _decide_outstanding(tx: RiskTransaction, request: Request) -> RiskRunResult:
    decided = operations.decide_outstanding(tx, _surroundings(request))
    approved = sum(each.outcome == "approved" for each in decided)
    return RiskRunResult(
        status="done",
        examined=len(decided),
        changed=len(decided),
        approved=approved,
        denied=len(decided) - approved,
        market_time=tx.market_time(),
    )


def _views(tx: RiskTransaction, found: list[RiskOutcome]) -> list[RiskOutcomeView]:
    checks = tx.outcomes.checks([each.outcome_id for each in found])
    return [
        RiskOutcomeView.model_validate(each).model_copy(
            update={
                "checks": [
                    RiskCheckView.model_validate(check)
                    for check in checks[each.outcome_id]
                ]
            }
        )
        for each in found
    ]
