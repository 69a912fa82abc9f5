"""The description of both APIs in OpenAPI, from the routes and what they may answer."""

import re
from collections.abc import Iterable
from typing import Any

from paper_exchange.api import schemas
from paper_exchange.api.routing import Operation, Router, is_api
from paper_exchange.api.schemas import FLAG, GIVEN, TEXT, Schema, one_of, whole
from paper_exchange.faults import KINDS
from paper_exchange.order_request import CLASSES, INTENTS
from trading_core.matching import OrderType, TimeInForce

PAGED = "start end limit page_token sort"
STOCKS = f"symbols feed currency adjustment asof {PAGED}"
LATEST = "symbols feed currency"
# The query parameters of each path; those with a star must be there.
QUERIES = {
    "/v2/orders": "status limit after until direction nested symbols side asset_class "
    "before_order_id after_order_id",
    "/v2/orders/{order_id}": "nested",
    "/v2/orders:by_client_order_id": "client_order_id*",
    "/v2/assets": "status asset_class exchange attributes",
    "/v2/positions": "cancel_orders",
    "/v2/positions/{name}": "qty percentage",
    "/v2/calendar": "start end date_type",
    "/v2/account/activities": "activity_types category date after until direction "
    "page_size page_token",
    "/v2/account/activities/{activity_type}": "date after until direction page_size "
    "page_token",
    "/v2/account/portfolio/history": "period timeframe intraday_reporting start end "
    "pnl_reset date_end extended_hours cashflow_types",
    "/v2/watchlists:by_name": "name*",
    "/v2/corporate_actions/announcements": "ca_types since* until* symbol cusip "
    "date_type",
    "/v1/corporate-actions": f"symbols cusips types ids {PAGED}",
    "/v2/stocks/bars": f"timeframe* {STOCKS.replace('symbols', 'symbols*')}",
    "/v2/stocks/trades": STOCKS.replace("symbols", "symbols*"),
    "/v2/stocks/quotes": STOCKS.replace("symbols", "symbols*"),
    "/v2/stocks/auctions": STOCKS.replace("symbols", "symbols*"),
    "/v2/stocks/bars/latest": LATEST.replace("symbols", "symbols*"),
    "/v2/stocks/trades/latest": LATEST.replace("symbols", "symbols*"),
    "/v2/stocks/quotes/latest": LATEST.replace("symbols", "symbols*"),
    "/v2/stocks/snapshots": LATEST.replace("symbols", "symbols*"),
    "/v2/stocks/meta/conditions/{kind}": "tape*",
    "/v2/stocks/{symbol}/snapshot": "feed currency",
    "/v2/stocks/{symbol}/{kind}": f"timeframe feed currency adjustment asof {PAGED}",
    "/v2/stocks/{symbol}/{kind}/latest": "feed currency",
}
# Words that a parameter knows; a path before a name is for that path alone.
WORDS: dict[str, Schema] = {
    "direction": one_of("asc", "desc"),
    "sort": one_of("asc", "desc"),
    "side": schemas.SIDE,
    "nested": FLAG,
    "cancel_orders": FLAG,
    "extended_hours": FLAG,
    "/v2/orders status": one_of("open", "closed", "all"),
    "/v2/assets status": one_of("active", "inactive"),
    "/v2/orders limit": {"type": "integer", "minimum": 1, "maximum": 500},
    "page_size": {"type": "integer", "minimum": 1, "maximum": 100},
    "limit": {"type": "integer", "minimum": 1, "maximum": 10_000},
    "category": one_of("trade_activity", "non_trade_activity"),
    "/v2/account/portfolio/history timeframe": schemas.HISTORY["properties"][
        "timeframe"
    ],
    "intraday_reporting": one_of("market_hours", "extended_hours", "continuous"),
    "pnl_reset": one_of("per_day", "no_reset"),
    "feed": one_of("sip", "iex", "otc", "boats", "delayed_sip", "overnight"),
    "currency": one_of("USD"),
    "tape": one_of("A", "B", "C"),
    "/v2/calendar date_type": one_of("TRADING", "SETTLEMENT"),
    "date_type": one_of("declaration_date", "ex_date", "record_date", "payable_date"),
    "/v2/stocks/{symbol}/{kind} kind": one_of(*schemas.KINDS),
    "/v2/stocks/{symbol}/{kind}/latest kind": one_of("bars", "trades", "quotes"),
    "/v2/stocks/meta/conditions/{kind} kind": one_of("trade", "quote"),
}
NAMES = {"type": "array", "items": TEXT}


def _some(required: str = "", /, **properties: Schema) -> Schema:
    """Return the schema of a body of which only a part must be there."""
    return {"type": "object", "properties": properties, "required": required.split()}


CHANGED_WATCHLIST = _some(name=TEXT, symbols=NAMES)
ADDED_SYMBOL = whole(symbol=TEXT)
BODIES: dict[tuple[str, str], Schema] = {
    ("POST", "/v2/orders"): _some(
        "symbol side type time_in_force",
        symbol=TEXT,
        side=schemas.SIDE,
        type=one_of(*OrderType),
        time_in_force=one_of(*TimeInForce),
        **schemas.each(
            GIVEN, "qty notional limit_price stop_price trail_price trail_percent"
        ),
        extended_hours=FLAG,
        client_order_id={"type": "string", "maxLength": 128},
        order_class=one_of(*CLASSES),
        take_profit=_some("limit_price", limit_price=GIVEN),
        stop_loss=_some("stop_price", stop_price=GIVEN, limit_price=GIVEN),
        position_intent=one_of(*INTENTS),
    ),
    ("PATCH", "/v2/orders/{order_id}"): _some(
        **schemas.each(GIVEN, "qty limit_price stop_price trail"),
        time_in_force=one_of(*TimeInForce),
        client_order_id={"type": "string", "maxLength": 128},
    ),
    ("PATCH", "/v2/account/configurations"): {
        "type": "object",
        "properties": schemas.SETTINGS["properties"],
    },
    ("POST", "/v2/watchlists"): _some("name", name=TEXT, symbols=NAMES),
    ("PUT", "/v2/watchlists/{watchlist_id}"): CHANGED_WATCHLIST,
    ("PUT", "/v2/watchlists:by_name"): CHANGED_WATCHLIST,
    ("POST", "/v2/watchlists/{watchlist_id}"): ADDED_SYMBOL,
    ("POST", "/v2/watchlists:by_name"): ADDED_SYMBOL,
    ("POST", "/control/clock"): _some(
        run={"type": "number", "exclusiveMinimum": 0},
        skip_closed=FLAG,
        stop=FLAG,
        set=TEXT,
        advance_to=TEXT,
        step=one_of("event", "open"),
    ),
    ("POST", "/control/accounts"): _some(
        "key secret", key=TEXT, secret=TEXT, cash=GIVEN, reset=FLAG
    ),
    ("POST", "/control/assets"): _some(
        "symbol",
        symbol=TEXT,
        **schemas.each(FLAG, "fractionable shortable easy_to_borrow"),
    ),
    ("POST", "/control/prices"): _some(
        "symbol",
        symbol=TEXT,
        **schemas.each(GIVEN, "print gap split dividend"),
        **schemas.each(FLAG, "halt resume delist"),
        rename=TEXT,
        size={"type": "integer", "minimum": 1},
        time=TEXT,
        ex_date=schemas.DATE,
        payable_date=schemas.DATE,
    ),
    ("POST", "/control/faults"): _some(
        "kind",
        kind=one_of(*sorted(KINDS)),
        **schemas.each(TEXT, "method path client_order_id field"),
        count={"type": "integer", "minimum": 1},
        probability={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        seconds={"type": "number", "minimum": 0, "maximum": 600},
        pieces={"type": "integer", "minimum": 2, "maximum": 100},
    ),
}
BY = (":by_name", ":by_client_order_id")
# These take no words that could be wrong, and may still be against the rules.
ALSO_UNPROCESSABLE = (
    ("DELETE", "/v2/orders/{order_id}"),
    ("POST", "/v2/positions/{name}/exercise"),
)
MEANINGS = {
    400: "Cannot be read.",
    401: "No keys, or not the control token.",
    403: "Not allowed to this account now.",
    404: "Does not exist.",
    413: "The body is too large.",
    422: "Contradicts itself or the rules of the market.",
    429: "Too many requests.",
}


def described(routers: Iterable[Router]) -> dict[str, Any]:
    """Return the full description, as it is answered at /openapi.json."""
    paths: dict[str, dict[str, Any]] = {}
    for router in routers:
        for operation in router.operations:
            methods = paths.setdefault(operation.path, {})
            methods[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Paper exchange", "version": "2"},
        "paths": paths,
        "components": {"schemas": schemas.COMPONENTS},
    }


def _described(operation: Operation) -> dict[str, Any]:
    path, method, name = operation.path, operation.method, operation.handler.__name__
    parameters = [
        _parameter(path, name, "path", True) for name in re.findall(r"{(\w+)}", path)
    ]
    if _has_query(operation):
        parameters += [
            _parameter(path, name.rstrip("*"), "query", name.endswith("*"))
            for name in QUERIES[path].split()
        ]
    answers = {
        str(status): {"description": MEANINGS[status], "content": ERROR}
        for status in sorted(_refusals(operation))
    }
    key = method, path
    if key not in schemas.NEVER:
        status = schemas.STATUSES.get(key, operation.status)
        answers[str(status)] = {"description": "Done."}
        if key in schemas.ANSWERS:
            answers[str(status)]["content"] = _json(schemas.ANSWERS[key])
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": name.replace("_", " ").capitalize(),
        "description": operation.handler.__doc__,
        "operationId": f"{name}_{method.lower()}_{re.sub('[^a-z0-9]+', '_', path)}",
        "parameters": parameters,
        "responses": dict(sorted(answers.items())),
    }
    if key in BODIES:
        described["requestBody"] = {"required": True, "content": _json(BODIES[key])}
    return described


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


ERROR = _json(schemas.named("Error"))


def _has_query(operation: Operation) -> bool:
    reads = operation.method in ("GET", "DELETE")
    if operation.method == "DELETE" and operation.path.startswith("/v2/orders"):
        return False
    is_named = operation.path == "/v2/watchlists:by_name"
    return operation.path in QUERIES and (reads or is_named)


def _parameter(path: str, name: str, place: str, required: bool) -> dict[str, Any]:
    schema = WORDS.get(f"{path} {name}", WORDS.get(name, TEXT))
    return {"name": name, "in": place, "required": required, "schema": schema}


def _refusals(operation: Operation) -> set[int]:
    """Return the statuses with which an operation may refuse."""
    path, key = operation.path, (operation.method, operation.path)
    is_data = path.startswith(("/v2/stocks", "/v1"))
    refusals: set[int] = set()
    if is_api(path):
        refusals |= {401, 403, 413, 429}
    elif path.startswith("/control"):
        # Without a token there is no such API.
        refusals |= {401, 404}
    if key in BODIES:
        refusals |= {400, 422}
    if is_data:
        refusals |= {400}
    elif _has_query(operation) or key in ALSO_UNPROCESSABLE:
        refusals |= {422}
    if "{" in path or path.endswith(BY) or key == ("POST", "/v2/watchlists"):
        refusals |= {404}
    return refusals
