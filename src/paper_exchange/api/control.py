"""/control: the clock in the hands of whoever holds the token; /health for everyone."""

import hmac
import re
from dataclasses import asdict, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from paper_exchange import corporate, faults, instants, numbers
from paper_exchange.api.account import asset_body
from paper_exchange.api.context import exchange_of
from paper_exchange.api.http import Json, find_account, json_body
from paper_exchange.api.routing import Router
from paper_exchange.errors import ApiError, invalid, unprocessable
from paper_exchange.faults import Faults
from paper_exchange.market.interventions import KINDS, ROUND_LOT, Intervention
from paper_exchange.market.source import Terms
from paper_exchange.pacer import FASTEST, Pacer

router = Router(tag="control")
MOVES = ("run", "stop", "set", "advance_to", "step")
STEPS = ("event", "open")
TERMS = tuple(field.name for field in fields(Terms))
# What a moment of the machine ends; a cancellation on its way needs market time.
SETTLING = frozenset(("pending_new",))


def check_token(request: Request) -> None:
    """Refuse whoever does not hold the control token."""
    token: str | None = request.app.state.control_token
    if token is None:
        raise ApiError(404, 40410000, "the control API is off: no --control-token")
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise ApiError(401, 40110000, "unauthorized.")


def clock_body(request: Request) -> dict[str, Any]:
    """Return market time, how it moves, and what is not finished."""
    exchange, pacer = exchange_of(request), _pacer(request)
    # Stream messages come with it, and none may wait uncounted.
    exchange.journal.settle()
    settling = sum(order.status in SETTLING for order in exchange.working())
    return {
        "now": instants.rfc3339(exchange.now),
        "speed": pacer.speed,
        "running": pacer.is_running,
        "skip_closed": pacer.skip_closed,
        "pending": settling + request.app.state.trade_updates.unsent,
        "at_end": pacer.is_at_end,
        "end": instants.rfc3339(exchange.market.source.end),
        "market": exchange.market.source.name,
        "fill_model": exchange.market.fill_model.name,
        "seed": exchange.seed,
    }


def _pacer(request: Request) -> Pacer:
    pacer: Pacer = request.app.state.pacer
    return pacer


@router.get("/control/clock")
async def read_clock(request: Request) -> Response:
    """Return the clock."""
    check_token(request)
    _pacer(request).catch_up()
    return Json(clock_body(request))


@router.post("/control/clock")
async def move_clock(request: Request) -> Response:
    """Run, stop, set, advance or step the clock."""
    check_token(request)
    body = await json_body(request)
    if not isinstance(body, dict) or sum(move in body for move in MOVES) != 1:
        raise invalid(f"exactly one of {', '.join(MOVES)} is needed")
    exchange, pacer = exchange_of(request), _pacer(request)
    if "run" in body:
        pacer.run(_speed(body["run"]), body.get("skip_closed") is True)
    elif "stop" in body:
        pacer.stop()
    elif "step" in body:
        if body["step"] not in STEPS:
            raise invalid(f"step must be one of {', '.join(STEPS)}")
        pacer.catch_up()
        instant = (
            exchange.floor.next_event()
            if body["step"] == "event"
            else exchange.sessions.next_open(exchange.now)
        )
        await pacer.advance_to(instant, "step")
        await request.app.state.trade_updates.drained()
    else:
        move = "set" if "set" in body else "advance_to"
        instant = _instant(body[move], move)
        pacer.catch_up()
        if instant < exchange.now:
            raise unprocessable(
                f"{move} {body[move]} is before the market's time "
                f"{instants.rfc3339(exchange.now)}: time does not go back"
            )
        await pacer.advance_to(instant, move)
        await request.app.state.trade_updates.drained()
    return Json(clock_body(request))


def _speed(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid("run must be a number: seconds of market time in one second")
    if not 0 < value <= FASTEST:
        raise invalid(f"run must be above 0 and at most {FASTEST:.0f}")
    return float(value)


def _instant(value: Any, name: str) -> int:
    if not isinstance(value, str):
        raise invalid(f"{name} must be a time as text")
    try:
        return instants.parse(value)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None


@router.get("/control/accounts")
async def list_accounts(request: Request) -> Response:
    """Return the accounts, without their secrets."""
    check_token(request)
    return Json(
        [
            {
                "id": account.id,
                "key": account.key,
                "cash": str(account.cash),
                "margin": account.standing.record(),
            }
            for account in exchange_of(request).accounts.values()
        ]
    )


@router.post("/control/accounts")
async def open_account(request: Request) -> Response:
    """Open an account, or give the one with this key a fresh start."""
    check_token(request)
    body = await json_body(request)
    if not isinstance(body, dict):
        raise invalid("an object with key, secret, cash and reset is needed")
    key, secret = body.get("key"), body.get("secret")
    if not (isinstance(key, str) and key and isinstance(secret, str) and secret):
        raise invalid("key and secret are needed, as texts")
    cash = numbers.read("cash", body.get("cash", 100_000))
    if cash is None or cash <= 0:
        raise invalid("cash must be > 0")
    exchange = exchange_of(request)
    known = find_account(exchange, key, secret)
    if known is not None and body.get("reset") is True:
        known = exchange.reset_account(known, cash)
    elif known is not None or any(
        account.key == key for account in exchange.accounts.values()
    ):
        raise invalid("the key is taken; `reset` starts its account afresh")
    else:
        known = exchange.create_account(key, secret, cash)
    return Json({"id": known.id, "key": known.key, "cash": str(known.cash)})


@router.post("/control/assets")
async def set_terms(request: Request) -> Response:
    """Let a symbol be sold short or in parts, or not."""
    check_token(request)
    body = await json_body(request)
    exchange = exchange_of(request)
    symbol = body.get("symbol") if isinstance(body, dict) else None
    if not isinstance(symbol, str) or symbol not in exchange.market.listings:
        raise invalid("symbol must be one that is listed")
    changes = {name: body[name] for name in TERMS if name in body}
    if not changes or not all(isinstance(value, bool) for value in changes.values()):
        raise invalid(f"one of {', '.join(TERMS)} is needed, as true or false")
    exchange.set_terms(symbol, replace(exchange.market.terms_of(symbol), **changes))
    return Json(asset_body(exchange, symbol))


@router.post("/control/prices")
async def move_price(request: Request) -> Response:
    """Print a trade, gap, halt or resume a symbol, or announce a corporate action."""
    check_token(request)
    body = await json_body(request)
    if isinstance(body, dict) and any(kind in body for kind in corporate.KINDS):
        return Json(_announce(request, body))
    kinds = [kind for kind in KINDS if isinstance(body, dict) and kind in body]
    if len(kinds) != 1:
        raise invalid(f"exactly one of {', '.join(KINDS)} is needed")
    exchange, kind = exchange_of(request), kinds[0]
    _pacer(request).catch_up()
    symbol, value = body.get("symbol"), Decimal(1)
    if not isinstance(symbol, str) or symbol not in exchange.market.listings:
        raise invalid("symbol must be one that is listed")
    if kind in ("print", "gap"):
        value = numbers.read(kind, body[kind]) or Decimal(0)
        if not 0 < value < 1_000_000:
            raise invalid(f"{kind} must be above 0 and below 1000000")
    time, size = exchange.now, body.get("size", ROUND_LOT)
    if type(size) is not int or not 0 < size <= 1_000_000_000:
        raise invalid("size must be a whole number of shares above 0")
    if kind == "print" and "time" in body:
        time = _instant(body["time"], "time")
        if time > exchange.now or exchange.market.last(symbol, time) is None:
            raise invalid("time must be one at which the symbol had a price, and past")
    act = Intervention(kind, symbol, time, float(value), size=size)
    exchange.intervene(act)
    return Json(act.record())


def _announce(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in corporate.KINDS if kind in body]
    exchange = exchange_of(request)
    _pacer(request).catch_up()
    kind, symbol = kinds[0], body.get("symbol")
    if len(kinds) != 1 or any(other in body for other in KINDS):
        raise invalid("exactly one act is needed")
    if not isinstance(symbol, str) or symbol not in exchange.market.listings:
        raise invalid("symbol must be one that is listed")
    value = Decimal(1)
    if kind in ("split", "dividend"):
        value = numbers.read(kind, body[kind]) or Decimal(0)
        if not Decimal("0.001") <= value <= 1000:
            raise invalid(f"{kind} must be from 0.001 to 1000")
    new_symbol = body[kind] if kind == "rename" else ""
    if kind == "rename":
        fits = isinstance(new_symbol, str) and re.fullmatch("[A-Z]{1,6}", new_symbol)
        if not fits or new_symbol in exchange.market.listings:
            raise invalid("rename must be a free symbol of one to six capitals")
    today = instants.new_york_date(exchange.now).isoformat()
    usual = corporate.next_date(exchange.market, exchange.now)
    # Trading can end in the middle of a day; anything else happens between two.
    ex_date = _date(body, "ex_date", today if kind == "delist" else usual)
    if ex_date < (today if kind == "delist" else usual):
        raise invalid(f"ex_date must not be before {usual}")
    action = corporate.CorporateAction(
        exchange.journal.identity.next(),
        kind,
        symbol,
        ex_date,
        _date(body, "payable_date", ex_date),
        str(value),
        new_symbol,
    )
    exchange.announce(action)
    return asdict(action)


def _date(body: dict[str, Any], name: str, default: str) -> str:
    value = body.get(name, default)
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise invalid(f"{name} must be YYYY-MM-DD") from None


@router.get("/control/faults")
async def list_faults(request: Request) -> Response:
    """Return the faults in force."""
    check_token(request)
    active: Faults = request.app.state.faults
    return Json([fault.record() for fault in active.active])


@router.post("/control/faults")
async def add_fault(request: Request) -> Response:
    """Put a fault in force."""
    check_token(request)
    fault = faults.read(await json_body(request))
    active: Faults = request.app.state.faults
    active.active.append(fault)
    exchange_of(request).journal.note_only(
        "menu", {"is_on": True, **faults.told(fault)}
    )
    return Json(fault.record())


@router.delete("/control/faults", status=204)
async def remove_faults(request: Request) -> Response:
    """Put an end to every fault."""
    check_token(request)
    active: Faults = request.app.state.faults
    for fault in active.active:
        what = {"is_on": False, **faults.told(fault)}
        exchange_of(request).journal.note_only("menu", what)
    active.active.clear()
    return Response(status_code=204)


@router.get("/health")
async def health(request: Request) -> Response:
    """Say that the exchange answers, whose it is, and what it trades."""
    exchange = exchange_of(request)
    return Json(
        {
            "status": "ok",
            "program": "paper_exchange",
            **request.app.state.whose,
            "now": instants.rfc3339(exchange.now),
            "market": exchange.market.source.name,
            "fill_model": exchange.market.fill_model.name,
            "seed": exchange.seed,
        }
    )
