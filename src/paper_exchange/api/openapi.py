"""The description of both APIs in OpenAPI, from the routes and what they may answer."""

import re
from collections.abc import Iterable
from typing import Any

from paper_exchange.api.routing import Operation, Router

PAGED = "start end limit page_token sort"
STOCKS = f"symbols feed currency adjustment asof {PAGED}"
# The query parameters of each path; all are text, and most may be left out.
QUERIES = {
    "/v2/orders": "status limit after until direction nested symbols side asset_class "
    "before_order_id after_order_id",
    "/v2/orders/{order_id}": "nested",
    "/v2/orders:by_client_order_id": "client_order_id",
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
    "/v2/watchlists:by_name": "name",
    "/v2/corporate_actions/announcements": "ca_types since until symbol cusip "
    "date_type",
    "/v1/corporate-actions": f"symbols cusips types ids {PAGED}",
    "/v2/stocks/bars": f"timeframe {STOCKS}",
    "/v2/stocks/trades": STOCKS,
    "/v2/stocks/quotes": STOCKS,
    "/v2/stocks/auctions": STOCKS,
    "/v2/stocks/bars/latest": "symbols feed currency",
    "/v2/stocks/trades/latest": "symbols feed currency",
    "/v2/stocks/quotes/latest": "symbols feed currency",
    "/v2/stocks/snapshots": "symbols feed currency",
    "/v2/stocks/meta/conditions/{kind}": "tape",
    "/v2/stocks/{symbol}/{kind}": f"timeframe feed currency adjustment asof {PAGED}",
}
TEXT = {"type": "string"}
NUMBER = {"anyOf": [{"type": "number"}, TEXT]}
BODIES: dict[str, dict[str, Any]] = {
    "/v2/orders": {
        "symbol": TEXT,
        "qty": NUMBER,
        "notional": NUMBER,
        "side": {"enum": ["buy", "sell"]},
        "type": {"enum": ["market", "limit", "stop", "stop_limit", "trailing_stop"]},
        "time_in_force": {"enum": ["day", "gtc", "opg", "cls", "ioc", "fok"]},
        "limit_price": NUMBER,
        "stop_price": NUMBER,
        "trail_price": NUMBER,
        "trail_percent": NUMBER,
        "extended_hours": {"type": "boolean"},
        "client_order_id": TEXT,
        "order_class": {"enum": ["", "simple", "bracket", "oco", "oto"]},
        "take_profit": {"type": "object"},
        "stop_loss": {"type": "object"},
        "position_intent": TEXT,
    },
    "/v2/orders/{order_id}": {
        "qty": NUMBER,
        "time_in_force": TEXT,
        "limit_price": NUMBER,
        "stop_price": NUMBER,
        "trail": NUMBER,
        "client_order_id": TEXT,
    },
}
ERRORS = {
    "400": "Cannot be read.",
    "401": "No keys.",
    "403": "Not allowed to this account now.",
    "404": "Does not exist.",
    "405": "The path has no such method.",
    "413": "The body is too large.",
    "422": "Contradicts itself or the rules of the market.",
    "429": "Too many requests.",
}
ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": TEXT},
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
    }


def _described(operation: Operation) -> dict[str, Any]:
    path, method, name = operation.path, operation.method, operation.handler.__name__
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in re.findall(r"{(\w+)}", path)
    ]
    if method in ("GET", "DELETE") or path == "/v2/watchlists:by_name":
        parameters += [
            {"name": name, "in": "query", "required": False, "schema": TEXT}
            for name in QUERIES.get(path, "").split()
        ]
    answers: dict[str, Any] = {"200": {"description": "Done."}}
    if method == "DELETE":
        answers["204"] = {"description": "Done."}
        answers["207"] = {"description": "An answer for each."}
    else:
        answers["200"]["content"] = {"application/json": {"schema": {}}}
    for status, meaning in ERRORS.items():
        content = {"application/json": {"schema": ERROR}}
        answers[status] = {"description": meaning, "content": content}
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": name.replace("_", " ").capitalize(),
        "description": operation.handler.__doc__,
        "operationId": f"{name}_{method.lower()}_{re.sub('[^a-z0-9]+', '_', path)}",
        "parameters": parameters,
        "responses": answers,
    }
    if method in ("POST", "PUT", "PATCH"):
        properties = BODIES.get(path, {})
        schema = {"type": "object", "properties": properties}
        body = {"content": {"application/json": {"schema": schema}}}
        described["requestBody"] = body
    return described
