"""A running system's account of its trading, and the same trading run again.

`told` asks the services what was decided, answered, ordered, filled and worth;
`rerun` has the engine trade the same strategies on the bars that the system stored.
`trading_core.parity` holds the two against each other.
"""

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast
from uuid import UUID

import polars as pl

from trading_core import parity
from trading_core.calendar import Calendar, Session
from trading_core.limits import Limit, Limits, LimitType, Scope
from trading_core.matching import FILL_MODELS
from trading_core.parity import Line
from trading_core.simulation import Backtest, Setup, simulate
from trading_core.strategy import Strategy
from trading_system import plugins
from trading_system.clients import Services
from trading_system.config.settings import Settings
from trading_system.contracts.execution import OrderView, TradeView
from trading_system.contracts.risk import RiskOutcomeView
from trading_system.contracts.strategy import DecisionView
from trading_system.contracts.system import SessionView
from trading_system.errors import Conflict, NotFound
from trading_system.vocabulary import TIMEFRAME

V = TypeVar("V")

PAGE = 1000
MANUAL = "manual"
EVER = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """What a running system says of a period, and what it was decided with."""

    lines: list[Line]
    decisions: list[DecisionView]

    @property
    def first(self) -> datetime:
        """The start of the first bar that was decided on."""
        return min(each.bar_start for each in self.decisions)

    @property
    def last(self) -> datetime:
        """The end of the last bar that was decided on."""
        return max(each.bar_end for each in self.decisions)

    @property
    def symbols(self) -> list[str]:
        """Every symbol that was decided on."""
        return sorted({each.symbol for each in self.decisions})


def told(
    services: Services, start: datetime | None = None, end: datetime | None = None
) -> Told:
    """Return the system's own account of the bars that end in a period."""
    decisions = list(
        pages(
            lambda last: services.strategy.decisions(
                from_=start,
                to=end,
                before=last and last.decision_id,
                limit=PAGE,
            )
        )
    )
    if not decisions:
        raise NotFound(
            "Nothing was decided in this period.",
            remedy="Let the system run, or choose days on which it did.",
        )
    begun = min(each.bar_start for each in decisions)
    bar_ends = {each.signal_id: each.bar_end for each in decisions if each.signal_id}
    outcomes = _since(
        begun,
        lambda last: services.risk.outcomes(
            before=last and last.outcome_id, limit=PAGE
        ),
        lambda outcome: outcome.market_time,
    )
    answered = {each.signal_id: each for each in outcomes if each.strategy != MANUAL}
    orders = _since(
        begun,
        lambda last: services.execution.orders(
            cursor=last and last.order_id, limit=PAGE
        ),
        lambda order: order.market_time,
    )
    trades = _since(
        begun,
        lambda last: services.execution.trades(
            cursor=last and last.trade_id, limit=PAGE
        ),
        lambda trade: trade.timestamp,
    )
    lines = [
        *_decided(decisions, answered),
        *_answers(answered, bar_ends),
        *_ordered(orders, trades, bar_ends),
        *_worth(services, decisions),
    ]
    return Told(lines, decisions)


@dataclass(frozen=True, slots=True)
class Rerun:
    """A backtest of what a system has traded, and the calendar of its bars."""

    result: Backtest
    calendar: Calendar

    @property
    def lines(self) -> list[Line]:
        """What the backtest tells."""
        return parity.of_backtest(self.result, self.calendar)


def rerun(
    services: Services,
    settings: Settings,
    about: Told,
    setup: Setup,
    symbols: Sequence[str] = (),
) -> Rerun:
    """Trade the same strategies again on the stored bars of the same symbols.

    `symbols` are others that the account holds.
    """
    names = sorted({*about.symbols, *symbols})
    bars = stored_bars(services, names, None, None).filter(
        pl.col("timestamp") < about.last
    )
    calendar = calendar_of(services, bars)
    strategies = strategies_of(settings, about.decisions)
    return Rerun(simulate(strategies, bars, calendar, setup), calendar)


def setup_of(services: Services, about: Told, fill_model: str, seed: int = 0) -> Setup:
    """Return the terms on which a system has traded from its very beginning."""
    before = services.execution.equity(end=about.first, limit=50_000)
    if not before:
        raise Conflict("The account was opened after the first of these decisions.")
    opening = before[0]
    return Setup(
        cash=opening.equity,
        model=FILL_MODELS[fill_model],
        limits=limits_of(services),
        seed=seed,
        trade_from=about.first,
    )


def limits_of(services: Services) -> Limits:
    """Return the limits in force that hold in every market, also in a backtest."""
    known = {str(kind) for kind in LimitType}
    return Limits(
        tuple(
            Limit(
                LimitType(row.limit_type),
                row.limit_value,
                cast(Scope, row.scope),
                row.scope_id,
            )
            for row in services.risk.limits()
            if row.limit_type in known
        )
    )


def strategies_of(
    settings: Settings, decisions: Sequence[DecisionView]
) -> list[Strategy[Any]]:
    """Return the strategies that decided, with the parameters they decided with."""
    versions: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for each in decisions:
        versions[each.strategy][each.strategy_version] = each.parameters
    several = [name for name, found in versions.items() if len(found) > 1]
    if several:
        raise Conflict(
            f"{', '.join(sorted(several))} had other parameters within this period.",
            remedy="Choose days on which one version was in force.",
        )
    kinds = plugins.load(settings)
    return [
        kinds[name].configured(next(iter(found.values())))
        for name, found in sorted(versions.items())
    ]


def stored_bars(
    services: Services,
    symbols: list[str],
    start: date | None,
    end: date | None,
    feed: str | None = None,
) -> pl.DataFrame:
    """Return stored bars as a frame, ordered by symbol and time.

    Bars are those of the feed in use, or of another: imported ones have `import`.
    """
    stream = services.ingestion.arrow(
        symbols, TIMEFRAME, _begin(start), _begin(end), feed
    )
    bars = pl.read_ipc_stream(io.BytesIO(stream))
    if bars.is_empty():
        raise NotFound(
            "There are no stored bars for this backtest.",
            remedy="Let the system run, or import some with `trading data import` and "
            "ask for the feed `import`.",
        )
    return bars


def calendar_of(services: Services, bars: pl.DataFrame) -> Calendar:
    """Return the calendar of the days that the bars cover."""
    first, last = bars["timestamp"].min(), bars["timestamp"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    until = date(last.year + 1, 12, 31)
    return calendar_from(services.ingestion.sessions(first.date(), until))


def calendar_from(rows: Iterable[SessionView]) -> Calendar:
    """Return the calendar of sessions as a service tells them."""
    return Calendar(Session(row.day, row.open, row.close) for row in rows)


def _begin(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


def _decided(
    decisions: Sequence[DecisionView], answered: dict[UUID, RiskOutcomeView]
) -> Iterator[Line]:
    for each in decisions:
        if each.outcome == "no_bar":
            continue  # The engine looks at bars only.
        answer = answered.get(each.signal_id) if each.signal_id else None
        side = answer.side if answer else ("?" if each.signal_id else None)
        yield parity.decision(
            each.bar_end, each.strategy, each.symbol, side, each.close
        )


def _answers(
    answered: dict[UUID, RiskOutcomeView], bar_ends: dict[UUID, datetime]
) -> Iterator[Line]:
    for signal, each in answered.items():
        if signal in bar_ends:
            yield parity.outcome(
                bar_ends[signal],
                each.strategy,
                each.symbol,
                each.code,
                each.quantity,
                each.equity,
            )


def _ordered(
    orders: Sequence[OrderView],
    trades: Sequence[TradeView],
    bar_ends: dict[UUID, datetime],
) -> Iterator[Line]:
    executed: dict[UUID, list[tuple[datetime, Decimal, Decimal]]] = defaultdict(list)
    for trade in trades:
        executed[trade.order_id].append((trade.timestamp, trade.quantity, trade.price))
    for each in orders:
        if each.signal_id in bar_ends:
            about = bar_ends[each.signal_id], each.strategy, each.symbol
            yield parity.order(*about, each.side, each.quantity, each.filled_quantity)
            yield from parity.fills(*about, each.side, executed[each.order_id])


def _worth(services: Services, decisions: Sequence[DecisionView]) -> Iterator[Line]:
    ends = {each.bar_end for each in decisions}
    points = services.execution.equity(
        start=min(ends), end=max(ends) + timedelta(seconds=1), limit=50_000
    )
    for point in points:
        if point.market_time in ends:
            yield parity.equity(point.market_time, point.equity, point.cash)


def pages(ask: Callable[[V | None], list[V]]) -> Iterator[V]:
    """Yield everything that is listed, page after page, each going on from the last."""
    page: list[V] = ask(None)
    while page:
        yield from page
        page = ask(page[-1]) if len(page) == PAGE else []


def _since(
    begun: datetime,
    ask: Callable[[V | None], list[V]],
    time_of: Callable[[V], datetime],
) -> list[V]:
    """Return what is listed, newest first, back to a time."""
    found = []
    for each in pages(ask):
        if time_of(each) < begun:
            break
        found.append(each)
    return found
