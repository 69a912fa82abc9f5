"""What the strategy service answers over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from trading_strategy import operations
from trading_strategy.domain.deciding import Outcome
from trading_strategy.domain.versions import Status
from trading_strategy.models import SignalRow, StrategyVersion
from trading_strategy.operations import Engine
from trading_strategy.repository import StrategyTransaction
from trading_system.contracts.strategy import (
    DecisionView,
    IndicatorView,
    SignalView,
    StrategyPerformanceView,
    StrategyRunResult,
    StrategyVersionView,
    StrategyView,
)
from trading_system.database import Database
from trading_system.errors import Invalid
from trading_system.personal_tokens import TRADE
from trading_system.security import requires
from trading_system.service import in_read_only, in_transaction
from trading_system.vocabulary import Instant, Model, Symbol

router = APIRouter(tags=["Strategies"])


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _database(request: Request) -> Database[StrategyTransaction]:
    database: Database[StrategyTransaction] = request.app.state.database
    return database


def _who(request: Request) -> str:
    acting = request.headers.get("X-Acting-User")
    return acting or str(request.state.caller.name)


Reading = Annotated[StrategyTransaction, in_read_only]
Writing = Annotated[StrategyTransaction, in_transaction]
With = Annotated[Engine, Depends(_engine)]
In = Annotated[Database[StrategyTransaction], Depends(_database)]
Who = Annotated[str, Depends(_who)]
Limit = Annotated[int, Query(ge=1, le=5000)]
Reason = Annotated[str, Field(min_length=3, max_length=500)]


class RunRequest(Model):
    """The slot of a run, if it has one."""

    scheduled_for: Instant | None = None


class StatusRequest(Model):
    """Whether a strategy shall decide, and why."""

    status: Status
    reason: Reason


class SettingsRequest(Model):
    """Parameters and limits that shall be other than they are, and why."""

    parameters: dict[str, Any] = {}
    risk_limits: dict[str, Annotated[float, Field(gt=0, le=1)]] | None = None
    reason: Reason


class ReasonRequest(Model):
    """Why."""

    reason: Reason


class PerformanceRequest(Model):
    """Days of strategies."""

    rows: list[StrategyPerformanceView] = Field(max_length=100_000)


@router.get("/strategies", response_model=list[StrategyView])
def list_strategies(tx: Reading, engine: With) -> list[StrategyView]:
    """List every strategy, what is in force and what it did."""
    return operations.views(tx, engine)


@router.post(
    "/strategies/run", response_model=StrategyRunResult, dependencies=[requires(TRADE)]
)
def run_strategies(database: In, engine: With, asked: RunRequest) -> StrategyRunResult:
    """Decide on every bar that an enabled strategy has not decided on."""
    return operations.run_strategies(database, engine, asked.scheduled_for)


@router.get("/strategies/{name}", response_model=StrategyView)
def read_strategy(tx: Reading, engine: With, name: str) -> StrategyView:
    """Show one strategy."""
    return operations.view(tx, engine, tx.strategies.get(name))


@router.get("/strategies/{name}/versions", response_model=list[StrategyVersionView])
def list_versions(tx: Reading, name: str) -> list[StrategyVersion]:
    """List what a strategy was over time, newest first."""
    tx.strategies.get(name)
    return tx.strategies.versions(name)


@router.get("/strategies/{name}/schema")
def read_schema(engine: With, name: str) -> dict[str, Any]:
    """Show a strategy's parameters as a JSON schema: types, bounds, defaults."""
    return engine.plugin(name).strategy.parameters_type.model_json_schema()


@router.post(
    "/strategies/{name}/status",
    response_model=StrategyView,
    dependencies=[requires(TRADE)],
)
def set_status(
    tx: Writing, engine: With, who: Who, name: str, asked: StatusRequest
) -> StrategyView:
    """Enable, pause or disable a strategy."""
    row = operations.set_status(tx, name, asked.status, asked.reason, who)
    return operations.view(tx, engine, row)


@router.put(
    "/strategies/{name}", response_model=StrategyView, dependencies=[requires(TRADE)]
)
def change_strategy(
    tx: Writing, engine: With, who: Who, name: str, asked: SettingsRequest
) -> StrategyView:
    """Give a strategy other parameters or limits: a new version."""
    row = operations.change_settings(
        tx, engine, name, asked.parameters, asked.risk_limits, asked.reason, who
    )
    return operations.view(tx, engine, row)


@router.post(
    "/strategies/{name}/follow-file",
    response_model=StrategyView,
    dependencies=[requires(TRADE)],
)
def return_to_file(
    tx: Writing, engine: With, who: Who, name: str, asked: ReasonRequest
) -> StrategyView:
    """Let the strategies file say again what is in force."""
    row = operations.return_to_file(tx, engine, name, asked.reason, who)
    return operations.view(tx, engine, row)


@router.post(
    "/strategies/{name}/indicators",
    response_model=list[IndicatorView],
    dependencies=[requires(TRADE)],
)
def calculate_indicators(tx: Reading, engine: With, name: str) -> list[IndicatorView]:
    """Compute a strategy's indicators on the newest stored bars; nothing is stored."""
    return operations.calculate_indicators(tx, engine, name)


@router.post(
    "/strategies/{name}/signals",
    response_model=StrategyRunResult,
    dependencies=[requires(TRADE)],
)
def generate_signals(database: In, engine: With, name: str) -> StrategyRunResult:
    """Decide on the bars that one strategy has not decided on."""
    return operations.generate_signals(database, engine, name)


@router.get("/decisions", response_model=list[DecisionView], tags=["Decisions"])
def list_decisions(
    tx: Reading,
    symbol: Symbol | None = None,
    strategy: str | None = None,
    outcome: Outcome | None = None,
    start: Annotated[Instant | None, Query(alias="from")] = None,
    end: Annotated[Instant | None, Query(alias="to")] = None,
    before: UUID | None = None,
    limit: Limit = 100,
) -> Sequence[Any]:
    """List decisions, newest bar first; go on `before` the last one seen."""
    place = None
    if before is not None:
        last = tx.decisions.get(before)
        place = (last.bar_end, last.decision_id)
    return tx.decisions.listed(
        symbol=symbol,
        strategy=strategy,
        outcome=outcome,
        start=start,
        end=end,
        before=place,
        limit=limit,
    )


@router.get(
    "/decisions/by-correlation/{correlation_id}",
    response_model=list[DecisionView],
    tags=["Decisions"],
)
def decisions_of_bar(tx: Reading, correlation_id: UUID) -> Sequence[Any]:
    """List what every strategy decided on one bar of one symbol."""
    return tx.decisions.of_correlation(correlation_id)


@router.get("/decisions/{decision_id}", response_model=DecisionView, tags=["Decisions"])
def read_decision(tx: Reading, decision_id: UUID) -> Any:
    """Show one decision and everything it was made of."""
    return tx.decisions.get(decision_id)


@router.get("/signals", response_model=list[SignalView], tags=["Decisions"])
def list_signals(
    tx: Reading,
    symbol: Symbol | None = None,
    strategy: str | None = None,
    start: Annotated[Instant | None, Query(alias="from")] = None,
    end: Annotated[Instant | None, Query(alias="to")] = None,
    limit: Limit = 100,
) -> list[SignalRow]:
    """List signals, newest first."""
    return tx.decisions.signals(
        symbol=symbol, strategy=strategy, start=start, end=end, limit=limit
    )


@router.get("/signals/{signal_id}", response_model=SignalView, tags=["Decisions"])
def read_signal(tx: Reading, signal_id: UUID) -> SignalRow:
    """Show one signal."""
    return tx.decisions.signal(signal_id)


@router.post(
    "/performance", response_model=StrategyRunResult, dependencies=[requires(TRADE)]
)
def record_performance(tx: Writing, asked: PerformanceRequest) -> StrategyRunResult:
    """Store the days of strategies; equal ones change nothing."""
    for row in asked.rows:
        for value in (row.returns, row.sharpe_ratio):
            if value is not None and value != value:
                raise Invalid(f"{row.strategy} {row.date}: a value is not a number.")
    stored = tx.strategies.record_performance(asked.rows)
    return StrategyRunResult(status="stored", rows=stored)


@router.get("/performance", response_model=list[StrategyPerformanceView])
def list_performance(
    tx: Reading, strategy: str | None = None, limit: Limit = 1000
) -> list[StrategyPerformanceView]:
    """List the days of strategies, newest first."""
    return tx.strategies.performance(strategy, limit)
