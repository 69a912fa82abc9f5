"""Account, settings, positions, activities, history, clock, calendar and assets."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from paper_exchange import history, instants, margin, numbers, positions
from paper_exchange.accounts import Account
from paper_exchange.api.context import account_of, exchange_of
from paper_exchange.api.http import Json, choice, flag, json_body, number
from paper_exchange.api.routing import Router
from paper_exchange.errors import invalid, malformed, not_found
from paper_exchange.exchange import Exchange
from paper_exchange.identity import asset_id
from paper_exchange.instants import rfc3339
from paper_exchange.numbers import ZERO, money, text
from trading_core.costs import daily_fees

router = Router(prefix="/v2", tag="account")
REG_T = "regt_buying_power"
ACTIVITY_PAGE = 100


def account_body(exchange: Exchange, account: Account) -> dict[str, Any]:
    """Return the account as Alpaca writes it."""
    value = exchange.value(account)
    last_equity = exchange.last_equity(account)
    today = instants.new_york_date(exchange.now)
    accrued = daily_fees(today, account.unbilled).total
    return {
        "id": account.id,
        "account_number": account.number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "created_at": rfc3339(account.created_at),
        "balance_asof": instants.new_york_date(exchange.now).isoformat(),
        "cash": text(account.cash),
        "equity": text(value.equity),
        "last_equity": text(last_equity),
        "portfolio_value": text(value.equity),
        "buying_power": money(value.buying_power),
        REG_T: money(value.regulation_t_buying_power),
        "non_marginable_buying_power": money(value.cash_buying_power),
        "options_buying_power": money(value.cash_buying_power),
        "long_market_value": text(value.long_value),
        "short_market_value": text(value.short_value),
        "position_market_value": text(value.long_value - value.short_value),
        "initial_margin": money(value.initial_margin),
        "maintenance_margin": money(value.maintenance_margin),
        "last_maintenance_margin": money(account.closing_maintenance),
        "sma": money(max(ZERO, value.equity - value.initial_margin)),
        "accrued_fees": money(accrued),
        "pending_reg_taf_fees": money(accrued),
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "intraday_adjustments": "0",
        "multiplier": str(value.multiplier),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": account.settings["suspend_trade"],
        "shorting_enabled": not account.settings["no_shorting"]
        and value.multiplier > 1,
        "options_approved_level": 0,
        "options_trading_level": 0,
        "crypto_tier": 0,
    }


@router.get("/account")
async def read_account(request: Request) -> Response:
    """Return the account and its value now."""
    return Json(account_body(exchange_of(request), account_of(request)))


@router.get("/account/configurations")
async def read_settings(request: Request) -> Response:
    """Return the account's settings."""
    return Json(account_of(request).settings)


ALLOWED: dict[str, tuple[Any, ...]] = {
    "fractional_trading": (True, False),
    "max_margin_multiplier": ("1", "2", "4"),
    "no_shorting": (True, False),
    "suspend_trade": (True, False),
    "trade_confirm_email": ("all", "none"),
    "ptp_no_exception_entry": (True, False),
    "disable_overnight_trading": (True, False),
    "max_options_trading_level": (0, 1, 2, 3),
}


@router.patch("/account/configurations")
async def change_settings(request: Request) -> Response:
    """Change settings; what is null or unknown stays as it is."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    account = account_of(request)
    changes = {
        name: value
        for name, value in body.items()
        if name in ALLOWED and value is not None
    }
    for name, value in changes.items():
        if not any(value is allowed or value == allowed for allowed in ALLOWED[name]):
            raise invalid(f"invalid {name}")
    account.settings.update(changes)
    exchange_of(request).save_account(account)
    return Json(account.settings)


@router.get("/account/portfolio/history")
async def read_history(request: Request) -> Response:
    """Return equity and profit over time."""
    exchange = exchange_of(request)
    query = request.query_params
    wanted = history.span(
        exchange,
        account_of(request),
        query.get("period"),
        query.get("timeframe"),
        _instant(request, "start"),
        _instant(request, "end") or _instant(request, "date_end"),
        choice(
            request,
            "intraday_reporting",
            # The older way to ask for the same.
            "extended_hours" if flag(request, "extended_hours") else "market_hours",
            "market_hours",
            "extended_hours",
            "continuous",
        ),
        choice(request, "pnl_reset", "per_day", "no_reset") == "per_day"
        and query.get("timeframe") != "1D",
        frozenset(query.get("cashflow_types", "").upper().split(",")) - {"", "NONE"},
    )
    return Json(history.portfolio(exchange, account_of(request), wanted))


@router.get("/account/activities")
async def list_activities(request: Request) -> Response:
    """Return what changed the account: executions and bookings."""
    types = request.query_params.get("activity_types", "")
    category = choice(request, "category", "", "trade_activity", "non_trade_activity")
    if types and category:
        raise invalid("only one of activity_types and category is accepted")
    if category == "trade_activity":
        types = "FILL"
    return _activities(request, [name for name in types.split(",") if name])


@router.get("/account/activities/{activity_type}")
async def list_activities_of_type(request: Request) -> Response:
    """Return what changed the account, of one type."""
    return _activities(request, [request.path_params["activity_type"]])


def _activities(request: Request, types: list[str]) -> Response:
    after, until = _instant(request, "after"), _instant(request, "until")
    day = request.query_params.get("date")
    if day:
        if after is not None or until is not None:
            raise invalid("date excludes after and until")
        begins = _date(day, "date")
        after = instants.new_york_midnight(begins) - 1
        until = instants.new_york_midnight(
            min(begins, date.max - timedelta(days=1)) + timedelta(days=1)
        )
    return Json(
        exchange_of(request).store.activities(
            account_of(request).id,
            types,
            after,
            until,
            choice(request, "direction", "desc", "asc") == "desc",
            number(request, "page_size", ACTIVITY_PAGE, ACTIVITY_PAGE),
            request.query_params.get("page_token") or None,
        )
    )


@router.get("/positions")
async def list_positions(request: Request) -> Response:
    """Return everything held."""
    exchange, account = exchange_of(request), account_of(request)
    return Json(
        [
            positions.body(exchange, account, symbol)
            for symbol in sorted(account.holdings)
        ]
    )


@router.get("/positions/{name}")
async def read_position(request: Request) -> Response:
    """Return what is held of one symbol."""
    exchange, account = exchange_of(request), account_of(request)
    symbol = positions.symbol_of(exchange, account, request.path_params["name"])
    return Json(positions.body(exchange, account, symbol))


@router.delete("/positions")
async def close_all_positions(request: Request) -> Response:
    """Sell everything held, and buy back what is short."""
    exchange, account = exchange_of(request), account_of(request)
    cancel = request.query_params.get("cancel_orders", "").lower() == "true"
    return Json(positions.close_all(exchange, account, cancel), status_code=207)


@router.delete("/positions/{name}")
async def close_position(request: Request) -> Response:
    """Close a position, or a part of it."""
    exchange, account = exchange_of(request), account_of(request)
    symbol = positions.symbol_of(exchange, account, request.path_params["name"])
    quantity = numbers.read("qty", request.query_params.get("qty"))
    share = numbers.read("percentage", request.query_params.get("percentage"))
    return Json(positions.close(exchange, account, symbol, quantity, share))


@router.post("/positions/{name}/exercise")
async def exercise(request: Request) -> Response:
    """Refuse: there are no options here."""
    raise invalid("only options positions can be exercised")


@router.get("/clock")
async def read_clock(request: Request) -> Response:
    """Return the market's time, with New York's offset."""
    exchange = exchange_of(request)
    now, sessions = exchange.now, exchange.sessions
    return Json(
        {
            "timestamp": instants.in_new_york(now),
            "is_open": sessions.open_at(now) is not None,
            "next_open": instants.in_new_york(sessions.next_open(now)),
            "next_close": instants.in_new_york(sessions.next_close(now)),
        }
    )


@router.get("/calendar")
async def read_calendar(request: Request) -> Response:
    """Return the trading days between two dates."""
    sessions = exchange_of(request).sessions
    start = _date(request.query_params.get("start"), "start", sessions.days[0].day)
    end = _date(request.query_params.get("end"), "end", sessions.days[-1].day)
    choice(request, "date_type", "TRADING", "SETTLEMENT")
    rows = []
    for day in sessions.between(start, end):
        opens, closes = (
            instants.to_datetime(instant).astimezone(instants.NEW_YORK)
            for instant in (day.open, day.close)
        )
        rows.append(
            {
                "date": day.day.isoformat(),
                "open": opens.strftime("%H:%M"),
                "close": closes.strftime("%H:%M"),
                "session_open": "0400",
                "session_close": (closes + timedelta(hours=4)).strftime("%H%M"),
                "settlement_date": sessions.after(day).day.isoformat(),
            }
        )
    return Json(rows)


def asset_body(exchange: Exchange, symbol: str) -> dict[str, Any]:
    """Return an asset as Alpaca writes it; what margin it needs follows its price."""
    market = exchange.market
    listing, is_active = market.listings[symbol], market.is_active(symbol)
    terms = market.terms_of(symbol)
    price = market.mark(symbol, exchange.now)
    long = short = Decimal("0.3")
    if price is not None:
        long = margin.long_rate(symbol, price)
        short = margin.short_requirement(price) / price
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": listing.exchange,
        "symbol": symbol,
        "name": listing.name,
        "status": "active" if is_active else "inactive",
        "tradable": is_active,
        "marginable": True,
        "shortable": terms.shortable,
        "easy_to_borrow": terms.easy_to_borrow,
        "borrow_status": f"{'easy' if terms.easy_to_borrow else 'hard'}_to_borrow",
        "fractionable": terms.fractionable,
        "margin_requirement_long": money(long * 100),
        "margin_requirement_short": money(short * 100),
        "maintenance_margin_requirement": int(long * 100),
        "attributes": [],
        "cusip": None,
    }


@router.get("/assets")
async def list_assets(request: Request) -> Response:
    """Return what is listed."""
    query = request.query_params
    attributes = {name for name in query.get("attributes", "").split(",") if name}
    status = choice(request, "status", "", "active", "inactive")
    kind = query.get("asset_class", "us_equity") or "us_equity"
    wanted = query.get("exchange")
    if kind != "us_equity":
        return Json([])
    exchange = exchange_of(request)
    bodies = [
        asset_body(exchange, listing.symbol)
        for listing in exchange.market.listings.values()
        if not wanted or listing.exchange == wanted
    ]
    return Json(
        [
            body
            for body in bodies
            if status in ("", body["status"])
            and (not attributes or attributes & set(body["attributes"]))
        ]
    )


@router.get("/assets/{name}")
async def read_asset(request: Request) -> Response:
    """Return one listing by symbol or id."""
    name = request.path_params["name"]
    exchange = exchange_of(request)
    for symbol in exchange.market.listings:
        if name in (symbol, asset_id(symbol)):
            return Json(asset_body(exchange, symbol))
    raise not_found(f"asset not found for {name[:64]}")


def _instant(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if not value:
        return None
    try:
        return instants.parse(value)
    except ValueError as error:
        raise invalid(f"invalid {name}: {error}") from None


def _date(value: str | None, name: str, default: date | None = None) -> date:
    if not value and default is not None:
        return default
    try:
        return date.fromisoformat((value or "")[:10])
    except ValueError:
        raise invalid(f"invalid {name}: it must be YYYY-MM-DD") from None
