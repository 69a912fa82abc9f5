"""Round trips: kept up with every execution, and measured against the bars."""

from decimal import Decimal
from uuid import UUID

from trading_analytics.models import RoundTripRow
from trading_analytics.repository import AnalyticsTransaction
from trading_analytics.repository.books import Traded
from trading_core.ledger import RoundTrip, excursion, round_trips
from trading_system.contracts.analytics import AnalyticsRunResult, RoundTripClosed
from trading_system.vocabulary import identity


def follow_round_trips(
    tx: AnalyticsTransaction,
    feed: str,
    strategy: str,
    symbol: str,
    *,
    again: bool = False,
) -> int:
    """Bring the round trips of a strategy in a symbol to what was executed.

    Those that are known to have ended are measured once, unless asked for `again`:
    an execution is followed in a time that does not grow with the past.
    """
    traded = tx.books.executions(strategy, symbol)
    by_trade = {str(one.trade_id): one for one in traded}
    all_known = tx.results.round_trips_in(strategy, symbol)
    trips = {
        _identity(strategy, by_trade[trip.entry_reference].trade_id): trip
        for trip in round_trips(one.execution for one in traded)
    }
    # An execution that is booked late may lie before those that are known: the trip
    # begins with it now, and what began with the second one is no trip.
    others = [row for key, row in all_known.items() if key not in trips]
    told = {row.exit_time for row in others if row.exit_time is not None}
    changed = tx.results.drop_round_trips(others)
    for key, trip in trips.items():
        known = all_known.get(key)
        if known is not None and not again and _is_settled(known, trip):
            continue
        row = _row(tx, feed, strategy, trip, by_trade)
        was_open = known is None or known.exit_time is None
        changed += tx.results.put(row)
        if was_open and trip.closed_at is not None and trip.closed_at not in told:
            tx.publish(
                RoundTripClosed(
                    round_trip_id=row.round_trip_id,
                    strategy=strategy,
                    symbol=symbol,
                    net_pnl=trip.net,
                    market_time=trip.closed_at,
                    correlation_id=row.exit_correlation_id,
                )
            )
    return changed


def analyze_trades(tx: AnalyticsTransaction, feed: str) -> AnalyticsRunResult:
    """Measure every round trip: excursions, holding time, slippage."""
    pairs = tx.books.traded_pairs()
    changed = sum(follow_round_trips(tx, feed, *pair, again=True) for pair in pairs)
    closed = tx.results.round_trips(closed=True, limit=100_000)
    net = sum((row.net_pnl or Decimal(0) for row in closed), Decimal(0))
    return AnalyticsRunResult(
        status="done",
        examined=len(pairs),
        changed=changed,
        summary=f"{len(closed)} closed trades, net {net:.2f}, {changed} rows changed",
    )


def _is_settled(known: RoundTripRow, trip: RoundTrip) -> bool:
    ended = known.exit_time is not None and known.exit_time == trip.closed_at
    return ended and known.quantity == trip.quantity


def _row(
    tx: AnalyticsTransaction,
    feed: str,
    strategy: str,
    trip: RoundTrip,
    by_trade: dict[str, Traded],
) -> RoundTripRow:
    entry = by_trade[trip.entry_reference]
    exit_ = by_trade[trip.exit_reference] if not trip.is_open else None
    bars = (
        tx.books.bars(trip.symbol, feed, trip.opened_at, trip.closed_at)
        if trip.closed_at is not None
        else []
    )
    far = excursion(trip, bars) if trip.closed_at is not None else None
    return RoundTripRow(
        round_trip_id=_identity(strategy, entry.trade_id),
        strategy=strategy,
        symbol=trip.symbol,
        side=str(trip.side),
        quantity=trip.quantity,
        entry_time=trip.opened_at,
        exit_time=trip.closed_at,
        entry_price=trip.entry_price.quantize(Decimal("1e-9")),
        exit_price=trip.exit_price and trip.exit_price.quantize(Decimal("1e-9")),
        gross_pnl=None if trip.is_open else trip.gross,
        fees=trip.fees,
        net_pnl=None if trip.is_open else trip.net,
        return_fraction=None if trip.is_open else float(trip.return_on_cost),
        mae=far and far.adverse,
        mfe=far and far.favorable,
        bars_held=len(bars) if far else None,
        entry_order_id=entry.order_id,
        exit_order_id=exit_ and exit_.order_id,
        entry_correlation_id=entry.correlation_id,
        exit_correlation_id=exit_ and exit_.correlation_id,
        slippage_bps=_slippage(trip, by_trade),
    )


def _identity(strategy: str, first_trade: UUID) -> UUID:
    return identity("round-trip", strategy, first_trade)


def _slippage(trip: RoundTrip, by_trade: dict[str, Traded]) -> float | None:
    """Return what fills cost against the decision prices, in basis points of value."""
    cost, value = Decimal(0), Decimal(0)
    for execution in trip.executions:
        decided = by_trade[execution.reference].decision_price
        if decided is None:
            return None
        cost += (execution.price - decided) * execution.signed
        value += decided * execution.quantity
    return float(cost / value * 10_000) if value else None
