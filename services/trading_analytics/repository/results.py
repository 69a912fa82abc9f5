"""What analytics found: rows that are written again only when they differ."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, desc, func, inspect, select, tuple_
from sqlalchemy.orm import Session

from trading_analytics.models import (
    BacktestRow,
    PerformanceMetric,
    PortfolioSummary,
    ReportRow,
    RoundTripRow,
)
from trading_system.errors import NotFound
from trading_system.models import Base

R = TypeVar("R", bound=Base)

SHADOW_REPLAY = "shadow_replay"
"""The kind of report that is a day run again, kept apart from those to be read."""


class Results:
    """Rows of the schema `analytics`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, row: Base) -> bool:
        """Store a row under its key; return whether anything is new or different."""
        kind = type(row)
        keys = [column.key for column in inspect(kind).primary_key if column.key]
        found = self._session.get(kind, tuple(getattr(row, key) for key in keys))
        if found is None:
            self._session.add(row)
            self._session.flush()
            return True
        given = {
            column.key: getattr(row, column.key)
            for column in inspect(kind).columns
            if column.key in row.__dict__ and column.key not in keys
        }
        changed = {k: v for k, v in given.items() if getattr(found, k) != v}
        for key, value in changed.items():
            setattr(found, key, value)
        return bool(changed)

    def portfolio(self, account_id: str) -> list[PortfolioSummary]:
        """Return the portfolio's rows, by symbol."""
        query = select(PortfolioSummary).where(
            PortfolioSummary.account_id == account_id
        )
        return list(self._session.scalars(query.order_by(PortfolioSummary.symbol)))

    def drop_portfolio_rows(self, account_id: str, keep: set[str]) -> None:
        """Remove the rows of symbols that are no longer in the books."""
        self._session.execute(
            delete(PortfolioSummary).where(
                PortfolioSummary.account_id == account_id,
                PortfolioSummary.symbol.not_in(keep),
            )
        )

    def performance(
        self, strategy: str | None, latest: bool, limit: int
    ) -> list[PerformanceMetric]:
        """Return performance, newest first; `latest` takes the last day of each."""
        query = select(PerformanceMetric)
        if strategy:
            query = query.where(PerformanceMetric.strategy == strategy)
        if latest:
            last = (
                select(PerformanceMetric.strategy, func.max(PerformanceMetric.date))
                .group_by(PerformanceMetric.strategy)
                .subquery()
            )
            query = query.join(
                last,
                (last.c[0] == PerformanceMetric.strategy)
                & (last.c[1] == PerformanceMetric.date),
            )
        query = query.order_by(desc(PerformanceMetric.date), PerformanceMetric.strategy)
        return list(self._session.scalars(query.limit(limit)))

    def round_trips(
        self,
        strategy: str | None = None,
        symbol: str | None = None,
        closed: bool | None = None,
        limit: int = 200,
        before: UUID | None = None,
    ) -> list[RoundTripRow]:
        """Return round trips, newest entry first; go on `before` the last one."""
        query = select(RoundTripRow)
        if strategy:
            query = query.where(RoundTripRow.strategy == strategy)
        if symbol:
            query = query.where(RoundTripRow.symbol == symbol)
        if closed is not None:
            there = RoundTripRow.exit_time.is_not(None)
            query = query.where(there if closed else ~there)
        if before is not None:
            last = self._session.get(RoundTripRow, before)
            if last is None:
                return []
            place = tuple_(RoundTripRow.entry_time, RoundTripRow.round_trip_id)
            query = query.where(place < (last.entry_time, last.round_trip_id))
        query = query.order_by(
            desc(RoundTripRow.entry_time), desc(RoundTripRow.round_trip_id)
        )
        return list(self._session.scalars(query.limit(limit)))

    def round_trips_of_order(self, order_id: UUID) -> list[RoundTripRow]:
        """Return the round trips that an order opened or closed."""
        query = select(RoundTripRow).where(
            (RoundTripRow.entry_order_id == order_id)
            | (RoundTripRow.exit_order_id == order_id)
        )
        return list(self._session.scalars(query.order_by(RoundTripRow.entry_time)))

    def round_trip(self, round_trip_id: UUID) -> RoundTripRow | None:
        """Return a round trip, or None."""
        return self._session.get(RoundTripRow, round_trip_id)

    def drop_round_trips(self, rows: Sequence[RoundTripRow]) -> int:
        """Remove what is no round trip any more; return how many there were."""
        for row in rows:
            self._session.delete(row)
        return len(rows)

    def round_trips_in(self, strategy: str, symbol: str) -> dict[UUID, RoundTripRow]:
        """Return a strategy's round trips in a symbol, by their ids."""
        query = select(RoundTripRow).where(
            RoundTripRow.strategy == strategy, RoundTripRow.symbol == symbol
        )
        return {row.round_trip_id: row for row in self._session.scalars(query)}

    def reports(self, limit: int = 100) -> list[ReportRow]:
        """Return reports, newest first."""
        query = select(ReportRow).where(ReportRow.kind != SHADOW_REPLAY)
        query = query.order_by(desc(ReportRow.created_at)).limit(limit)
        return list(self._session.scalars(query))

    def shadow_replays(self, limit: int) -> list[ReportRow]:
        """Return the replays of days, newest day first."""
        query = select(ReportRow).where(ReportRow.kind == SHADOW_REPLAY)
        query = query.order_by(desc(ReportRow.period_start)).limit(limit)
        return list(self._session.scalars(query))

    def shadow_replay(self, day: date) -> ReportRow | None:
        """Return the replay of a day, if there is one."""
        query = select(ReportRow).where(
            ReportRow.kind == SHADOW_REPLAY, ReportRow.period_start == day
        )
        return self._session.scalar(query)

    def report(self, report_id: UUID) -> ReportRow:
        """Return a report."""
        return self._one(ReportRow, report_id, "report")

    def backtests(self, limit: int = 100) -> list[BacktestRow]:
        """Return backtests, newest first."""
        query = select(BacktestRow).order_by(desc(BacktestRow.created_at)).limit(limit)
        return list(self._session.scalars(query))

    def backtest(self, backtest_id: UUID) -> BacktestRow:
        """Return a backtest."""
        return self._one(BacktestRow, backtest_id, "backtest")

    def known_backtest(self, backtest_id: UUID) -> BacktestRow | None:
        """Return a backtest, or None when it was never run."""
        return self._session.get(BacktestRow, backtest_id)

    def profits(self, strategy: str | None) -> list[tuple[date, Decimal]]:
        """Return the day of each ended round trip and its net profit, in order."""
        day = func.date(func.timezone("America/New_York", RoundTripRow.exit_time))
        query = select(day, RoundTripRow.net_pnl).where(
            RoundTripRow.exit_time.is_not(None), RoundTripRow.net_pnl.is_not(None)
        )
        if strategy:
            query = query.where(RoundTripRow.strategy == strategy)
        query = query.order_by(RoundTripRow.exit_time, RoundTripRow.round_trip_id)
        return [(ended, net) for ended, net in self._session.execute(query)]

    def _one(self, kind: type[R], key: Any, word: str) -> R:
        found = self._session.get(kind, key)
        if found is None:
            raise NotFound(f"There is no {word} {key}.")
        return found
