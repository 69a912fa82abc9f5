"""Books as execution and ingestion write them: orders, executions, values, bars."""

import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from trading_analytics import operations
from trading_analytics.repository import AnalyticsTransaction
from trading_system.consumer import Consumer
from trading_system.contracts.analytics import AnalyticsRunResult
from trading_system.database import Database
from trading_system.vocabulary import TIMEFRAME, new_id

FEED, MOMENTUM = "iex", "momentum_strategy"
MONDAY, TUESDAY, WEDNESDAY = (date(2026, 3, day) for day in (2, 3, 4))
DAYS = (MONDAY, TUESDAY, WEDNESDAY)
"""Three sessions in winter: they last from 14:30 to 21:00 UTC."""


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """Return an instant of a day, UTC."""
    return datetime.combine(day, time(hour, minute), UTC)


@dataclass
class Books:
    """The books of one account, and shorthand for what happens in them."""

    database: Database[AnalyticsTransaction]
    account_id: str
    first_event: int = 0

    def sql(self, statement: str, **values: Any) -> Any:
        values = {"account": self.account_id, **values}
        with self.database.transaction() as tx:
            result: Any = tx.session.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def opening(self, cash: str, time: datetime) -> None:
        self.sql(
            "insert into execution.ledger (account_id, kind, reference, strategy,"
            " cash_delta, timestamp) values (:account, 'transfer', :reference,"
            " 'account', :cash, :time)",
            reference=secrets.token_hex(8),
            cash=Decimal(cash),
            time=time,
        )

    def fill(
        self,
        side: str,
        quantity: str,
        price: str,
        time: datetime,
        *,
        strategy: str = MOMENTUM,
        symbol: str = "AAPL",
        fees: str = "0",
        decided: str | None = None,
    ) -> UUID:
        """Record an order that was executed whole; return its id."""
        order, decided_at = new_id(), Decimal(decided or price)
        values = {
            "order": order,
            "signal": new_id(),
            "correlation": new_id(),
            "client": secrets.token_hex(8),
            "broker": secrets.token_hex(8),
            "strategy": strategy,
            "symbol": symbol,
            "side": side,
            "quantity": Decimal(quantity),
            "price": Decimal(price),
            "decided": decided_at,
            "fees": Decimal(fees),
            "time": time,
        }
        self.sql(
            "insert into execution.orders (order_id, account_id, signal_id,"
            " correlation_id, client_order_id, broker_order_id, strategy, symbol, side,"
            " quantity, order_type, time_in_force, decision_price, valid_until, status,"
            " filled_quantity, average_fill_price, market_time, as_of) values (:order,"
            " :account, :signal, :correlation, :client, :broker, :strategy, :symbol,"
            " :side, :quantity, 'market', 'day', :decided, :time, 'FILLED', :quantity,"
            " :price, :time, :time)",
            **values,
        )
        self.sql(
            "insert into execution.trades (trade_id, order_id, account_id, strategy,"
            " symbol, side, quantity, price, fees, timestamp, broker_order_id,"
            " cumulative_quantity, source) values (:trade, :order, :account, :strategy,"
            " :symbol, :side, :quantity, :price, :fees, :time, :broker, :quantity,"
            " 'stream')",
            trade=new_id(),
            **values,
        )
        return order

    def worth(self, equity: str, time: datetime, closed: bool = True) -> None:
        """Record what the account is worth at a market time."""
        self.sql(
            "insert into execution.account_snapshots (account_id, market_time, cash,"
            " equity, long_value, short_value, unrealized_pnl, realized_pnl,"
            " session_closed, ledger_entry) values (:account, :time, :equity, :equity,"
            " 0, 0, 0, 0, :closed, 0)",
            time=time,
            equity=Decimal(equity),
            closed=closed,
        )

    def holds(self, symbol: str, quantity: str, cost: str, value: str) -> None:
        """Set a position as execution marked it."""
        self.sql(
            "insert into execution.positions (account_id, symbol, quantity, cost,"
            " market_value, unrealized_pnl) values (:account, :symbol, :quantity,"
            " :cost, :value, :value - :cost)",
            symbol=symbol,
            quantity=Decimal(quantity),
            cost=Decimal(cost),
            value=Decimal(value),
        )

    def bar(
        self,
        symbol: str,
        start: datetime,
        close: float,
        low: float | None = None,
        high: float | None = None,
        feed: str = FEED,
    ) -> None:
        """Store an hour's bar that opened where it closed."""
        self.sql(
            "insert into data_ingestion.market_data (symbol, timeframe, timestamp,"
            " feed, open, high, low, close, volume, bar_end, received_at, source)"
            " values (:symbol, :timeframe, :start, :feed, :close, :high, :low, :close,"
            " 1000, :end, :end, 'test')",
            symbol=symbol,
            timeframe=TIMEFRAME,
            start=start,
            feed=feed,
            close=close,
            high=close if high is None else high,
            low=close if low is None else low,
            end=start + timedelta(hours=1),
        )

    def events(self, topic: str) -> list[dict[str, Any]]:
        """Return what has been said on a topic since the books were opened."""
        rows = self.sql(
            "select payload from shared.events where topic = :topic and seq > :first"
            " order by seq",
            topic=f"analytics.{topic}",
            first=self.first_event,
        )
        return [payload for (payload,) in rows]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table of analytics."""
        found = self.sql(f"select to_jsonb(r) from analytics.{table} r")
        return [row for (row,) in found]

    def portfolio(self) -> list[dict[str, Any]]:
        """Return the rows of the portfolio, by symbol."""
        return sorted(
            self.rows("portfolio_summary"), key=lambda row: str(row["symbol"])
        )

    def heard(self, consumer: Consumer[AnalyticsTransaction]) -> None:
        """Let a consumer hear everything that is in the log."""
        while consumer.consume():
            pass
        assert not self.sql(
            "select last_error from shared.dead_letters where consumer = 'analytics'"
        )

    def state(self) -> dict[str, list[Any]]:
        """Return every row of analytics, and when each was last written."""
        tables = "portfolio_summary performance_metrics round_trips reports backtests"
        return {
            table: self.sql(
                f"select to_jsonb(r), xmin::text from analytics.{table} r"
                " order by to_jsonb(r)::text"
            )
            for table in tables.split()
        }

    def follow(self, strategy: str = MOMENTUM, symbol: str = "AAPL") -> int:
        with self.database.transaction() as tx:
            return operations.follow_round_trips(tx, FEED, strategy, symbol)

    def analyze(self) -> AnalyticsRunResult:
        with self.database.transaction() as tx:
            return operations.analyze_trades(tx, FEED)

    def perform(self) -> AnalyticsRunResult:
        with self.database.transaction() as tx:
            return operations.calculate_performance(tx, FEED)
