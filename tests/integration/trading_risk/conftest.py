"""An account in a real database: cash, bars, shares, clean books, and its risk."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from trading_risk import operations
from trading_risk.models import RiskOutcome
from trading_risk.ports import Surroundings
from trading_risk.repository import RiskTransaction
from trading_system.clock import utc_now
from trading_system.contracts.strategy import SignalGenerated
from trading_system.database import Database
from trading_system.vocabulary import (
    TIMEFRAME,
    Side,
    correlation_id,
    decision_id,
    new_id,
    signal_id,
)

FEED = "iex"
NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)
"""A bar's end in the middle of the session of Tuesday, 5 March 2024."""

SESSIONS = ("2024-03-01", "2024-03-04", "2024-03-05", "2024-03-06")


class FakeKillSwitch:
    """A kill switch that tests pull."""

    pulled = False

    def is_pulled(self) -> bool:
        return self.pulled


@dataclass
class Account:
    """One account of the database, and shorthand for what happens to it."""

    database: Database[RiskTransaction]
    account_id: str
    switch: FakeKillSwitch = field(default_factory=FakeKillSwitch)

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(self.switch, FEED)

    def sql(self, statement: str, **values: Any) -> Any:
        values = {"account": self.account_id, **values}
        with self.database.transaction() as tx:
            result = tx.session.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def bar(self, symbol: str, end: datetime, close: float) -> None:
        self.sql(
            "insert into data_ingestion.market_data (symbol, timeframe, timestamp,"
            " feed, open, high, low, close, volume, bar_end, received_at, source)"
            " values (:symbol, :timeframe, :start, :feed, :close, :close, :close,"
            " :close, 1000, :end, :end, 'test')"
            " on conflict (symbol, timeframe, timestamp, feed)"
            " do update set close = excluded.close, open = excluded.open,"
            " high = excluded.high, low = excluded.low",
            symbol=symbol,
            timeframe=TIMEFRAME,
            start=end - timedelta(hours=1),
            feed=FEED,
            close=close,
            end=end,
        )

    def cash(self, amount: str) -> None:
        self.ledger("transfer", "", None, "0", amount)

    def holds(
        self, symbol: str, quantity: str, price: str, strategy: str = "momentum"
    ) -> None:
        paid = -Decimal(quantity) * Decimal(price)
        self.ledger("fill", strategy, symbol, quantity, str(paid))

    def ledger(
        self, kind: str, strategy: str, symbol: str | None, shares: str, cash: str
    ) -> None:
        self.sql(
            "insert into execution.ledger (account_id, kind, reference, strategy,"
            " symbol, quantity_delta, cash_delta, timestamp) values (:account, :kind,"
            " :reference, :strategy, :symbol, :shares, :cash, :time)",
            kind=kind,
            reference=secrets.token_hex(8),
            strategy=strategy,
            symbol=symbol,
            shares=Decimal(shares),
            cash=Decimal(cash),
            time=NOON,
        )

    def write_order(
        self,
        outcome: RiskOutcome,
        status: str = "READY",
        filled: str = "0",
        limit_price: str | None = None,
        replaces: UUID | None = None,
    ) -> None:
        """Do what execution does with an approval."""
        self.sql(
            "insert into execution.orders (order_id, account_id, signal_id,"
            " client_order_id, strategy, symbol, side, quantity, order_type,"
            " time_in_force, limit_price, decision_price, valid_until, status,"
            " filled_quantity, market_time, as_of, parent_order_id, replaces_order_id)"
            " values (:order, :account, :signal, :client, :strategy, :symbol, :side,"
            " :quantity, :type, 'day', :limit, :price, :time, :status, :filled, :time,"
            " :time, :replaces, :replaces)",
            replaces=replaces,
            type="market" if limit_price is None else "limit",
            limit=limit_price,
            order=outcome.order_id,
            signal=outcome.signal_id,
            client=secrets.token_hex(8),
            strategy=outcome.strategy,
            symbol=outcome.symbol,
            side=outcome.side,
            quantity=outcome.quantity,
            price=outcome.decision_price,
            status=status,
            filled=Decimal(filled),
            time=NOON,
        )

    def clean_books(self, clean: bool = True, age: float = 0) -> None:
        with self.database.transaction() as tx:
            tx.states.books_compared(
                new_id(),
                clean,
                "clean" if clean else "AAPL differs",
                utc_now() - timedelta(seconds=age),
                NOON,
            )

    def limit(self, limit_type: str, value: str, scope: str = "account", of: str = ""):
        with self.database.transaction() as tx:
            operations.set_limit(
                tx,
                limit_type=limit_type,
                value=Decimal(value),
                scope=scope,
                scope_id=of,
                reason="test",
                by="tester",
            )

    def signal(
        self,
        symbol: str = "AAPL",
        side: Side = Side.BUY,
        price: str = "100",
        strategy: str = "momentum",
        at: datetime = NOON,
        **more: Any,
    ) -> SignalGenerated:
        decision = decision_id(strategy + self.account_id, symbol, TIMEFRAME, at)
        values: dict[str, Any] = {
            "correlation_id": correlation_id(symbol, TIMEFRAME, at),
            "signal_id": signal_id(decision),
            "decision_id": decision,
            "strategy": strategy,
            "strategy_version": 1,
            "symbol": symbol,
            "side": side,
            "timeframe": TIMEFRAME,
            "bar_start": at - timedelta(hours=1),
            "bar_end": at,
            "decision_price": Decimal(price),
            "reason": "test",
            "max_position_size": 0.1,
            "may_trade": True,
            "session_closed": False,
            "valid_until": at + timedelta(hours=1),
            "market_time": at,
        }
        return SignalGenerated(**{**values, **more})

    def decide(self, signal: SignalGenerated) -> RiskOutcome:
        with self.database.transaction() as tx:
            return operations.decide(
                tx,
                operations.request_of(signal),
                self.surroundings,
                signal.market_time,
            )

    def ask(self, symbol: str = "AAPL", **more: Any) -> RiskOutcome:
        """Have a signal decided."""
        return self.decide(self.signal(symbol, **more))

    def events(self, topic: str) -> list[dict[str, Any]]:
        rows = self.sql(
            "select payload from shared.events where topic = :topic"
            " and seq > :after order by seq",
            topic=topic,
            after=self.first_event,
        )
        return [row.payload for row in rows]

    first_event: int = 0

    def outcomes(self) -> int:
        return self.sql(
            "select count(*) from risk_management.risk_outcomes"
            " where account_id = :account"
        )[0][0]

    def state(self) -> tuple[str, int, str]:
        with self.database.read_only() as tx:
            view = operations.trading_state(tx)
            return view.state.value, view.level, view.set_by


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database[RiskTransaction]]:
    """The module's database with its calendar."""
    database = Database.connect(database_url, RiskTransaction, "test")
    with database.transaction() as tx:
        for day in SESSIONS:
            tx.session.execute(
                text(
                    "insert into shared.sessions (day, open, close) values (:day,"
                    " (:day || ' 14:30Z')::timestamptz,"
                    " (:day || ' 21:00Z')::timestamptz)"
                ),
                {"day": day},
            )
    yield database
    database.close()


@pytest.fixture
def new_account(database: Database[RiskTransaction]) -> Callable[[], Account]:
    """Bind the database to a fresh account, with nothing done for it yet."""

    def bound() -> Account:
        account = Account(database, f"test-{secrets.token_hex(4)}")
        account.sql(
            "insert into shared.system_config (config_key, config_value)"
            " values ('account_id', cast(:value as jsonb))"
            " on conflict (config_key) do update set config_value ="
            " excluded.config_value",
            value=json.dumps(account.account_id),
        )
        account.first_event = account.sql(
            "select coalesce(max(seq), 0) from shared.events"
        )[0][0]
        return account

    return bound


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Account:
    """An account that is ready to trade: $100,000, bars at $100, clean books."""
    account = new_account()
    with account.database.transaction() as tx:
        operations.prepare(tx)
    account.cash("100000")
    account.clean_books()
    for symbol in ("AAPL", "MSFT", "XOM"):
        account.bar(symbol, NOON, 100.0)
    return account


@pytest.fixture
def checks(account: Account) -> Callable[[UUID], dict[str, Any]]:
    """Return the stored checks of an outcome by name."""

    def stored(outcome_id: UUID) -> dict[str, Any]:
        with account.database.read_only() as tx:
            found = tx.outcomes.checks([outcome_id])[outcome_id]
            return {check.name: check for check in found}

    return stored
