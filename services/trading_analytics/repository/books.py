"""What other services recorded: executions, positions, account values, bars."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from trading_core.calendar import NEW_YORK
from trading_core.ledger import Execution
from trading_system.vocabulary import TIMEFRAME


@dataclass(frozen=True)
class Traded:
    """An execution and the order it belongs to."""

    execution: Execution
    trade_id: UUID
    order_id: UUID
    correlation_id: UUID | None
    decision_price: Decimal | None

    @property
    def day(self) -> date:
        """The session's date in New York."""
        return self.execution.time.astimezone(NEW_YORK).date()


@dataclass(frozen=True)
class AccountValue:
    """What the account was worth at a market time."""

    market_time: datetime
    cash: Decimal
    equity: Decimal
    session_closed: bool

    @property
    def day(self) -> date:
        """The session's date in New York."""
        return self.market_time.astimezone(NEW_YORK).date()


class Books:
    """Reads what the contracts of execution and ingestion allow."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def strategies(self) -> list[str]:
        """Return every strategy that has traded."""
        rows = self._session.execute(
            text("select distinct strategy from analytics.executions order by strategy")
        )
        return list(rows.scalars())

    def traded_pairs(self) -> list[tuple[str, str]]:
        """Return every strategy and symbol with an execution."""
        rows = self._session.execute(
            text(
                "select distinct strategy, symbol from analytics.executions"
                " order by strategy, symbol"
            )
        )
        return [(strategy, symbol) for strategy, symbol in rows]

    def executions(self, strategy: str, symbol: str | None = None) -> list[Traded]:
        """Return a strategy's executions, oldest first."""
        rows = self._session.execute(
            text(
                "select t.trade_id, t.order_id, t.symbol, t.side, t.quantity, t.price,"
                " t.fees, t.timestamp, o.correlation_id, o.decision_price"
                " from analytics.executions t join execution.orders o using (order_id)"
                " where t.strategy = :strategy"
                " and (cast(:symbol as text) is null or t.symbol = :symbol)"
                " order by t.timestamp, t.broker_order_id nulls first,"
                " t.cumulative_quantity, t.trade_id"
            ),
            {"strategy": strategy, "symbol": symbol},
        )
        return [_traded(row) for row in rows]

    def values(self) -> list[AccountValue]:
        """Return the last recorded value of each session, oldest first.

        Values of days without a session, such as of a start at the weekend, are left
        out: a day on which nothing could happen is no observation.
        """
        rows = self._session.execute(
            text(
                "select distinct on (s.day) a.market_time, a.cash, a.equity,"
                " a.session_closed from execution.account_snapshots a"
                " join shared.sessions s on s.day ="
                " (a.market_time at time zone 'America/New_York')::date"
                " and a.market_time >= s.open"
                " order by s.day, a.market_time desc"
            )
        )
        return [AccountValue(*row) for row in rows]

    def opening_equity(self) -> Decimal | None:
        """Return what the account held when trading began."""
        value: Decimal | None = self._session.scalar(
            text("select sum(cash_delta) from execution.ledger where kind = 'transfer'")
        )
        return value

    def latest_market_time(self) -> datetime | None:
        """Return the market time of the last recorded account value."""
        found: datetime | None = self._session.scalar(
            text("select max(market_time) from execution.account_snapshots")
        )
        return found

    def positions(self, account_id: str) -> list[tuple[str, Decimal, Decimal]]:
        """Return symbol, value and profit of each position that is or was held."""
        rows = self._session.execute(
            text(
                "select symbol, coalesce(market_value, cost),"
                " realized_pnl + coalesce(unrealized_pnl, 0)"
                " from execution.positions where account_id = :account"
            ),
            {"account": account_id},
        )
        return [(symbol, value, pnl) for symbol, value, pnl in rows]

    def cash(self, account_id: str) -> Decimal:
        """Return the ledger's cash."""
        found = self._session.scalar(
            text(
                "select coalesce(sum(cash_delta), 0) from execution.ledger"
                " where account_id = :account"
            ),
            {"account": account_id},
        )
        return Decimal(found or 0)

    def closes(
        self, feed: str, first: date, last: date
    ) -> dict[date, dict[str, Decimal]]:
        """Return the last stored close of each symbol in each session."""
        rows = self._session.execute(
            text(
                "select distinct on (s.day, b.symbol) s.day, b.symbol, b.close"
                " from data_ingestion.market_data b join shared.sessions s"
                " on b.timestamp >= s.open and b.timestamp < s.close"
                " where b.timeframe = :timeframe and b.feed = :feed"
                " and s.day between :a and :b"
                " order by s.day, b.symbol, b.timestamp desc"
            ),
            {"timeframe": TIMEFRAME, "feed": feed, "a": first, "b": last},
        )
        found: dict[date, dict[str, Decimal]] = defaultdict(dict)
        for day, symbol, close in rows:
            found[day][symbol] = Decimal(str(close))
        return found

    def bars(
        self, symbol: str, feed: str, start: datetime, end: datetime
    ) -> list[tuple[datetime, Decimal, Decimal]]:
        """Return start, low and high of the bars that begin between two instants."""
        rows = self._session.execute(
            text(
                "select timestamp, low, high from data_ingestion.market_data"
                " where symbol = :symbol and timeframe = :timeframe and feed = :feed"
                " and timestamp >= :start and timestamp < :end order by timestamp"
            ),
            {
                "symbol": symbol,
                "timeframe": TIMEFRAME,
                "feed": feed,
                "start": start,
                "end": end,
            },
        )
        return [
            (time, Decimal(str(low)), Decimal(str(high))) for time, low, high in rows
        ]


def _traded(row: Any) -> Traded:
    return Traded(
        execution=Execution(
            symbol=row.symbol,
            side=row.side,
            quantity=row.quantity,
            price=row.price,
            time=row.timestamp,
            fees=row.fees,
            reference=str(row.trade_id),
        ),
        trade_id=row.trade_id,
        order_id=row.order_id,
        correlation_id=row.correlation_id,
        decision_price=row.decision_price,
    )
