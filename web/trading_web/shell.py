"""What every page has around it: mode, market clock, trading state, sign-in."""

from datetime import datetime
from functools import cached_property
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from trading_system.clock import utc_now
from trading_system.contracts.risk import TradingStateView
from trading_system.errors import Forbidden
from trading_system.vocabulary import TradingMode, TradingState
from trading_web import market_hours
from trading_web.cells import Cells, clock_cells, state_cells
from trading_web.desk import Answer, Desk
from trading_web.guards import SAFE_METHODS
from trading_web.session import Session, Sessions, cookie_name

MODE_WORDS: Final = {
    TradingMode.SIMULATED: (
        "SIMULATED",
        "Simulated market: prices are generated or replayed, no money moves.",
    ),
    TradingMode.PAPER: ("PAPER", "Alpaca paper account: real prices, no real money."),
    TradingMode.LIVE: ("LIVE", "Live account: orders spend real money."),
}


class NotSignedIn(Exception):
    """The browser has no session."""


def desk_of(request: Request) -> Desk:
    """Return the gateway's desk, as this request needs it."""
    desk = cast(Desk, request.app.state.desk)
    is_section = request.headers.get("HX-Request") == "true"
    return desk.for_a_section() if is_section else desk


def session_of(request: Request) -> Session:
    """Return the session, or send the browser to the sign-in page."""
    sessions: Sessions = request.app.state.sessions
    cookie = request.cookies.get(cookie_name(request.scope))
    session = sessions.read(cookie, utc_now())
    if session is None:
        raise NotSignedIn
    return session


async def guard_forms(
    request: Request, session: Annotated[Session, Depends(session_of)]
) -> None:
    """Refuse a form that no page of this session made."""
    if request.method in SAFE_METHODS:
        return
    token = request.headers.get("X-CSRF-Token")
    if token is None:
        token = str((await request.form()).get("csrf_token", ""))
    sessions: Sessions = request.app.state.sessions
    if not sessions.csrf_matches(session, token):
        raise Forbidden(
            "The form did not come from a page of this session.",
            remedy="Reload the page and try again.",
        )


def open_shell(
    request: Request,
    session: Annotated[Session, Depends(session_of)],
    desk: Annotated[Desk, Depends(desk_of)],
) -> None:
    """Ask for what the frame shows; the page's own questions run beside it."""
    request.state.shell = Shell(request, session, desk)


class Shell:
    """The frame of a page: asks at once, waits when the template reads an answer."""

    def __init__(self, request: Request, session: Session, desk: Desk) -> None:
        sessions: Sessions = request.app.state.sessions
        self.mode = desk.mode
        self.badge, self.watermark = MODE_WORDS[desk.mode]
        self.csrf = sessions.csrf_token(session)
        self._desk = desk
        self._clock = desk.ask("clock", desk.services.execution.clock)
        self._state: Answer[TradingStateView] = desk.ask(
            "trading-state", desk.services.risk.trading_state
        )

    @property
    def cells(self) -> Cells:
        """The header's live values."""
        return clock_cells(self._clock.value) | state_cells(self.state)

    @property
    def now(self) -> datetime | None:
        """Market time, if the broker's clock is known and fresh."""
        clock = self._clock.value
        return None if clock is None or self._clock.stale else clock.now

    @cached_property
    def closed(self) -> str:
        """What prices are while the market rests: those of its last close; else ""."""
        clock = None if self._clock.stale else self._clock.value
        closed = market_hours.last_close(self._desk, clock)
        return "" if closed is None else market_hours.closed_words(closed)

    @property
    def speed(self) -> float:
        """How many times faster than ours the market's clock runs; 0 when unknown."""
        return self._clock.value.speed if self._clock.value else 0

    @property
    def state(self) -> TradingStateView | None:
        """The trading state in force; a stale one is not shown as true."""
        return None if self._state.stale else self._state.value

    @property
    def problem(self) -> str | None:
        """Why the trading state is not known."""
        return self._state.problem

    @property
    def halted(self) -> bool:
        """Whether entries are refused, or whether nobody can say."""
        return self.state is None or self.state.state is not TradingState.ACTIVE


OnDesk = Annotated[Desk, Depends(desk_of)]
