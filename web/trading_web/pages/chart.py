"""One symbol: its bars, and what was decided, refused and done on them."""

from datetime import timedelta
from itertools import groupby
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.ingestion import BarView
from trading_web import formats
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.figures import Figure, bar_figure
from trading_web.order_states import is_open
from trading_web.pages.export import as_file
from trading_web.rendering import render
from trading_web.shell import OnDesk

router = APIRouter(route_class=PageRoute)

TIMEFRAMES: Final = {"1h": "1 hour", "1d": "1 day"}
LOADED: Final = {"1h": timedelta(days=150), "1d": timedelta(days=800)}
MOST_BARS: Final = 1500
FIRST: Final = "SPY"

SymbolPath = Annotated[str, Path(pattern=r"^[A-Z][A-Z0-9.]{0,11}$")]


@router.get("/charts")
def find_chart(symbol: str = FIRST) -> Response:
    """Go to the chart of the symbol that was typed."""
    name = symbol.strip().upper() or FIRST
    return RedirectResponse(f"/charts/{name}", 303)


@router.get("/charts/{symbol}")
def read_chart(
    request: Request, desk: OnDesk, symbol: SymbolPath, tf: str = "1h"
) -> HTMLResponse:
    """Show the chart with the position, the latest decisions and a table of bars."""
    services = desk.services
    tf = tf if tf in TIMEFRAMES else "1h"
    universe = desk.ask("universe", services.ingestion.universe)
    bars = desk.ask(f"bars-{symbol}", lambda: services.ingestion.bars(symbol, limit=50))
    positions = desk.ask("positions", services.execution.positions)
    decisions = desk.ask(
        f"decisions-{symbol}",
        lambda: services.strategy.decisions(symbol=symbol, limit=30),
    )
    locks = desk.ask("locks", services.risk.locks)
    position = next((p for p in positions.value or [] if p.symbol == symbol), None)
    return render(
        request,
        "chart.html",
        symbol=symbol,
        tf=tf,
        timeframes=TIMEFRAMES,
        universe=universe.value or [],
        bars=bars,
        position=position,
        locked=next(
            (each for each in locks.value or [] if each.symbol == symbol), None
        ),
        decisions=decisions,
    )


@router.get("/figures/bars/{symbol}")
def read_bars(desk: OnDesk, symbol: SymbolPath, tf: str = "1h") -> Figure:
    """Return the chart of a symbol, up to now in market time."""
    services = desk.services
    bars = _loaded(desk, symbol, tf)
    trades = desk.ask(
        f"figure-trades-{symbol}",
        lambda: services.execution.trades(symbol=symbol, limit=500),
    )
    if tf == "1d":
        done = trades.value or []
        return bar_figure(bars, [], [], [], done, revision=f"{symbol}-1d")
    decisions = desk.ask(
        f"figure-decisions-{symbol}",
        lambda: services.strategy.decisions(symbol=symbol, limit=500),
    )
    outcomes = desk.ask(
        f"figure-outcomes-{symbol}",
        lambda: services.risk.outcomes(symbol=symbol, limit=500),
    )
    orders = desk.ask(
        f"figure-orders-{symbol}",
        lambda: services.execution.orders(symbol=symbol, limit=100),
    )
    return bar_figure(
        bars,
        [d for d in decisions.value or [] if d.symbol == symbol],
        [o for o in outcomes.value or [] if o.symbol == symbol],
        [o for o in orders.value or [] if is_open(o)],
        [t for t in trades.value or [] if t.symbol == symbol],
        revision=f"{symbol}-1h",
    )


@router.get("/files/bars/{symbol}.{kind}")
def read_bars_file(
    desk: OnDesk, symbol: SymbolPath, kind: Literal["csv", "json"], tf: str = "1h"
) -> Response:
    """Return the bars of the chart as a file."""
    return as_file(f"{symbol}-{tf}", kind, _loaded(desk, symbol, tf))


def _loaded(desk: Desk, symbol: str, tf: str) -> list[BarView]:
    """Return the bars of a chart that ends now, in market time."""
    services = desk.services
    start = services.execution.clock().now - LOADED.get(tf, LOADED["1h"])
    bars = services.ingestion.bars(symbol, start=start, limit=10_000)
    return daily(bars) if tf == "1d" else bars[-MOST_BARS:]


def daily(bars: list[BarView]) -> list[BarView]:
    """Return the session's bar of each New York day."""
    days = []
    for _, group in groupby(
        bars, lambda bar: bar.timestamp.astimezone(formats.NEW_YORK).date()
    ):
        session = list(group)
        days.append(
            session[0].model_copy(
                update={
                    "timeframe": "1Day",
                    "bar_end": session[-1].bar_end,
                    "high": max(bar.high for bar in session),
                    "low": min(bar.low for bar in session),
                    "close": session[-1].close,
                    "volume": sum(bar.volume for bar in session),
                }
            )
        )
    return days
