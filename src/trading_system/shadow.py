"""The shadow replay: a day's trading run again on the day's stored bars, in dollars.

It begins with what the account held at the close before, answers that close's signals
again, and trades to the day's close. What the system made more or less than the replay
is divided over signal, size, missed, timing, price and cost.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl

from trading_core import parity as accounts
from trading_core.calendar import Calendar
from trading_core.matching import FILL_MODELS
from trading_core.money import ZERO, price_of
from trading_core.parity import Difference, Gap, Kind
from trading_core.simulation import Opening, Setup
from trading_system import parity
from trading_system.clients import Services
from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.contracts.analytics import (
    ShadowDifference,
    ShadowGap,
    ShadowReplayView,
)
from trading_system.contracts.execution import LedgerEntryView
from trading_system.errors import NotFound
from trading_system.vocabulary import TIMEFRAME, TradingMode, identity

MOST_SHOWN = 500


def fill_model_of(settings: Settings) -> str:
    """Return how orders are expected to fill in a mode."""
    if settings.trading_mode is TradingMode.SIMULATED:
        return settings.simulation_fill_model
    is_paper = settings.trading_mode is TradingMode.PAPER
    return "alpaca-paper" if is_paper else "realistic"


def shadow_replay(
    services: Services,
    settings: Settings,
    day: date | None = None,
    fill_model: str | None = None,
    seed: int = 0,
) -> ShadowReplayView:
    """Run a day again, by default the last one that was decided on."""
    model = fill_model or fill_model_of(settings)
    day = day or _last_day(services)
    calendar = _calendar(services, day)
    session = calendar.session_on(day)
    if session is None:
        raise NotFound(f"There was no session on {day}.")
    before = calendar.previous_session(session.open)
    last_start, _ = calendar.bars(before, TIMEFRAME)[-1]
    told = parity.told(services, before.close, session.close + timedelta(seconds=1))
    entries = _ledger(services)
    cash, shares = _books(entries, before.close, before.day)
    points = services.execution.equity(end=before.close, limit=50_000)
    setup = Setup(
        cash=cash,
        model=FILL_MODELS[model],
        limits=parity.limits_of(services),
        seed=seed,
        trade_from=last_start,
        opening=Opening(shares, max((p.equity for p in points), default=None)),
    )
    bars = parity.stored_bars(services, _symbols(told, shares), None, None)
    again = parity.rerun(services, settings, told, setup, sorted(_held(shares)))
    marks = _closes(bars, session.close)
    worth = _worth(entries, session.close, day, marks)
    actual = [line for line in told.lines if line.kind is not Kind.EQUITY]
    expected = [line for line in again.lines if line.kind is not Kind.EQUITY]
    replayed = again.result.shown[-1]
    # An outcome's equity is told to the cent by both, and follows from the fills.
    found = accounts.differences(expected, actual)
    gaps = accounts.gaps(
        [*expected, accounts.equity(session.close, replayed.equity, replayed.cash)],
        [*actual, accounts.equity(session.close, *worth)],
        marks,
    )
    return _view(day, model, found, gaps, replayed.equity, worth[0], len(again.lines))


def _view(
    day: date,
    model: str,
    found: list[Difference],
    gaps: list[Gap],
    replayed: Decimal,
    actual: Decimal,
    compared: int,
) -> ShadowReplayView:
    by_cause: dict[str, Decimal] = defaultdict(Decimal)
    for gap in gaps:
        by_cause[gap.cause.value] += gap.dollars
    return ShadowReplayView(
        replay_id=identity("shadow replay", day, model),
        day=day,
        fill_model=model,
        compared=compared,
        replay_equity=replayed,
        actual_equity=actual,
        gap=sum(by_cause.values(), ZERO),
        by_cause=dict(by_cause),
        gaps=[
            ShadowGap(
                cause=gap.cause.value,
                dollars=gap.dollars,
                strategy=gap.line.strategy if gap.line else None,
                symbol=gap.line.symbol if gap.line else None,
                bar_end=gap.line.time if gap.line else None,
            )
            for gap in gaps
        ],
        differences=[
            ShadowDifference(
                time=each.line.time,
                what=each.line.kind.value,
                strategy=each.line.strategy,
                symbol=each.line.symbol,
                column=each.column,
                replay=None if each.expected is None else str(each.expected),
                actual=None if each.actual is None else str(each.actual),
                cause=each.cause.value,
            )
            for each in found[:MOST_SHOWN]
        ],
        created_at=utc_now(),
    )


def _last_day(services: Services) -> date:
    decided = services.strategy.decisions(limit=1)
    if not decided:
        raise NotFound("Nothing was decided yet, so there is nothing to run again.")
    return decided[0].bar_end.date()


def _calendar(services: Services, day: date) -> Calendar:
    around = timedelta(days=14)
    rows = services.ingestion.sessions(day - around, day + around)
    return parity.calendar_from(rows)


def _ledger(services: Services) -> list[LedgerEntryView]:
    return list(
        parity.pages(
            lambda last: services.execution.ledger(
                cursor=last and last.entry_id, limit=parity.PAGE
            )
        )
    )


def _books(
    entries: Iterable[LedgerEntryView], until: datetime, day: date
) -> tuple[Decimal, dict[tuple[str, str], Decimal]]:
    """Return cash and shares by strategy and symbol at a close.

    Fees and dividends carry a date only: those of the day belong to its close.
    """
    cash, shares = ZERO, defaultdict[tuple[str, str], Decimal](Decimal)
    for entry in entries:
        if entry.kind == "fill":
            is_in = entry.timestamp <= until
        else:
            is_in = entry.timestamp.date() <= day
        if is_in:
            cash += entry.cash_delta
            if entry.symbol is not None:
                shares[entry.strategy or "", entry.symbol] += entry.quantity_delta
    return cash, {key: quantity for key, quantity in shares.items() if quantity}


def _held(shares: Mapping[tuple[str, str], Decimal]) -> set[str]:
    return {symbol for _, symbol in shares}


def _symbols(told: parity.Told, shares: Mapping[tuple[str, str], Decimal]) -> list[str]:
    return sorted({*told.symbols, *_held(shares)})


def _closes(bars: pl.DataFrame, until: datetime) -> dict[str, Decimal]:
    past = bars.filter(pl.col("timestamp") < until)
    closes = past.group_by("symbol").agg(pl.col("close").last())
    return {symbol: price_of(close) for symbol, close in closes.iter_rows()}


def _worth(
    entries: Iterable[LedgerEntryView],
    until: datetime,
    day: date,
    marks: Mapping[str, Decimal],
) -> tuple[Decimal, Decimal]:
    """Return equity and cash at a close, at the stored bars' last prices."""
    cash, shares = _books(entries, until, day)
    value = sum((n * marks[symbol] for (_, symbol), n in shares.items()), ZERO)
    return cash + value, cash
