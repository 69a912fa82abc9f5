"""Queries of what is held and ordered, and of the last prices."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from trading_core.money import price_of
from trading_risk.domain.books import Books, Holding, OpenOrder
from trading_risk.repository.placed import LIVE
from trading_system.vocabulary import TIMEFRAME

# One statement, hence one snapshot: an approval is counted as a reservation or as an
# order and never as neither, and cash and shares belong together.
_BOOKS = text(f"""
with ledger as (
  select strategy, coalesce(symbol, '') as symbol,
    sum(quantity_delta) as quantity, sum(cash_delta) as cash
  from execution.ledger where account_id = :account group by 1, 2),
open_orders as (
  -- Of an order's exits, and of an order and its replacement, one at most is filled.
  (select distinct on (coalesce(parent_order_id, order_id), side) order_id, strategy,
    symbol, side,
    greatest(quantity - netted_quantity - filled_quantity, 0) as quantity,
    coalesce(limit_price, stop_price, decision_price) as price, reduces
  from execution.orders
  where account_id = :account and {LIVE}
  order by coalesce(parent_order_id, order_id), side,
    quantity - netted_quantity - filled_quantity desc)
  union all
  select r.order_id, r.strategy, r.symbol, r.side, r.quantity, r.price, r.reduces
  from risk_management.reservations r
  where r.account_id = :account and not exists
    (select 1 from execution.orders o where o.order_id = r.order_id))
select null::uuid as order_id, strategy, symbol, null as side, quantity, cash,
  null::numeric as price, false as reduces
from ledger
union all
select order_id, strategy, symbol, side, quantity, 0, price, reduces from open_orders
""")

# The primary key begins with symbol and timeframe, so each symbol costs one look.
_CLOSES = text("""
select s.symbol, m.close
from unnest(cast(:symbols as text[])) as s(symbol)
cross join lateral (
  select close from data_ingestion.market_data b
  where b.symbol = s.symbol and b.timeframe = :timeframe and b.feed = :feed
    and b.timestamp < :at and b.bar_end <= :at
  order by b.timestamp desc limit 1) m
""")

_MARKS = text("""
select symbol, last_price, nullif(avg_price, 0) as cost
from execution.positions
where account_id = :account and symbol = any(:symbols)
""")

_DAILY_CLOSES = text("""
select distinct on (symbol, day) symbol, day, close from (
  select symbol, (timestamp at time zone 'America/New_York')::date as day, timestamp,
    close
  from data_ingestion.market_data
  where symbol = any(:symbols) and timeframe = :timeframe and feed = :feed
    and timestamp > :after and bar_end <= :at) bars
order by symbol, day, timestamp desc
""")


_CLOSES_AT = text("""
select symbol, close from data_ingestion.market_data
where timeframe = :timeframe and feed = :feed and bar_end = :at
""")


class BookKeeping:
    """What execution has on its books, and the market's last closes."""

    def __init__(self, session: Session, account_id: str) -> None:
        self._session = session
        self._account_id = account_id

    def read(self) -> Books:
        """Return positions, cash, open orders and own approvals at one instant."""
        holdings, orders = [], []
        for row in self._session.execute(_BOOKS, {"account": self._account_id}):
            if row.order_id is None:
                holdings.append(
                    Holding(row.strategy, row.symbol, row.quantity, row.cash)
                )
            else:
                orders.append(
                    OpenOrder(
                        row.order_id,
                        row.strategy,
                        row.symbol,
                        row.side,
                        row.quantity,
                        row.price,
                        row.reduces,
                    )
                )
        return Books(tuple(holdings), tuple(orders))

    def closes(
        self, symbols: Iterable[str], at: datetime, feed: str
    ) -> dict[str, Decimal]:
        """Return the last close of each symbol at a market time, where there is one."""
        rows = self._session.execute(
            _CLOSES,
            {
                "symbols": sorted(set(symbols)),
                "timeframe": TIMEFRAME,
                "feed": feed,
                "at": at,
            },
        )
        return {row.symbol: price_of(row.close) for row in rows}

    def closes_at(self, bar_end: datetime, feed: str) -> dict[str, Decimal]:
        """Return the closes of one bar, of every symbol that has it."""
        rows = self._session.execute(
            _CLOSES_AT, {"timeframe": TIMEFRAME, "feed": feed, "at": bar_end}
        )
        return {row.symbol: price_of(row.close) for row in rows}

    def prices(
        self, symbols: Iterable[str], at: datetime, feed: str
    ) -> dict[str, Decimal]:
        """Return a price for each symbol: its close, else its mark, else its cost.

        A position without a bar must not make the account's equity unknown, which
        would also stop its exit.
        """
        wanted = set(symbols)
        prices = self.closes(wanted, at, feed)
        missing = wanted - prices.keys()
        return {**self._marked(missing, or_cost=True), **prices}

    def marks(
        self, symbols: Iterable[str], at: datetime, feed: str
    ) -> dict[str, Decimal]:
        """Return a price for each symbol: as execution marks it, else as `prices`."""
        wanted = set(symbols)
        return {**self.prices(wanted, at, feed), **self._marked(wanted)}

    def _marked(
        self, symbols: Iterable[str], or_cost: bool = False
    ) -> dict[str, Decimal]:
        wanted = sorted(symbols)
        if not wanted:
            return {}
        rows = self._session.execute(
            _MARKS, {"account": self._account_id, "symbols": wanted}
        )
        found = {r.symbol: r.last_price or (or_cost and r.cost or None) for r in rows}
        return {symbol: price for symbol, price in found.items() if price}

    def daily_closes(
        self, symbols: Iterable[str], after: datetime, at: datetime, feed: str
    ) -> dict[date, dict[str, float]]:
        """Return each day's last close by symbol, oldest day first."""
        rows = self._session.execute(
            _DAILY_CLOSES,
            {
                "symbols": sorted(set(symbols)),
                "timeframe": TIMEFRAME,
                "feed": feed,
                "after": after,
                "at": at,
            },
        )
        days: dict[date, dict[str, float]] = {}
        for row in rows:
            days.setdefault(row.day, {})[row.symbol] = row.close
        return dict(sorted(days.items()))
