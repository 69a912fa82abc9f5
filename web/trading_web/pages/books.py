"""Books: what differs from the broker's, what waits for it, and entries by hand."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from trading_system.contracts.execution import (
    AccountView,
    AdjustmentRequest,
    DifferenceView,
    PositionView,
)
from trading_system.errors import Invalid, TradingError
from trading_system.vocabulary import TradingMode, plain
from trading_web.desk import Desk
from trading_web.errors import PageRoute
from trading_web.rendering import render
from trading_web.shell import OnDesk
from trading_web.tickets import Adjustment, SentAdjustment, key_of

router = APIRouter(route_class=PageRoute)

ADJUST: Final = "ADJUST"
RELEASE: Final = "RELEASE"

OTHERS: Final = ("external", "account")
"""The books that belong to no strategy."""


class Effect(NamedTuple):
    """What an entry would make of shares or dollars; None where it is not known."""

    subject: str
    before: Decimal | None
    after: Decimal | None


@router.get("/system/books")
def read_books(
    request: Request,
    desk: OnDesk,
    wanted: Annotated[Adjustment, Query()],
) -> HTMLResponse:
    """Show differences, holds and, once an entry is described, what it would change."""
    return _page(request, desk, wanted)


@router.post("/system/books/adjust")
def adjust(
    request: Request, desk: OnDesk, wanted: Annotated[SentAdjustment, Form()]
) -> Response:
    """Enter what the books lack; the form's key enters it once."""
    try:
        _demand(desk, wanted.reason, wanted.word, ADJUST, "trading adjust")
        entry = wanted.entry(wanted.reason)
        if entry is None:
            raise Invalid("Say what is missing: shares, dollars, or both.")
        desk.services.execution.adjust(entry, wanted.key)
    except TradingError as error:
        return _page(request, desk, wanted, error.status, complaint=str(error))
    return RedirectResponse("/system/books?entered=yes", 303)


@router.post("/system/books/holds/{symbol}/release")
def release(
    request: Request,
    desk: OnDesk,
    symbol: str,
    holds: Annotated[list[int], Form()],
    reason: Annotated[str, Form(max_length=200)] = "",
    word: Annotated[str, Form()] = "",
) -> Response:
    """Let a symbol, or the account, trade again: only the holds that were shown end."""
    try:
        _demand(desk, reason, word, RELEASE, "trading release")
        desk.services.execution.release(symbol, reason.strip(), holds)
    except TradingError as error:
        return _page(request, desk, Adjustment(), error.status, complaint=str(error))
    return RedirectResponse("/system/books#holds", 303)


def missing(difference: DifferenceView) -> str:
    """Return the query of the entry that would remove a difference; "" without one."""
    try:
        gap = Decimal(difference.broker or "") - Decimal(difference.ours or "")
    except InvalidOperation:
        return ""
    if difference.kind == "cash":
        return urlencode({"cash": plain(gap), "strategy": "account"})
    if difference.kind == "position" and difference.symbol:
        return urlencode({"symbol": difference.symbol, "quantity": plain(gap)})
    return ""


def effects(
    entry: AdjustmentRequest,
    account: AccountView | None,
    positions: list[PositionView] | None,
) -> list[Effect]:
    """Return what shares and cash would be after an entry."""
    found = []
    if entry.quantity and entry.symbol:
        held = None
        if positions is not None:
            held = sum(
                (p.quantity for p in positions if p.symbol == entry.symbol), Decimal(0)
            )
        found.append(_effect(f"{entry.symbol}, shares", held, entry.quantity))
    if entry.cash:
        cash = None if account is None else account.cash
        found.append(_effect("Cash, dollars", cash, entry.cash))
    return found


def _effect(subject: str, before: Decimal | None, change: Decimal) -> Effect:
    return Effect(subject, before, None if before is None else before + change)


def _demand(desk: Desk, reason: str, word: str, wanted: str, command: str) -> None:
    """Refuse what is not confirmed; with money it is done at the terminal alone."""
    if desk.mode is TradingMode.LIVE:
        raise Invalid(f"In live mode run `{command}` at the terminal.")
    if len(reason.strip()) < 3 or word != wanted:
        raise Invalid(f"Give a reason and type {wanted} in capital letters.")


def _page(
    request: Request,
    desk: Desk,
    wanted: Adjustment,
    status: int = 200,
    *,
    complaint: str = "",
) -> HTMLResponse:
    services = desk.services
    runs = desk.ask("books", lambda: services.execution.reconciliations(limit=1))
    holds = desk.ask("holds", services.execution.holds)
    account = desk.ask("account", services.execution.account)
    positions = desk.ask("positions", services.execution.positions)
    strategies = desk.ask("strategies", services.strategy.strategies)
    entry = None
    try:
        # The reason is asked for with the confirmation.
        entry = wanted.entry("to be said")
    except TradingError as error:
        complaint = complaint or str(error)
    names = [*OTHERS, *(each.name for each in strategies.value or [])]
    return render(
        request,
        "books.html",
        status,
        complaint=complaint,
        entered=request.query_params.get("entered") == "yes",
        runs=runs,
        holds=holds,
        wanted=wanted,
        names=names if wanted.strategy in names else [*names, wanted.strategy],
        entry=entry,
        effects=effects(entry, account.value, positions.value) if entry else [],
        missing=missing,
        adjust=ADJUST,
        release=RELEASE,
        key=key_of(wanted),
    )
