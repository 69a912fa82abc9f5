"""Corporate actions, as the data API lists them and the trading API announces them."""

from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from paper_exchange import instants
from paper_exchange.api.context import exchange_of
from paper_exchange.api.http import Json, number
from paper_exchange.api.routing import Router
from paper_exchange.corporate import CorporateAction
from paper_exchange.errors import ApiError, invalid, malformed, not_found

router = Router(tag="corporate actions")
LONGEST_DAYS = 90
CUSIP = "000000000"
"""Nothing here has a real one; clients want a text."""
TYPES = {
    "forward_split": "forward_splits",
    "reverse_split": "reverse_splits",
    "cash_dividend": "cash_dividends",
    "name_change": "name_changes",
    "worthless_removal": "worthless_removals",
}


def type_of(action: CorporateAction) -> str:
    """Return the data API's name of what an action is."""
    if action.kind == "split":
        return "forward_split" if action.amount >= 1 else "reverse_split"
    names = {
        "dividend": "cash_dividend",
        "rename": "name_change",
        "delist": "worthless_removal",
    }
    return names[action.kind]


def rates(action: CorporateAction) -> tuple[float, float]:
    """Return new and old shares of a split as a pair of which one is 1."""
    if action.amount >= 1:
        return float(action.amount), 1.0
    return 1.0, round(float(1 / action.amount), 6)


def row(action: CorporateAction) -> dict[str, Any]:
    """Return an action as the data API writes it."""
    kind = type_of(action)
    body: dict[str, Any] = {"id": action.id, "process_date": action.payable_date}
    if kind == "name_change":
        names = {"old_symbol": action.symbol, "new_symbol": action.new_symbol}
        return {**body, **names, "old_cusip": CUSIP, "new_cusip": CUSIP}
    body |= {"symbol": action.symbol}
    if kind == "reverse_split":
        body |= {"old_cusip": CUSIP, "new_cusip": CUSIP}
    else:
        body |= {"cusip": CUSIP}
    if kind == "worthless_removal":
        return body
    body |= {
        "ex_date": action.ex_date,
        "record_date": action.ex_date,
        "payable_date": action.payable_date,
    }
    if kind == "cash_dividend":
        rate = float(action.amount)
        return {**body, "rate": rate, "special": False, "foreign": False}
    new, old = rates(action)
    return {**body, "new_rate": new, "old_rate": old}


@router.get("/v1/corporate-actions")
async def list_actions(request: Request) -> Response:
    """Return corporate actions by symbol, kind, id and date."""
    query = request.query_params
    try:
        first = _date(query.get("start"), "start", date.min)
        last = _date(query.get("end"), "end", date.max)
        limit = number(request, "limit", 100, 1000)
    except ApiError as error:
        # Of what it cannot read the data API says 400, the trading API 422.
        raise malformed(error.message) from None
    kinds, symbols, ids = (
        _names(query.get(name)) for name in ("types", "symbols", "ids")
    )
    if kinds - TYPES.keys() - {"stock_dividend", "spin_off", "unit_split"}:
        raise malformed("invalid types")
    if query.get("sort") not in (None, "", "asc", "desc"):
        raise malformed("invalid sort: it must be asc or desc")
    found = [
        action
        for action in exchange_of(request).corporate_actions.announced
        if first.isoformat() <= action.ex_date <= last.isoformat()
        and (not kinds or type_of(action) in kinds)
        and (not symbols or symbols & {action.symbol, action.new_symbol})
        and (not ids or action.id in ids)
    ]
    found.sort(
        key=lambda one: (one.ex_date, one.id), reverse=query.get("sort") == "desc"
    )
    token = query.get("page_token") or "0"
    if not token.isdecimal() or len(token) > 9:
        raise malformed("invalid page_token")
    page = found[int(token) : int(token) + limit]
    grouped: dict[str, list[dict[str, Any]]] = {}
    for action in page:
        grouped.setdefault(TYPES[type_of(action)], []).append(row(action))
    reached = int(token) + len(page)
    more = str(reached) if reached < len(found) else None
    return Json({"corporate_actions": grouped, "next_page_token": more})


def announcement(action: CorporateAction) -> dict[str, Any]:
    """Return an action as the trading API announces it."""
    kind, subtype = {
        "forward_split": ("split", "stock_split"),
        "reverse_split": ("split", "reverse_split"),
        "cash_dividend": ("dividend", "cash"),
    }[type_of(action)]
    is_split = action.kind == "split"
    new, old = rates(action) if is_split else (1.0, 1.0)
    return {
        "id": action.id,
        "corporate_action_id": action.id,
        "ca_type": kind,
        "ca_sub_type": subtype,
        "initiating_symbol": action.symbol,
        "initiating_original_cusip": CUSIP,
        "target_symbol": action.symbol,
        "target_original_cusip": CUSIP,
        "declaration_date": None,
        "ex_date": action.ex_date,
        "record_date": action.ex_date,
        "payable_date": action.payable_date,
        "cash": "0" if is_split else action.value,
        "old_rate": str(old),
        "new_rate": str(new),
    }


def _announced(request: Request) -> list[CorporateAction]:
    # Splits and dividends are all that this list knows of.
    actions = exchange_of(request).corporate_actions.announced
    return [one for one in actions if one.kind in ("split", "dividend")]


@router.get("/v2/corporate_actions/announcements")
async def list_announcements(request: Request) -> Response:
    """Return announcements of at most ninety days."""
    query = request.query_params
    since = _date(query.get("since"), "since", None)
    until = _date(query.get("until"), "until", None)
    if not timedelta() <= until - since <= timedelta(days=LONGEST_DAYS):
        raise invalid("since and until must span at most 90 days")
    kinds = {kind.lower() for kind in _names(query.get("ca_types"))}
    which = query.get("date_type") or "ex_date"
    if which not in ("declaration_date", "ex_date", "record_date", "payable_date"):
        raise invalid("invalid date_type")
    symbol, cusip = query.get("symbol"), query.get("cusip")
    bodies = [announcement(action) for action in _announced(request)]
    return Json(
        [
            body
            for body in bodies
            if since.isoformat()
            <= (body[which] or body["ex_date"])
            <= until.isoformat()
            and (not kinds or body["ca_type"] in kinds)
            and symbol in (None, "", body["initiating_symbol"])
            and cusip in (None, "", CUSIP)
        ]
    )


@router.get("/v2/corporate_actions/announcements/{announcement_id}")
async def read_announcement(request: Request) -> Response:
    """Return one announcement."""
    for action in _announced(request):
        if action.id == request.path_params["announcement_id"]:
            return Json(announcement(action))
    raise not_found("announcement not found")


def _names(text: str | None) -> set[str]:
    return {name for name in (text or "").split(",") if name}


def _date(value: str | None, name: str, default: date | None) -> date:
    if not value:
        if default is None:
            raise invalid(f"{name} is required")
        return default
    try:
        if len(value) > 10:
            return instants.new_york_date(instants.parse(value))
        return date.fromisoformat(value)
    except (ValueError, OverflowError):
        raise invalid(f"invalid {name}: it must be YYYY-MM-DD") from None
