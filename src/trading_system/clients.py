"""The six services over HTTP, typed by their contracts.

Flows, the gateway and the command line ask services through these and know nothing else
of them. Calls block; a :class:`Services` may be shared between threads.
"""

import json
import ssl
from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from trading_system.config.settings import Settings
from trading_system.contracts import analytics as an
from trading_system.contracts import execution as ex
from trading_system.contracts import ingestion as ing
from trading_system.contracts import notification as no
from trading_system.contracts import risk as ri
from trading_system.contracts import strategy as st
from trading_system.contracts.system import (
    AuditView,
    ConsumerView,
    DeadLetterDetailView,
    DeadLetterView,
    EventDetailView,
    EventView,
    HealthView,
    IdentityView,
    IdleView,
    JobClaim,
    JobFinish,
    JobView,
    ReplayView,
    SessionView,
)
from trading_system.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refused,
    TradingError,
    Unauthorized,
    Unavailable,
)
from trading_system.vocabulary import ServiceName

M = TypeVar("M")

_BY_STATUS: dict[int, type[TradingError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
}


@cache
def authorities() -> ssl.SSLContext:
    """Return whom this process trusts: a megabyte that all its clients share."""
    return httpx.create_ssl_context(trust_env=False)


class ServiceClient:
    """One service: what every service answers."""

    def __init__(self, name: ServiceName, http: httpx.Client) -> None:
        self.name = name
        self.http = http

    def get(self, path: str, answer: type[M], **query: Any) -> M:
        """Ask, and return the answer as a view."""
        return self.request("GET", path, answer, query=query)

    def post(self, path: str, answer: type[M], body: Any = None, **query: Any) -> M:
        """Ask for something to be done."""
        return self.request("POST", path, answer, body=body, query=query)

    def request(
        self,
        method: str,
        path: str,
        answer: type[M],
        *,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> M:
        """Send one request; what went wrong comes back as our own errors."""
        response = self._send(method, path, body, query or {}, headers, timeout)
        try:
            return TypeAdapter(answer).validate_json(response.content)
        except ValidationError as error:
            raise Unavailable(
                f"{self.name} answered {path} with something else than expected: "
                f"{error.errors(include_url=False)[:2]}"
            ) from error

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        query: dict[str, Any],
        headers: dict[str, str] | None,
        timeout: float | None,
    ) -> httpx.Response:
        content = None if body is None else _json(body)
        if content is not None:
            headers = {"content-type": "application/json", **(headers or {})}
        try:
            response = self.http.request(
                method,
                path,
                params=_query(query),
                content=content,
                headers=headers,
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
            )
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The {self.name} service does not answer at {self.http.base_url} "
                f"({type(error).__name__}).",
                remedy="See `trading status` and `trading logs`.",
                service=str(self.name),
            ) from error
        if response.is_success:
            return response
        raise self._error(response)

    def _error(self, response: httpx.Response) -> TradingError:
        try:
            problem: dict[str, Any] = response.json()
        except json.JSONDecodeError:
            problem = {}
        detail = problem.get("detail") or f"{self.name} answered {response.status_code}"
        code = problem.get("code")
        kind = _BY_STATUS.get(response.status_code, Unavailable)
        if code in ("refused", "trading-halted", "risk-check-failed"):
            kind = Refused
        return kind(str(detail), code=code)

    def live(self) -> bool:
        """Say whether the process answers."""
        try:
            return self.http.get("/health/live", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def health(self) -> HealthView:
        """Return everything the service looked at."""
        return self.get("/health", HealthView)

    def idle(self, wait: float = 0) -> IdleView:
        """Say whether the service has nothing to do, after at most `wait` seconds."""
        return self.get("/idle", IdleView, wait=wait)

    def books(self) -> list[IdentityView]:
        """Look at everything that must hold in the books of the service."""
        return self.request("GET", "/books", list[IdentityView], timeout=60)

    def events(
        self,
        after: int,
        topics: Iterable[str] = (),
        limit: int = 200,
        *,
        correlation_id: UUID | None = None,
        since: datetime | None = None,
        newest: bool = False,
    ) -> list[EventView]:
        """Return the events after a sequence number, or the newest of them."""
        return self.get(
            "/events",
            list[EventView],
            after=after,
            topic=list(topics),
            limit=limit,
            correlation_id=correlation_id,
            since=since,
            newest=newest,
        )

    def event(self, identifier: int | UUID) -> EventDetailView:
        """Return an event, by sequence number or id, and who has handled it."""
        return self.get(f"/events/{identifier}", EventDetailView)

    def consumer(self) -> ConsumerView:
        """Return how far the service has read the event log."""
        return self.get("/consumer", ConsumerView)

    def replay(self, first: int, reason: str, *, dry_run: bool) -> ReplayView:
        """Have the service look again at the log from a sequence number on."""
        asked = {"from_sequence": first, "reason": reason, "dry_run": dry_run}
        return self.post("/consumer/replay", ReplayView, asked)

    def resume_consumer(self, reason: str) -> ConsumerView:
        """Have the service go on that paused at an event of newer code."""
        return self.post("/consumer/resume", ConsumerView, {"reason": reason})

    def letters(self, *, decided: bool = False) -> list[DeadLetterView]:
        """Return what the service set aside."""
        return self.get("/dead-letters", list[DeadLetterView], decided=decided)

    def letter(self, event_id: UUID) -> DeadLetterDetailView:
        """Return an event that the service set aside, and why."""
        return self.get(f"/dead-letters/{event_id}", DeadLetterDetailView)

    def retry_letter(self, event_id: UUID, reason: str) -> DeadLetterView:
        """Have the service attempt an event again that it set aside."""
        path = f"/dead-letters/{event_id}/retry"
        return self.post(path, DeadLetterView, {"reason": reason})

    def discard_letter(self, event_id: UUID, reason: str) -> DeadLetterView:
        """Have the service go on without an event, for ever."""
        path = f"/dead-letters/{event_id}/discard"
        return self.post(path, DeadLetterView, {"reason": reason})

    def log_end(self) -> int:
        """Return the last sequence number of the event log."""
        return self.get("/events/end", dict[str, int])["sequence"]

    def sessions(self, start: date, end: date) -> list[SessionView]:
        """Return the exchange's sessions between two dates, both included."""
        return self.get("/sessions", list[SessionView], start=start, end=end)

    def audit(self, **query: Any) -> list[AuditView]:
        """Return the audit log, newest first: table, user, before, limit."""
        return self.get("/audit", list[AuditView], **query)

    def claim(self, asked: JobClaim) -> JobView:
        """Ask for the slot of a scheduled run."""
        return self.post("/jobs/claim", JobView, asked)

    def finish(self, done: JobFinish) -> JobView:
        """Say how a scheduled run ended."""
        return self.post("/jobs/finish", JobView, done)

    def jobs(self, limit: int = 50) -> list[JobView]:
        """Return the latest scheduled runs, newest first."""
        return self.get("/jobs", list[JobView], limit=limit)


class IngestionClient(ServiceClient):
    """Bars: fetching, reading, checking."""

    def fetch(self, scheduled_for: datetime | None = None) -> ing.FetchResult:
        """Fetch the bars that are due."""
        return self.request(
            "POST",
            "/bars/fetch",
            ing.FetchResult,
            body={"scheduled_for": scheduled_for},
            timeout=120,
        )

    def backfill(
        self, start: date, end: date, symbols: list[str] | None = None
    ) -> ing.FetchResult:
        """Fetch bars of the past."""
        return self.request(
            "POST",
            "/bars/backfill",
            ing.FetchResult,
            body={"start": start, "end": end, "symbols": symbols},
            timeout=600,
        )

    def validate(self, since: datetime | None = None) -> ing.QualityResult:
        """Check stored bars against the calendar and the rules."""
        return self.request(
            "POST",
            "/bars/validate",
            ing.QualityResult,
            body={"since": since},
            timeout=300,
        )

    def import_file(self, path: str) -> ing.ImportResult:
        """Store the bars of a file on the service's machine."""
        return self.request(
            "POST", "/bars/import", ing.ImportResult, body={"path": path}, timeout=600
        )

    def archive(self, before: date | None = None) -> ing.ArchiveResult:
        """Move old bars and logs to Parquet."""
        return self.request(
            "POST", "/archive", ing.ArchiveResult, body={"before": before}, timeout=600
        )

    def bars(
        self,
        symbol: str,
        timeframe: str = "1Hour",
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
    ) -> list[ing.BarView]:
        """Return stored bars of a symbol, oldest first."""
        return self.get(
            "/bars",
            list[ing.BarView],
            symbol=symbol,
            timeframe=timeframe,
            start=start,
            end=end,
            limit=limit,
        )

    def latest(self) -> list[ing.BarView]:
        """Return the newest bar of every symbol."""
        return self.get("/bars/latest", list[ing.BarView])

    def arrow(
        self,
        symbols: list[str],
        timeframe: str = "1Hour",
        start: datetime | None = None,
        end: datetime | None = None,
        feed: str | None = None,
    ) -> bytes:
        """Return stored bars as one Arrow IPC stream, of the feed in use or another."""
        query = {
            "symbols": ",".join(symbols),
            "timeframe": timeframe,
            "start": start,
            "end": end,
            "feed": feed,
        }
        return self._send("GET", "/bars/arrow", None, query, None, 300).content

    def coverage(self) -> list[ing.CoverageView]:
        """Return how complete each symbol is."""
        return self.get("/coverage", list[ing.CoverageView])

    def quality(
        self, limit: int = 100, before: int | None = None
    ) -> list[ing.QualityLogView]:
        """Return the data-quality log, newest first."""
        query = {"limit": limit, "before": before}
        return self.get("/quality", list[ing.QualityLogView], **query)

    def universe(self) -> list[str]:
        """Return the symbols that are traded."""
        return self.get("/universe", list[str])


class StrategyClient(ServiceClient):
    """Strategies, their decisions and signals."""

    def strategies(self) -> list[st.StrategyView]:
        """Return every strategy."""
        return self.get("/strategies", list[st.StrategyView])

    def strategy(self, name: str) -> st.StrategyView:
        """Return one strategy."""
        return self.get(f"/strategies/{name}", st.StrategyView)

    def run(self, scheduled_for: datetime | None = None) -> st.StrategyRunResult:
        """Decide on the bars that have no decision yet."""
        return self.request(
            "POST",
            "/strategies/run",
            st.StrategyRunResult,
            body={"scheduled_for": scheduled_for},
            timeout=120,
        )

    def set_status(self, name: str, status: str, reason: str) -> st.StrategyView:
        """Enable, pause or disable a strategy."""
        body = {"status": status, "reason": reason}
        return self.post(f"/strategies/{name}/status", st.StrategyView, body)

    def versions(self, name: str) -> list[st.StrategyVersionView]:
        """Return what a strategy was over time, newest first."""
        return self.get(f"/strategies/{name}/versions", list[st.StrategyVersionView])

    def schema(self, name: str) -> dict[str, Any]:
        """Return a strategy's parameters as a JSON schema."""
        return self.get(f"/strategies/{name}/schema", dict[str, Any])

    def change(
        self, name: str, parameters: dict[str, Any], reason: str
    ) -> st.StrategyView:
        """Give a strategy other parameters: a new version."""
        body = {"parameters": parameters, "reason": reason}
        return self.request("PUT", f"/strategies/{name}", st.StrategyView, body=body)

    def indicators(self, name: str) -> list[st.IndicatorView]:
        """Compute a strategy's indicators on stored bars."""
        return self.request(
            "POST",
            f"/strategies/{name}/indicators",
            list[st.IndicatorView],
            timeout=120,
        )

    def generate_signals(self, name: str) -> st.StrategyRunResult:
        """Decide on the bars on which this strategy has no decision yet."""
        return self.request(
            "POST", f"/strategies/{name}/signals", st.StrategyRunResult, timeout=120
        )

    def decision(self, decision_id: UUID | str) -> st.DecisionView:
        """Return one decision."""
        return self.get(f"/decisions/{decision_id}", st.DecisionView)

    def decisions(self, **query: Any) -> list[st.DecisionView]:
        """Return decisions, newest first: symbol, strategy, outcome, limit."""
        return self.get("/decisions", list[st.DecisionView], **query)

    def decisions_by_correlation(self, correlation_id: UUID) -> list[st.DecisionView]:
        """Return what every strategy decided on one bar of one symbol."""
        return self.get(
            f"/decisions/by-correlation/{correlation_id}", list[st.DecisionView]
        )

    def signal(self, signal_id: UUID | str) -> st.SignalView:
        """Return one signal."""
        return self.get(f"/signals/{signal_id}", st.SignalView)

    def signals(self, **query: Any) -> list[st.SignalView]:
        """Return signals, newest first."""
        return self.get("/signals", list[st.SignalView], **query)

    def performance(self) -> list[st.StrategyPerformanceView]:
        """Return each strategy's days."""
        return self.get("/performance", list[st.StrategyPerformanceView])

    def record_performance(
        self, rows: list[st.StrategyPerformanceView]
    ) -> st.StrategyRunResult:
        """Store each strategy's day."""
        return self.post("/performance", st.StrategyRunResult, {"rows": rows})


class RiskClient(ServiceClient):
    """Outcomes, limits, exposure, and the trading state."""

    def outcome(self, signal_id: UUID | str) -> ri.RiskOutcomeView:
        """Return what risk answered to a signal."""
        return self.get(f"/outcomes/{signal_id}", ri.RiskOutcomeView)

    def outcomes(self, **query: Any) -> list[ri.RiskOutcomeView]:
        """Return outcomes, newest first."""
        return self.get("/outcomes", list[ri.RiskOutcomeView], **query)

    def trading_state(self) -> ri.TradingStateView:
        """Return the trading state in force."""
        return self.get("/trading-state", ri.TradingStateView)

    def halt(self, level: int, reason: str, by: str) -> ri.TradingStateView:
        """Halt trading: 1 pauses entries, 2 also cancels, 3 also flattens."""
        body = {"level": level, "reason": reason, "by": by}
        return self.post("/trading-state/halt", ri.TradingStateView, body)

    def resume(self, reason: str, by: str) -> ri.TradingStateView:
        """Let trading go on."""
        body = {"reason": reason, "by": by}
        return self.post("/trading-state/resume", ri.TradingStateView, body)

    def limits(self) -> list[ri.LimitView]:
        """Return every limit in force, and its use."""
        return self.get("/limits", list[ri.LimitView])

    def set_limit(self, change: ri.LimitChange) -> list[ri.LimitView]:
        """Put a limit in force, as its next version."""
        return self.request("PUT", "/limits", list[ri.LimitView], body=change)

    def trading_states(self, limit: int = 100) -> list[ri.TradingStateView]:
        """Return every trading state there was, newest first."""
        return self.get(
            "/trading-state/history", list[ri.TradingStateView], limit=limit
        )

    def breakers(self) -> list[ri.BreakerView]:
        """Return breakers that have tripped, newest first."""
        return self.get("/breakers", list[ri.BreakerView])

    def reset_breaker(
        self, breaker_id: UUID | str, reason: str, by: str
    ) -> ri.BreakerView:
        """Take a strategy's breaker back."""
        body = {"reason": reason, "by": by}
        return self.post(f"/breakers/{breaker_id}/reset", ri.BreakerView, body)

    def locks(self) -> list[ri.SymbolLockView]:
        """Return the symbols in which nothing may be entered."""
        return self.get("/locks", list[ri.SymbolLockView])

    def lock(self, asked: ri.LockRequest) -> ri.SymbolLockView:
        """Lock a symbol against entries."""
        return self.post("/locks", ri.SymbolLockView, asked)

    def unlock(self, symbol: str, reason: str, by: str) -> list[ri.SymbolLockView]:
        """Let a symbol be entered again; return the locks that are left."""
        body = {"reason": reason, "by": by}
        return self.post(f"/locks/{symbol}/release", list[ri.SymbolLockView], body)

    def order_by_hand(
        self, proposal: ex.OrderProposal, reason: str, key: str
    ) -> ri.RiskOutcomeView:
        """Ask for an order; the same key asks for the same order."""
        return self.request(
            "POST",
            "/manual-orders",
            ri.RiskOutcomeView,
            body=proposal.model_dump(mode="json") | {"reason": reason},
            headers={"Idempotency-Key": key},
        )

    def combo_by_hand(
        self, legs: list[ex.OrderProposal], reason: str, key: str
    ) -> list[ri.RiskOutcomeView]:
        """Ask for orders that are all placed, or none stays; a key asks once."""
        return self.request(
            "POST",
            "/combos",
            list[ri.RiskOutcomeView],
            body={
                "legs": [leg.model_dump(mode="json") for leg in legs],
                "reason": reason,
            },
            headers={"Idempotency-Key": key},
        )

    def replace(
        self, order_id: UUID | str, change: ex.OrderChange, reason: str, key: str
    ) -> ri.RiskOutcomeView:
        """Ask for an order at the broker to be replaced; a key asks for it once."""
        return self.request(
            "POST",
            f"/orders/{order_id}/replace",
            ri.RiskOutcomeView,
            body=change.model_dump(mode="json") | {"reason": reason},
            headers={"Idempotency-Key": key},
        )

    def exposure(self) -> ri.ExposureView:
        """Return the account's exposure."""
        return self.get("/exposure", ri.ExposureView)

    def what_if(self, proposal: ex.OrderProposal) -> ri.WhatIfView:
        """Ask what risk would answer; nothing is stored."""
        return self.post("/what-if", ri.WhatIfView, proposal)

    def what_if_replaced(
        self, order_id: UUID | str, change: ex.OrderChange
    ) -> ri.WhatIfView:
        """Ask what risk would answer to a change of an order; nothing is stored."""
        return self.post(f"/orders/{order_id}/what-if", ri.WhatIfView, change)

    def size(self) -> ri.RiskRunResult:
        """Size signals that have no outcome yet."""
        return self.post("/size", ri.RiskRunResult)

    def validate(self) -> ri.RiskRunResult:
        """Decide on signals that have no outcome yet."""
        return self.post("/validate", ri.RiskRunResult)

    def monitor(self) -> ri.RiskRunResult:
        """Measure exposure, drawdown and value at risk against the limits."""
        return self.post("/monitor", ri.RiskRunResult)

    def alerts(self) -> ri.RiskRunResult:
        """Say what is near or over a limit."""
        return self.post("/alerts", ri.RiskRunResult)

    def risk_events(self, limit: int = 100) -> list[ri.RiskEventView]:
        """Return warnings, breaches and halts, newest first."""
        return self.get("/events-log", list[ri.RiskEventView], limit=limit)


class ExecutionClient(ServiceClient):
    """Account, orders, executions, positions, books."""

    def account(self) -> ex.AccountView:
        """Return the account from the books."""
        return self.get("/account", ex.AccountView)

    def clock(self) -> ex.MarketClockView:
        """Return market time."""
        return self.get("/clock", ex.MarketClockView)

    def positions(self) -> list[ex.PositionView]:
        """Return open positions."""
        return self.get("/positions", list[ex.PositionView])

    def orders(self, **query: Any) -> list[ex.OrderView]:
        """Return orders, newest first: state, symbol, limit."""
        return self.get("/orders", list[ex.OrderView], **query)

    def order(self, order_id: UUID | str) -> ex.OrderView:
        """Return one order with its life."""
        return self.get(f"/orders/{order_id}", ex.OrderView)

    def orders_by_signal(self, signal_id: UUID) -> list[ex.OrderView]:
        """Return the orders of a signal."""
        return self.get(f"/orders/by-signal/{signal_id}", list[ex.OrderView])

    def cancel(self, order_id: UUID | str) -> ex.CancelResult:
        """Ask for an order to be canceled."""
        return self.post(f"/orders/{order_id}/cancel", ex.CancelResult)

    def cancel_all(self) -> list[ex.CancelResult]:
        """Ask for every open order to be canceled."""
        return self.post("/orders/cancel-all", list[ex.CancelResult])

    def combos(self, limit: int = 20) -> list[ex.ComboView]:
        """Return orders that are one intent, newest first."""
        return self.get("/combos", list[ex.ComboView], limit=limit)

    def combo(self, combo_id: UUID | str) -> ex.ComboView:
        """Return orders that are one intent."""
        return self.get(f"/combos/{combo_id}", ex.ComboView)

    def trades(self, **query: Any) -> list[ex.TradeView]:
        """Return executions, newest first."""
        return self.get("/trades", list[ex.TradeView], **query)

    def ledger(self, **query: Any) -> list[ex.LedgerEntryView]:
        """Return ledger entries, newest first."""
        return self.get("/ledger", list[ex.LedgerEntryView], **query)

    def equity(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 10_000,
    ) -> list[ex.EquityPoint]:
        """Return the account's recorded values, oldest first."""
        query = {"from": start, "to": end, "limit": limit}
        return self.get("/equity", list[ex.EquityPoint], **query)

    def execute(self) -> ex.ExecutionRunResult:
        """Submit approved orders that are still unsent."""
        return self.request("POST", "/execute", ex.ExecutionRunResult, timeout=120)

    def manage(self) -> ex.ExecutionRunResult:
        """Time out, resolve and expire orders."""
        return self.request("POST", "/manage", ex.ExecutionRunResult, timeout=120)

    def update_positions(self) -> ex.ExecutionRunResult:
        """Mark positions and record the account's value."""
        return self.request(
            "POST", "/positions/update", ex.ExecutionRunResult, timeout=120
        )

    def reconcile(self) -> ex.ReconciliationView:
        """Compare the books with the broker's."""
        return self.request("POST", "/reconcile", ex.ReconciliationView, timeout=120)

    def reconciliations(self, limit: int = 20) -> list[ex.ReconciliationView]:
        """Return comparisons, newest first."""
        return self.get("/reconciliations", list[ex.ReconciliationView], limit=limit)

    def adjust(self, wanted: ex.AdjustmentRequest, key: str) -> ex.LedgerEntryView:
        """Enter by hand what the books lack; the same key enters it once."""
        return self.request(
            "POST",
            "/adjustments",
            ex.LedgerEntryView,
            body=wanted.model_dump(mode="json"),
            headers={"Idempotency-Key": key},
        )

    def release(
        self, symbol: str, reason: str, holds: Iterable[int]
    ) -> list[ex.HoldView]:
        """Let a symbol, or the account (`*`), trade again: end these holds of it."""
        body = {"reason": reason, "holds": list(holds)}
        return self.post(f"/holds/{symbol}/release", list[ex.HoldView], body)

    def holds(self) -> list[ex.HoldView]:
        """Return the symbols whose orders do not leave, and why."""
        return self.get("/holds", list[ex.HoldView])

    def broker_contract(self) -> list[ex.ContractCheckView]:
        """Return how the broker's endpoints answer."""
        return self.get("/broker-contract", list[ex.ContractCheckView])

    def flatten(self, reason: str) -> ex.ExecutionRunResult:
        """Close every position."""
        return self.post("/flatten", ex.ExecutionRunResult, {"reason": reason})


class AnalyticsClient(ServiceClient):
    """Performance, round trips, reports, backtests."""

    def portfolio(self) -> an.PortfolioSummaryView:
        """Return the portfolio by symbol."""
        return self.get("/portfolio", an.PortfolioSummaryView)

    def performance(self, **query: Any) -> list[an.PerformanceView]:
        """Return performance, newest first."""
        return self.get("/performance", list[an.PerformanceView], **query)

    def calculate_performance(self) -> an.AnalyticsRunResult:
        """Compute the figures up to the last session."""
        return self.request(
            "POST", "/performance/calculate", an.AnalyticsRunResult, timeout=120
        )

    def round_trips(self, **query: Any) -> list[an.RoundTripView]:
        """Return trades from flat to flat, newest first."""
        return self.get("/round-trips", list[an.RoundTripView], **query)

    def round_trip(self, round_trip_id: UUID | str) -> an.RoundTripView:
        """Return one round trip."""
        return self.get(f"/round-trips/{round_trip_id}", an.RoundTripView)

    def round_trips_by_order(self, order_id: UUID) -> list[an.RoundTripView]:
        """Return the round trips that an order opened or closed."""
        return self.get(f"/round-trips/by-order/{order_id}", list[an.RoundTripView])

    def analyze_trades(self) -> an.AnalyticsRunResult:
        """Build round trips and what they tell."""
        return self.request(
            "POST", "/trades/analyze", an.AnalyticsRunResult, timeout=120
        )

    def generate_report(
        self, kind: str, day: date | None = None
    ) -> an.AnalyticsRunResult:
        """Write a daily, weekly or monthly report."""
        return self.request(
            "POST",
            "/reports/generate",
            an.AnalyticsRunResult,
            body={"kind": kind, "day": day},
            timeout=300,
        )

    def reports(self) -> list[an.ReportView]:
        """Return reports, newest first."""
        return self.get("/reports", list[an.ReportView])

    def store_shadow_replay(self, replay: an.ShadowReplayView) -> an.ShadowReplayView:
        """Keep the replay of a day."""
        return self.post("/shadow-replays", an.ShadowReplayView, replay)

    def shadow_replays(self, limit: int = 100) -> list[an.ShadowReplayView]:
        """Return the days that were run again, newest first."""
        return self.get("/shadow-replays", list[an.ShadowReplayView], limit=limit)

    def store_backtest(self, result: an.BacktestView) -> an.BacktestView:
        """Keep the result of a backtest."""
        return self.post("/backtests", an.BacktestView, result)

    def backtests(self) -> list[an.BacktestView]:
        """Return backtests, newest first."""
        return self.get("/backtests", list[an.BacktestView])

    def backtest(self, backtest_id: UUID | str) -> an.BacktestView:
        """Return one backtest."""
        return self.get(f"/backtests/{backtest_id}", an.BacktestView)


class NotificationClient(ServiceClient):
    """Inbox, deliveries, system health, logs."""

    def notifications(self, **query: Any) -> list[no.NotificationView]:
        """Return the inbox, newest first."""
        return self.get("/notifications", list[no.NotificationView], **query)

    def read(self, notification_id: UUID | str) -> no.NotificationView:
        """Mark a message as read."""
        return self.post(f"/notifications/{notification_id}/read", no.NotificationView)

    def preferences(self) -> list[no.PreferenceView]:
        """Return which kinds go through which channel, from which severity."""
        return self.get("/preferences", list[no.PreferenceView])

    def set_preference(self, change: no.PreferenceChange) -> list[no.PreferenceView]:
        """Decide whether a kind goes through a channel, and from which severity."""
        return self.request("PUT", "/preferences", list[no.PreferenceView], body=change)

    def test_mail(self) -> no.NotificationRunResult:
        """Send a mail now."""
        return self.request(
            "POST", "/preferences/test", no.NotificationRunResult, timeout=30
        )

    def deliver(self) -> no.NotificationRunResult:
        """Send what is not delivered yet."""
        return self.request(
            "POST", "/alerts/deliver", no.NotificationRunResult, timeout=120
        )

    def check_health(self) -> no.SystemHealthView:
        """Look at every part of the system."""
        return self.request("POST", "/health/check", no.SystemHealthView, timeout=60)

    def system_health(self) -> no.SystemHealthView:
        """Return what was seen last."""
        return self.get("/system-health", no.SystemHealthView)

    def aggregate_logs(self) -> no.NotificationRunResult:
        """Count log lines, find patterns, drop what is too old."""
        return self.request(
            "POST", "/logs/aggregate", no.NotificationRunResult, timeout=120
        )

    def logs(self, **query: Any) -> list[no.LogView]:
        """Return log lines, newest first: service, level, correlation_id, limit."""
        return self.get("/logs", list[no.LogView], **query)

    def send_summary(self) -> no.NotificationRunResult:
        """Send the summary of the day."""
        return self.request(
            "POST", "/summary/send", no.NotificationRunResult, timeout=120
        )


class Services:
    """All six services, as one caller sees them."""

    def __init__(
        self,
        settings: Settings,
        *,
        acting_for: str | None = None,
        timeout: float = 10.0,
        transports: dict[str, httpx.BaseTransport] | None = None,
    ) -> None:
        headers = {
            "Authorization": f"Bearer {settings.service_token.get_secret_value()}"
        }
        if acting_for:
            headers["X-Acting-User"] = acting_for
        self._http = {
            name: httpx.Client(
                base_url=settings.service_urls[name],
                headers=headers,
                timeout=timeout,
                trust_env=False,
                verify=authorities(),
                transport=(transports or {}).get(name),
                limits=httpx.Limits(max_keepalive_connections=20, keepalive_expiry=30),
            )
            for name in ServiceName
        }
        self.ingestion = IngestionClient(*self._of(ServiceName.INGESTION))
        self.strategy = StrategyClient(*self._of(ServiceName.STRATEGY))
        self.execution = ExecutionClient(*self._of(ServiceName.EXECUTION))
        self.risk = RiskClient(*self._of(ServiceName.RISK))
        self.analytics = AnalyticsClient(*self._of(ServiceName.ANALYTICS))
        self.notification = NotificationClient(*self._of(ServiceName.NOTIFICATION))

    def _of(self, name: ServiceName) -> tuple[ServiceName, httpx.Client]:
        return name, self._http[name]

    @property
    def all(self) -> tuple[ServiceClient, ...]:
        """The six, in the order in which data flows through them."""
        return (
            self.ingestion,
            self.strategy,
            self.risk,
            self.execution,
            self.analytics,
            self.notification,
        )

    def named(self, name: ServiceName) -> ServiceClient:
        """Return the client of a service."""
        return next(client for client in self.all if client.name == name)

    def close(self) -> None:
        """Close every connection."""
        for http in self._http.values():
            http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _json(body: Any) -> bytes:
    if isinstance(body, BaseModel):
        return body.model_dump_json().encode()
    return TypeAdapter(Any).dump_json(body)


def _query(query: dict[str, Any]) -> dict[str, Any]:
    plain = {key.rstrip("_"): value for key, value in query.items()}
    return {
        key: value.isoformat() if isinstance(value, (datetime, date)) else value
        for key, value in plain.items()
        if value is not None and value != []
    }
