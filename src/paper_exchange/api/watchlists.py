"""/v2/watchlists: lists of symbols that an account keeps, by id and by name."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from paper_exchange.accounts import Account
from paper_exchange.api.account import asset_body
from paper_exchange.api.context import account_of, exchange_of
from paper_exchange.api.http import Json, json_body
from paper_exchange.api.routing import Router
from paper_exchange.errors import invalid, malformed, not_found
from paper_exchange.exchange import Exchange
from paper_exchange.instants import rfc3339

router = Router(prefix="/v2", tag="watchlists")
LONGEST_NAME = 64

Watchlist = dict[str, Any]


def _body(exchange: Exchange, watchlist: Watchlist) -> dict[str, Any]:
    shown = {name: value for name, value in watchlist.items() if name != "symbols"}
    return {
        **shown,
        "assets": [asset_body(exchange, symbol) for symbol in watchlist["symbols"]],
    }


def _known(exchange: Exchange, symbol: Any) -> str:
    if not isinstance(symbol, str) or symbol not in exchange.market.listings:
        raise not_found(f"asset not found for {str(symbol)[:40]}")
    return symbol


def _symbols(exchange: Exchange, symbols: Any) -> list[str]:
    if not isinstance(symbols, list):
        raise invalid("invalid symbols: it must be a list")
    return list(dict.fromkeys(_known(exchange, symbol) for symbol in symbols))


def _name(account: Account, value: Any, own: Watchlist | None = None) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise invalid(f"watchlist name must have 1 to {LONGEST_NAME} characters")
    for other in account.watchlists.values():
        if other["name"] == value and other is not own:
            raise invalid("watchlist name must be unique")
    return value


def _find(request: Request) -> Watchlist:
    """Return the watchlist that the path or the query names."""
    watchlists = account_of(request).watchlists
    identity = request.path_params.get("watchlist_id")
    name = request.query_params.get("name")
    for watchlist in watchlists.values():
        if watchlist["id"] == identity or (
            identity is None and watchlist["name"] == name
        ):
            return watchlist
    raise not_found(f"watchlist not found for {str(identity or name)[:64]}")


async def _object(request: Request) -> dict[str, Any]:
    body = await json_body(request)
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    return body


def _keep(request: Request, watchlist: Watchlist) -> Response:
    exchange = exchange_of(request)
    watchlist["updated_at"] = rfc3339(exchange.journal.stamp())
    exchange.save_account(account_of(request))
    return Json(_body(exchange, watchlist))


@router.get("/watchlists")
async def list_watchlists(request: Request) -> Response:
    """Return the watchlists, without their assets."""
    return Json(
        [
            {name: value for name, value in watchlist.items() if name != "symbols"}
            for watchlist in account_of(request).watchlists.values()
        ]
    )


@router.post("/watchlists")
async def create_watchlist(request: Request) -> Response:
    """Make a watchlist."""
    body = await _object(request)
    exchange, account = exchange_of(request), account_of(request)
    name = _name(account, body.get("name"))
    symbols = _symbols(exchange, body.get("symbols") or [])
    now = rfc3339(exchange.journal.stamp())
    watchlist: Watchlist = {
        "id": exchange.journal.identity.next(),
        "account_id": account.id,
        "name": name,
        "created_at": now,
        "updated_at": now,
        "symbols": symbols,
    }
    account.watchlists[watchlist["id"]] = watchlist
    return _keep(request, watchlist)


@router.get("/watchlists:by_name")
@router.get("/watchlists/{watchlist_id}")
async def read_watchlist(request: Request) -> Response:
    """Return a watchlist with its assets."""
    return Json(_body(exchange_of(request), _find(request)))


@router.put("/watchlists:by_name")
@router.put("/watchlists/{watchlist_id}")
async def change_watchlist(request: Request) -> Response:
    """Give a watchlist another name or other symbols."""
    body, watchlist = await _object(request), _find(request)
    name, symbols = watchlist["name"], watchlist["symbols"]
    if body.get("name") is not None:
        name = _name(account_of(request), body["name"], watchlist)
    if body.get("symbols") is not None:
        symbols = _symbols(exchange_of(request), body["symbols"])
    watchlist.update(name=name, symbols=symbols)
    return _keep(request, watchlist)


@router.post("/watchlists:by_name")
@router.post("/watchlists/{watchlist_id}")
async def add_to_watchlist(request: Request) -> Response:
    """Add a symbol to a watchlist."""
    body, watchlist = await _object(request), _find(request)
    symbol = _known(exchange_of(request), body.get("symbol"))
    if symbol in watchlist["symbols"]:
        raise invalid("duplicate symbol")
    watchlist["symbols"].append(symbol)
    return _keep(request, watchlist)


@router.delete("/watchlists:by_name", status=204)
@router.delete("/watchlists/{watchlist_id}", status=204)
async def delete_watchlist(request: Request) -> Response:
    """Delete a watchlist."""
    watchlist = _find(request)
    del account_of(request).watchlists[watchlist["id"]]
    exchange_of(request).save_account(account_of(request))
    return Response(status_code=204)


@router.delete("/watchlists/{watchlist_id}/{symbol}")
async def remove_from_watchlist(request: Request) -> Response:
    """Take a symbol off a watchlist."""
    watchlist, symbol = _find(request), request.path_params["symbol"]
    if symbol not in watchlist["symbols"]:
        raise not_found(f"symbol not found: {symbol[:40]}")
    watchlist["symbols"].remove(symbol)
    return _keep(request, watchlist)


@router.get("/options/contracts")
async def list_contracts(request: Request) -> Response:
    """Return no options contracts: only shares trade here."""
    return Json({"option_contracts": [], "next_page_token": None})


@router.get("/options/contracts/{name}")
async def read_contract(request: Request) -> Response:
    """Return nothing: there are no options here."""
    raise not_found("contract not found")
