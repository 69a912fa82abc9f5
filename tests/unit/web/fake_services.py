"""The six services as the gateway sees them over HTTP, with a small market in them."""

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr, TypeAdapter

from trading_system.clients import Services
from trading_system.config.settings import LIVE_URL, Settings
from trading_system.contracts.analytics import (
    BacktestView,
    MetricView,
    PerformanceView,
    RoundTripView,
)
from trading_system.contracts.execution import (
    AccountView,
    AttemptView,
    EquityPoint,
    MarketClockView,
    OrderEventView,
    OrderView,
    PositionView,
    ReconciliationView,
    TradeView,
)
from trading_system.contracts.ingestion import (
    BarView,
    CoverageView,
    QualityLogView,
)
from trading_system.contracts.notification import (
    HealthCheckView,
    LogView,
    NotificationView,
    PreferenceView,
    SystemHealthView,
)
from trading_system.contracts.risk import (
    BreakerView,
    ExposureView,
    LimitView,
    RiskCheckView,
    RiskEventView,
    RiskOutcomeView,
    SymbolLockView,
    TradingStateView,
    WhatIfView,
)
from trading_system.contracts.strategy import (
    ConditionView,
    DecisionView,
    SignalView,
    StrategyVersionView,
    StrategyView,
)
from trading_system.contracts.system import AuditView, JobView
from trading_system.service import CheckView, EventView, HealthView
from trading_system.vocabulary import (
    TIMEFRAME,
    TradingState,
    correlation_id,
    decision_id,
    identity,
    order_id,
    signal_id,
)
from trading_web.order_states import is_open

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 20, 17, 12, 4, tzinfo=UTC)
SYMBOLS = ("AAPL", "AMZN", "JPM", "MSFT", "NVDA", "SPY", "XOM")
STRATEGY = "momentum_strategy"
SECRET = "a secret of the tests, long enough to sign with"


def settings(mode: str = "simulated", **values: Any) -> Settings:
    """Return settings that need no environment."""
    if mode != "simulated":
        values |= {"alpaca_api_key": "key", "alpaca_secret_key": "secret"}
    if mode == "live":
        values["alpaca_base_url"] = LIVE_URL
    return Settings(
        trading_mode=mode,
        session_secret=SecretStr(SECRET),
        redis_url="",
        service_token=SecretStr("token"),
        **values,
    )


class FakeServices:
    """Answers over HTTP what a test put in; a service in `down` does not answer."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}
        self.down: set[str] = set()
        self.posted: list[tuple[str, str, Any]] = []
        self.keys: list[str] = []
        self.asked: set[tuple[str, str]] = set()
        self.events: list[EventView] = []
        self.state = TradingState.ACTIVE
        self.level, self.reason = 0, "Started."

    def over_http(self, given: Settings) -> Services:
        """Return the real clients, talking to this."""
        transports: dict[str, httpx.BaseTransport] = {
            name: httpx.MockTransport(self._answering(name))
            for name in given.service_urls
        }
        return Services(given, transports=transports)

    def _answering(self, service: str) -> Callable[[httpx.Request], httpx.Response]:
        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.add((service, request.url.path))
            if service in self.down:
                raise httpx.ConnectError("refused", request=request)
            body = json.loads(request.content) if request.content else None
            if request.method != "GET":
                self.posted.append((service, request.url.path, body))
                self.keys += request.headers.get_list("idempotency-key")
            return self._answer(service, request, body)

        return answer

    def _answer(
        self, service: str, request: httpx.Request, body: Any
    ) -> httpx.Response:
        path = request.url.path
        if path == "/health/live":
            return httpx.Response(200, json={"status": "pass"})
        if path == "/events/end":
            return _json({"sequence": len(self.events)})
        if path == "/events":
            after = int(request.url.params["after"])
            return _json([event for event in self.events if event.seq > after])
        if path == "/trading-state/history":
            return _json([])
        if path.startswith("/trading-state"):
            return self._trading_state(path, body)
        found = self.answers.get((service, path))
        if found is None:
            return _problem(404, "not-found", f"There is no {path}.")
        if callable(found):
            found = found(request.url.params)
        return _json(found)

    def _trading_state(self, path: str, body: Any) -> httpx.Response:
        if path.endswith("/halt"):
            self.level, self.reason = body["level"], body["reason"]
            halted = self.level == 3
            self.state = TradingState.HALTED if halted else TradingState.REDUCING
        elif path.endswith("/resume"):
            self.level, self.state = 0, TradingState.ACTIVE
            self.reason = body["reason"]
        return _json(
            TradingStateView(
                account_id="simulated",
                state=self.state,
                level=self.level,
                reason=self.reason,
                set_by="dashboard",
                set_at=NOW - timedelta(minutes=3),
                version=1,
            )
        )


def empty() -> FakeServices:
    """Return services that run and have nothing to tell yet."""
    fake = FakeServices()
    fake.answers |= _health()
    nothing: dict[tuple[str, str], Any] = {
        ("ingestion", path): [] for path in ("/bars", "/coverage", "/universe")
    }
    nothing |= {
        ("strategy", path): [] for path in ("/strategies", "/decisions", "/signals")
    }
    nothing |= {
        ("execution", path): []
        for path in ("/positions", "/orders", "/trades", "/equity", "/reconciliations")
    }
    nothing |= {
        ("execution", path): [] for path in ("/holds", "/broker-contract", "/combos")
    }
    nothing |= {
        ("risk", path): [] for path in ("/outcomes", "/limits", "/breakers", "/locks")
    }
    nothing["risk", "/events-log"] = []
    nothing["risk", "/audit"] = []
    nothing |= {
        ("analytics", path): []
        for path in ("/round-trips", "/performance", "/backtests")
    }
    nothing |= {
        ("notification", path): []
        for path in ("/notifications", "/logs", "/preferences")
    }
    nothing |= {
        ("ingestion", path): [] for path in ("/quality", "/jobs", "/bars/latest")
    }
    fake.answers |= nothing
    fake.answers["notification", "/system-health"] = SystemHealthView(
        status="unknown", checks=[], checked_at=None
    )
    fake.answers["execution", "/clock"] = _clock()
    fake.answers["risk", "/exposure"] = exposure(Decimal(100_000), Decimal(0))
    fake.answers["execution", "/account"] = AccountView(
        account_id="simulated",
        mode="simulated",
        cash=Decimal(100_000),
        equity=Decimal(100_000),
        last_equity=None,
        buying_power=Decimal(200_000),
        long_value=Decimal(0),
        short_value=Decimal(0),
        unrealized_pnl=Decimal(0),
        realized_pnl=Decimal(0),
        day_pnl=None,
        open_positions=0,
        market_time=NOW,
        as_of=NOW,
    )
    return fake


def trading() -> FakeServices:
    """Return services in the middle of a trading day."""
    fake = empty()
    fake.answers |= a_market().answers()
    return fake


@cache
def a_market() -> "Market":
    """Return the market that tests share; its rows cannot be changed."""
    return Market()


class Market:
    """Two months of hourly bars, what a strategy did on them, and what came of it."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self.bars = {symbol: self._bars(symbol) for symbol in SYMBOLS}
        self.decisions: list[DecisionView] = []
        self.outcomes: list[RiskOutcomeView] = []
        self.orders: list[OrderView] = []
        self.trades: list[TradeView] = []
        self.trips: list[RoundTripView] = []
        self.held: dict[str, TradeView] = {}
        for symbol in SYMBOLS:
            self._decide(symbol)

    def answers(self) -> dict[tuple[str, str], Any]:
        """Return what each service says about this market."""
        answers: dict[tuple[str, str], Any] = {
            ("ingestion", "/bars"): self._bars_asked,
            ("ingestion", "/universe"): list(SYMBOLS),
            ("ingestion", "/coverage"): self._coverage(),
            ("strategy", "/strategies"): [self._strategy()],
            ("strategy", "/decisions"): _listed(self.decisions, "decision_id"),
            ("risk", "/outcomes"): _listed(self.outcomes, "outcome_id"),
            ("risk", "/limits"): _limits(),
            ("execution", "/positions"): self._positions(),
            ("execution", "/orders"): _listed(
                [self._working(), *self.orders], "order_id"
            ),
            ("execution", "/trades"): _listed(self.trades, "trade_id"),
            ("execution", "/equity"): self._equity(),
            ("execution", "/account"): self._account(),
            ("execution", "/reconciliations"): [_books()],
            ("execution", "/holds"): [],
            ("execution", "/broker-contract"): [],
            ("execution", "/combos"): [],
            ("analytics", "/round-trips"): _listed(self.trips, "round_trip_id"),
            ("notification", "/notifications"): _alerts(),
            ("notification", "/logs"): _log(),
            ("notification", "/preferences"): _preferences(),
            ("risk", "/exposure"): exposure(Decimal("101820.44"), Decimal(39_000)),
            ("risk", "/breakers"): [_breaker()],
            ("risk", "/events-log"): [_warning()],
            ("risk", "/locks"): [_lock()],
            ("risk", "/audit"): _audit(),
            ("risk", "/what-if"): _what_if(),
            ("analytics", "/performance"): _performance(),
            ("analytics", "/backtests"): [backtest(20), backtest(40)],
            ("ingestion", "/quality"): [_fault()],
            ("ingestion", "/jobs"): _runs(),
            ("ingestion", "/bars/latest"): [bars[-1] for bars in self.bars.values()],
            ("strategy", f"/strategies/{STRATEGY}"): self._strategy(),
            ("strategy", f"/strategies/{STRATEGY}/schema"): SCHEMA,
            ("strategy", f"/strategies/{STRATEGY}/versions"): [_version()],
            ("notification", "/system-health"): _checks(),
        }
        for tested in answers["analytics", "/backtests"]:
            answers["analytics", f"/backtests/{tested.backtest_id}"] = tested
        for decision in self.decisions:
            answers["strategy", f"/decisions/{decision.decision_id}"] = decision
            if decision.signal_id is not None:
                path = f"/signals/{decision.signal_id}"
                answers["strategy", path] = _signal(decision)
        for outcome in self.outcomes:
            signal = outcome.signal_id
            answers["risk", f"/outcomes/{signal}"] = outcome
            answers["execution", f"/orders/by-signal/{signal}"] = [
                order for order in self.orders if order.signal_id == signal
            ]
        for order in self.orders:
            answers["execution", f"/orders/{order.order_id}"] = order
            path = f"/round-trips/by-order/{order.order_id}"
            ids = order.order_id
            answers["analytics", path] = [
                trip
                for trip in self.trips
                if ids in (trip.entry_order_id, trip.exit_order_id)
            ]
        return answers

    def _bars(self, symbol: str) -> list[BarView]:
        price = 80 + 60 * self._random.random() + (400 if symbol == "SPY" else 100)
        bars = []
        for start, end in _hours(NOW - timedelta(days=60), NOW):
            opening = price * (1 + self._random.gauss(0, 0.001))
            price = opening * (1 + self._random.gauss(0.0003, 0.006))
            high = max(opening, price) * (1 + abs(self._random.gauss(0, 0.002)))
            low = min(opening, price) * (1 - abs(self._random.gauss(0, 0.002)))
            bars.append(
                BarView(
                    symbol=symbol,
                    timeframe=TIMEFRAME,
                    timestamp=start,
                    bar_end=end,
                    open=round(opening, 2),
                    high=round(high, 2),
                    low=round(low, 2),
                    close=round(price, 2),
                    volume=float(self._random.randint(90_000, 900_000)),
                    feed="iex",
                    received_at=end + timedelta(seconds=2),
                    revision=1,
                )
            )
        return bars

    def _decide(self, symbol: str) -> None:
        bars = self.bars[symbol]
        for i in range(20, len(bars)):
            bar, score = bars[i], bars[i].close / bars[i - 20].close - 1
            signals = abs(score) > 0.02
            side = "buy" if score > 0 else "sell"
            found = decision_id(STRATEGY, symbol, TIMEFRAME, bar.bar_end)
            decision = DecisionView(
                decision_id=found,
                correlation_id=correlation_id(symbol, TIMEFRAME, bar.bar_end),
                strategy=STRATEGY,
                strategy_version=3,
                parameters={"lookback_period": 20, "threshold": 0.02},
                source_hash="9f2c41d08ab3",
                symbol=symbol,
                timeframe=TIMEFRAME,
                bar_start=bar.timestamp,
                bar_end=bar.bar_end,
                close=bar.close,
                outcome="signal" if signals else "no_signal",
                score=score,
                reason=f"20-bar return {score:.4f} against threshold 0.0200",
                indicators={"return_20": score, "close": bar.close},
                conditions=_conditions(score),
                signal_id=signal_id(found) if signals else None,
                created_at=bar.bar_end + timedelta(seconds=3),
            )
            self.decisions.insert(0, decision)
            if signals and symbol != "SPY":
                self._answer(decision, side, bars[i + 1] if i + 1 < len(bars) else None)

    def _answer(
        self, decision: DecisionView, side: str, follows: BarView | None
    ) -> None:
        assert decision.signal_id is not None
        symbol = decision.symbol
        held = self.held.get(symbol)
        at_target = (side == "buy") == (held is not None)
        crowded = side == "buy" and len(self.held) >= 4
        denied = at_target or crowded or follows is None
        code = "AT_TARGET" if at_target else "MAX_OPEN_POSITIONS" if crowded else ""
        detail = {
            "AT_TARGET": "The position is at its target already.",
            "MAX_OPEN_POSITIONS": "4 positions are open, and 4 are allowed.",
        }.get(code, "Every check passed.")
        quantity = (
            Decimal(int(10_000 / (decision.close or 1))) if not held else held.quantity
        )
        order = order_id(decision.signal_id)
        self.outcomes.insert(
            0,
            RiskOutcomeView(
                outcome_id=identity("outcome", decision.signal_id),
                signal_id=decision.signal_id,
                correlation_id=decision.correlation_id,
                order_id=None if denied else order,
                strategy=STRATEGY,
                symbol=symbol,
                side=side,
                outcome="denied" if denied else "approved",
                code=code or ("LATE_BAR" if denied else "APPROVED"),
                detail=detail,
                quantity=None if denied else quantity,
                equity=Decimal("101820.44"),
                checks=_risk_checks(quantity, passed=not denied),
                market_time=decision.bar_end,
                created_at=decision.bar_end,
            ),
        )
        if denied or follows is None:
            return
        fill = TradeView(
            trade_id=identity("trade", order),
            order_id=order,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=Decimal(str(follows.open)),
            cumulative_quantity=quantity,
            fees=Decimal("0.02"),
            timestamp=decision.bar_end + timedelta(seconds=1),
            source="stream",
            strategy=STRATEGY,
        )
        self.trades.insert(0, fill)
        self.orders.insert(0, _order(decision, side, quantity, fill))
        if side == "buy":
            self.held[symbol] = fill
        elif held is not None:
            del self.held[symbol]
            self.trips.insert(0, _trip(held, fill))

    def _bars_asked(self, query: httpx.QueryParams) -> list[BarView]:
        bars = self.bars.get(query["symbol"], [])
        start, end = query.get("start"), query.get("end")
        if start:
            bars = [b for b in bars if b.timestamp >= datetime.fromisoformat(start)]
        if end:
            bars = [b for b in bars if b.bar_end <= datetime.fromisoformat(end)]
        return bars[-int(query["limit"]) :]

    def _positions(self) -> list[PositionView]:
        views = []
        for symbol, fill in sorted(self.held.items()):
            last = Decimal(str(self.bars[symbol][-1].close))
            gain = (last - fill.price) * fill.quantity
            views.append(
                PositionView(
                    symbol=symbol,
                    strategy=STRATEGY,
                    quantity=fill.quantity,
                    avg_price=fill.price,
                    last_price=last,
                    market_value=last * fill.quantity,
                    unrealized_pnl=gain,
                    unrealized_fraction=float(last / fill.price - 1),
                    realized_pnl=Decimal(0),
                    day_change_fraction=0.0042,
                    opened_at=fill.timestamp,
                    entry_order_id=fill.order_id,
                    marked_at=NOW,
                )
            )
        return views

    def _account(self) -> AccountView:
        positions = self._positions()
        value = sum((p.market_value or Decimal(0) for p in positions), Decimal(0))
        gain = sum((p.unrealized_pnl or Decimal(0) for p in positions), Decimal(0))
        cash = Decimal("62014.11")
        return AccountView(
            account_id="simulated",
            mode="simulated",
            cash=cash,
            equity=cash + value,
            last_equity=cash + value - Decimal("412.10"),
            buying_power=cash * 2,
            long_value=value,
            short_value=Decimal(0),
            unrealized_pnl=gain,
            realized_pnl=Decimal("-87.30"),
            day_pnl=Decimal("412.10"),
            open_positions=len(positions),
            market_time=NOW,
            as_of=NOW,
        )

    def _equity(self) -> list[EquityPoint]:
        value, points = Decimal(100_000), []
        for _, end in _hours(NOW - timedelta(days=7), NOW):
            value += Decimal(round(self._random.gauss(20, 180), 2))
            points.append(
                EquityPoint(
                    market_time=end,
                    equity=value,
                    cash=Decimal(60_000),
                    long_value=value - Decimal(60_000),
                    short_value=Decimal(0),
                )
            )
        return points

    def _working(self) -> OrderView:
        template = self.orders[0]
        return template.model_copy(
            update={
                "order_id": identity("working"),
                "status": "PARTIALLY_FILLED",
                "filled_quantity": Decimal(12),
                "quantity": Decimal(40),
                "closed_at": None,
            }
        )

    def _strategy(self) -> StrategyView:
        return StrategyView(
            strategy_id=identity("strategy"),
            name=STRATEGY,
            version=3,
            status="enabled",
            parameters={"lookback_period": 20, "threshold": 0.02},
            risk_limits={"max_daily_loss": 0.02},
            last_bar_end=NOW.replace(minute=0, second=0),
            decisions=len(self.decisions),
            signals=sum(d.signal_id is not None for d in self.decisions),
            created_at=NOW,
        )

    def _coverage(self) -> list[CoverageView]:
        return [
            CoverageView(
                symbol=symbol,
                timeframe=TIMEFRAME,
                feed="iex",
                bars=len(bars),
                first=bars[0].timestamp,
                last=bars[-1].timestamp,
                missing=2 if symbol == "XOM" else 0,
            )
            for symbol, bars in self.bars.items()
        ]


def _hours(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return session hours, 09:30–10:00 first; weekdays only, holidays aside."""
    spans, day = [], start.astimezone(NEW_YORK).date()
    while day <= end.astimezone(NEW_YORK).date():
        if day.weekday() < 5:
            edges = [time(9, 30), *(time(hour) for hour in range(10, 17))]
            moments = [_at(day, edge) for edge in edges]
            spans += [
                (a, b) for a, b in zip(moments, moments[1:], strict=False) if b <= end
            ]
        day += timedelta(days=1)
    return spans


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, NEW_YORK).astimezone(UTC)


def _signal(decision: DecisionView) -> SignalView:
    assert decision.signal_id is not None
    return SignalView(
        signal_id=decision.signal_id,
        decision_id=decision.decision_id,
        correlation_id=decision.correlation_id,
        strategy=STRATEGY,
        symbol=decision.symbol,
        signal="buy" if (decision.score or 0) > 0 else "sell",
        timestamp=decision.bar_end,
        decision_price=Decimal(str(decision.close)),
    )


def _listed(rows: list[Any], key: str) -> Callable[[httpx.QueryParams], list[Any]]:
    """Answer with the newest rows, or with those after the one of a key."""

    def listed(query: httpx.QueryParams) -> list[Any]:
        wanted, kind = query.get("symbol"), query.get("outcome")
        if query.get("state") == "open":
            return [row for row in rows if is_open(row)]
        chosen = [row for row in rows if not wanted or row.symbol == wanted]
        if kind:
            chosen = [row for row in chosen if row.outcome == kind]
        if last := query.get("before") or query.get("cursor"):
            keys = [str(getattr(row, key)) for row in chosen]
            chosen = chosen[keys.index(last) + 1 :]
        return chosen[: int(query.get("limit", 50))]

    return listed


def _clock() -> MarketClockView:
    return MarketClockView(
        now=NOW,
        is_open=True,
        next_open=datetime(2026, 11, 23, 14, 30, tzinfo=UTC),
        next_close=datetime(2026, 11, 20, 21, 0, tzinfo=UTC),
        speed=60.0,
    )


def _conditions(score: float) -> list[ConditionView]:
    return [
        ConditionView(
            side=side,
            left="20-bar return",
            operator=operator,
            right=f"{limit:+.2f}",
            left_value=score,
            right_value=limit,
            passed=score > limit if operator == ">" else score < limit,
        )
        for side, operator, limit in (("buy", ">", 0.02), ("sell", "<", -0.02))
    ]


def _risk_checks(quantity: Decimal, *, passed: bool) -> list[RiskCheckView]:
    names = ("trading_is_allowed", "daily_loss_is_bearable", "position_stays_small")
    limits = (None, "-2.00 %", "10.0 %")
    values = ("ACTIVE", "0.41 %", "9.8 %" if passed else "14.1 %")
    return [
        RiskCheckView(
            position=i,
            name=name,
            code=name.upper(),
            passed=passed or i < 2,
            value=values[i],
            limit=limits[i],
            detail=f"{name} was looked at",
            quantity_before=quantity + 4 if i == 2 else quantity,
            quantity_after=quantity,
        )
        for i, name in enumerate(names)
    ]


def _order(
    decision: DecisionView, side: str, quantity: Decimal, fill: TradeView
) -> OrderView:
    at = decision.bar_end
    return OrderView(
        order_id=fill.order_id,
        signal_id=decision.signal_id,
        correlation_id=decision.correlation_id,
        client_order_id=f"t1-{str(fill.order_id)[:18]}",
        broker_order_id=str(identity("broker", fill.order_id)),
        strategy=STRATEGY,
        symbol=decision.symbol,
        side=side,
        quantity=quantity,
        order_type="market",
        time_in_force="day",
        limit_price=None,
        stop_price=None,
        decision_price=Decimal(str(decision.close)),
        status="FILLED",
        reason=None,
        filled_quantity=quantity,
        average_fill_price=fill.price,
        slippage_bps=1.2,
        tag="",
        valid_until=at + timedelta(hours=1),
        created_at=at,
        submitted_at=at,
        accepted_at=at,
        first_fill_at=fill.timestamp,
        closed_at=fill.timestamp,
        market_time=at,
        attempts=[
            AttemptView(
                attempt=1,
                claimed_at=at,
                ended_at=at,
                outcome="accepted",
                http_status=200,
                detail=None,
            )
        ],
        trades=[fill],
        history=[
            OrderEventView(at=at, market_time=at, status=status, detail="")
            for status in ("READY", "SUBMITTING", "ACCEPTED", "FILLED")
        ],
    )


def _trip(entry: TradeView, closing: TradeView) -> RoundTripView:
    gross = (closing.price - entry.price) * entry.quantity
    return RoundTripView(
        round_trip_id=identity("trip", closing.order_id),
        strategy=STRATEGY,
        symbol=entry.symbol,
        side="long",
        quantity=entry.quantity,
        entry_time=entry.timestamp,
        exit_time=closing.timestamp,
        entry_price=entry.price,
        exit_price=closing.price,
        gross_pnl=gross,
        fees=Decimal("0.04"),
        net_pnl=gross - Decimal("0.04"),
        return_fraction=float(closing.price / entry.price - 1),
        mae=Decimal("-41.20"),
        mfe=Decimal("118.75"),
        bars_held=9,
        entry_order_id=entry.order_id,
        exit_order_id=closing.order_id,
    )


def _limits() -> list[LimitView]:
    rows = (
        ("max_daily_loss", "account", "0.02", "0.0041", 0.2),
        ("max_position_size", "account", "0.10", "0.098", 0.98),
        ("max_gross_exposure", "account", "1.0", "0.39", 0.39),
        ("max_orders_per_day", "strategy", "200", "200", 1.0),
        ("max_order_notional", "account", "0.15", None, None),
    )
    return [
        LimitView(
            limit_type=kind,
            scope=scope,
            scope_id=STRATEGY if scope == "strategy" else "",
            limit_value=Decimal(limit),
            value=None if value is None else Decimal(value),
            used=used,
            updated_at=NOW,
        )
        for kind, scope, limit, value, used in rows
    ]


SCHEMA = {
    "properties": {
        "lookback_period": {
            "type": "integer",
            "minimum": 1,
            "maximum": 5000,
            "default": 20,
            "description": "Bars to look back.",
        },
        "threshold": {
            "type": "number",
            "exclusiveMinimum": 0,
            "default": 0.02,
            "description": "Return that counts as a move.",
        },
    }
}


def exposure(equity: Decimal, held: Decimal) -> ExposureView:
    """Return an account without shorts that holds so much."""
    return ExposureView(
        account_id="simulated",
        equity=equity,
        cash=equity - held,
        long_value=held,
        short_value=Decimal(0),
        gross=held,
        net=held,
        gross_fraction=float(held / equity),
        net_fraction=float(held / equity),
        open_positions=4 if held else 0,
        day_start_equity=equity if held else None,
        day_pnl=Decimal("412.10") if held else None,
        peak_equity=equity if held else None,
        drawdown=0.004 if held else None,
        value_at_risk=Decimal("812.20") if held else None,
        market_time=NOW,
    )


def backtest(lookback: int) -> BacktestView:
    """Return a backtest with a lookback."""
    return BacktestView(
        backtest_id=identity("backtest", str(lookback)),
        strategy=STRATEGY,
        status="done",
        parameters={"lookback_period": lookback, "threshold": 0.02},
        symbols=list(SYMBOLS),
        period_start=date(2026, 1, 2),
        period_end=date(2026, 11, 20),
        created_at=NOW,
        summary="41 trades, return 6.20%",
        metrics=_figures(),
        trades=41,
        total_return=0.062,
        provenance={"engine": "1", "bars": "9f2c41d08ab3"},
    )


def _figures() -> list[MetricView]:
    return [
        MetricView(
            name="total_return", value=0.062, unit="ratio", n=222, convention="plain"
        ),
        MetricView(
            name="sharpe",
            value=1.034,
            unit="number",
            n=221,
            convention="daily returns, 252 days a year, risk-free 0",
        ),
        MetricView(
            name="profit_factor",
            value=None,
            unit="number",
            n=41,
            convention="gains over losses",
            reason="is infinite",
        ),
    ]


def _performance() -> list[PerformanceView]:
    return [
        PerformanceView(
            strategy=name,
            date=NOW.date(),
            returns=0.0041,
            sharpe_ratio=1.034,
            metrics=_figures(),
        )
        for name in (STRATEGY, "portfolio")
    ]


def _breaker() -> BreakerView:
    return BreakerView(
        breaker_id=identity("breaker"),
        scope="strategy",
        scope_id=STRATEGY,
        type="max_daily_loss",
        session_day=NOW.date(),
        automatic_reset=False,
        value=Decimal("0.021"),
        limit_value=Decimal("0.02"),
        evidence={},
        tripped_at=NOW,
        reset_at=None,
        reset_by=None,
        reset_reason=None,
    )


def _warning() -> RiskEventView:
    return RiskEventView(
        event_id=identity("warning"),
        type="max_daily_loss",
        severity="warning",
        message="The daily loss is -1.8 % of -2.0 %.",
        timestamp=NOW,
    )


def _lock() -> SymbolLockView:
    return SymbolLockView(
        symbol="XOM",
        until=NOW + timedelta(days=2),
        reason="Earnings tonight.",
        locked_by="dashboard",
        market_time=NOW - timedelta(hours=1),
        locked_at=NOW - timedelta(hours=1),
    )


def _audit() -> list[AuditView]:
    old = {"limit_type": "max_daily_loss", "limit_value": 0.02, "version": 1}
    return [
        AuditView(
            audit_id=2,
            at=NOW - timedelta(minutes=2),
            user_id="dashboard",
            db_role="trading_risk",
            table_name="risk_management.risk_limits",
            operation="UPDATE",
            old_values=old,
            new_values=old | {"limit_value": 0.01, "version": 2},
            reason="Calmer.",
        ),
        AuditView(
            audit_id=1,
            at=NOW - timedelta(minutes=9),
            user_id="ada",
            db_role="trading_risk",
            table_name="risk_management.symbol_locks",
            operation="INSERT",
            old_values=None,
            new_values={"symbol": "XOM", "reason": "Earnings tonight."},
            reason="Earnings tonight.",
        ),
    ]


def _what_if() -> WhatIfView:
    return WhatIfView(
        approved=True,
        code="APPROVED",
        detail="Every check passed.",
        quantity=Decimal(10),
        checks=_risk_checks(Decimal(10), passed=True),
    )


def _preferences() -> list[PreferenceView]:
    return [
        PreferenceView(
            kind=kind,
            channel=channel,
            enabled=channel == "dashboard",
            min_severity="info",
        )
        for kind in ("trade", "risk")
        for channel in ("dashboard", "email")
    ]


def _fault() -> QualityLogView:
    return QualityLogView(
        log_id=1,
        symbol="XOM",
        check_type="missing_bar",
        status="open",
        message="The bar of 18 Nov 13:00 is missing.",
        bar_timestamp=NOW,
        created_at=NOW,
    )


def _runs() -> list[JobView]:
    return [
        JobView(
            job=name,
            scheduled_for=NOW,
            status=status,
            attempt=1,
            summary=summary,
        )
        for name, status, summary in (
            ("fetch_market_data", "done", "7 bars of 17:00"),
            ("reconcile_trades", "failed", None),
        )
    ]


def _version() -> StrategyVersionView:
    return StrategyVersionView(
        version=3,
        status="enabled",
        parameters={"lookback_period": 20, "threshold": 0.02},
        risk_limits={},
        source="person",
        source_hash="9f2c41d08ab3",
        reason="Fewer false starts.",
        created_by="dashboard",
        created_at=NOW,
    )


def _books() -> ReconciliationView:
    return ReconciliationView(
        run_id=identity("run"),
        started_at=NOW,
        finished_at=NOW,
        clean=True,
        complete=True,
        differences=[],
        summary="4 positions, 1 open order and cash agree.",
    )


def _alerts() -> list[NotificationView]:
    rows = (
        ("info", "Bought 42 NVDA at 236.10", "momentum_strategy opened a position."),
        ("warning", "Bars came late", "XOM came 6 minutes after its hour."),
        ("critical", "The daily loss is near its limit", "−1.8 % of −2.0 %."),
    )
    return [
        NotificationView(
            notification_id=identity("note", title),
            kind="alert",
            severity=severity,
            title=title,
            message=message,
            link="/orders" if severity == "info" else None,
            correlation_id=None,
            created_at=NOW - timedelta(minutes=5 * i),
            read_at=NOW if i == 0 else None,
        )
        for i, (severity, title, message) in enumerate(rows)
    ]


def _log() -> list[LogView]:
    return [
        LogView(
            log_id=1,
            service="ingestion",
            level="WARNING",
            message="2 bars of XOM are missing on 18 Nov",
            timestamp=NOW,
        )
    ]


def _checks() -> SystemHealthView:
    rows = (("postgresql", "pass", "18 connections of 100"), ("redis", "pass", "8 MB"))
    rows += (("broker", "warn", "answers in 1.2 s"),)
    return SystemHealthView(
        status="warn",
        checks=[
            HealthCheckView(component=name, status=state, detail=text, checked_at=NOW)
            for name, state, text in rows
        ],
        checked_at=NOW,
    )


def _health() -> dict[tuple[str, str], Any]:
    names = (
        "ingestion",
        "strategy",
        "risk",
        "execution",
        "analytics",
        "notification",
    )
    check = CheckView(component="database", status="pass", output="2 ms", time=NOW)
    lag = check.model_copy(update={"component": "events", "output": "0 events behind"})
    return {
        (name, "/health"): HealthView(
            status="pass",
            service=name,
            version="0.1.0",
            instance="1",
            checks=[check, lag],
        )
        for name in names
    }


def _json(value: Any) -> httpx.Response:
    return httpx.Response(
        200,
        content=TypeAdapter(Any).dump_json(value),
        headers={"content-type": "application/json"},
    )


def _problem(status: int, code: str, detail: str) -> httpx.Response:
    return httpx.Response(status, json={"detail": detail, "code": code})
