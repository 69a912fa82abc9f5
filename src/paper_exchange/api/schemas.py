"""What both APIs take and answer, as JSON Schema: names, types, and words they know."""

from typing import Any

from paper_exchange.api.account import ALLOWED
from paper_exchange.order_request import CLASSES, INTENTS
from paper_exchange.orders import LIFE
from trading_core.matching import FILL_MODELS, OrderType, TimeInForce

Schema = dict[str, Any]


def one_of(*words: object) -> Schema:
    """Return the schema of one of some words."""
    return {"enum": list(words)}


def or_null(schema: Schema) -> Schema:
    """Return the schema of something that may be missing."""
    return {"anyOf": [schema, {"type": "null"}]}


def rows(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def by_symbol(schema: Schema) -> Schema:
    """Return the schema of an object whose keys are symbols, or other names."""
    return {"type": "object", "additionalProperties": schema}


def whole(**properties: Schema) -> Schema:
    """Return the schema of an object that has these keys, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def named(name: str) -> Schema:
    """Return a reference to one of `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def each(schema: Schema, names: str) -> dict[str, Schema]:
    """Return the same schema for each of some names."""
    return dict.fromkeys(names.split(), schema)


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
# Decimals of the trading API are texts.
DECIMAL: Schema = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}
DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}
INSTANT: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$",
}
UUID: Schema = {
    "type": "string",
    "pattern": r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
}
ANYTHING: Schema = {}
# Numbers of requests are numbers or texts.
GIVEN: Schema = {"anyOf": [NUMBER, TEXT, {"type": "null"}]}
SIDE = one_of("buy", "sell")

ORDER = whole(
    **each(UUID, "id asset_id"),
    **each(INSTANT, "created_at updated_at submitted_at"),
    **each(
        or_null(INSTANT),
        "filled_at expired_at expires_at canceled_at failed_at replaced_at",
    ),
    **each(or_null(UUID), "replaced_by replaces"),
    **each(TEXT, "client_order_id symbol"),
    **each(
        or_null(DECIMAL),
        "notional qty filled_avg_price limit_price stop_price trail_percent "
        "trail_price hwm",
    ),
    **each({"type": "null"}, "subtag source ratio_qty"),
    filled_qty=DECIMAL,
    asset_class=one_of("us_equity"),
    order_class=one_of(*CLASSES),
    order_type=one_of(*OrderType),
    type=one_of(*OrderType),
    side=SIDE,
    position_intent=one_of(*INTENTS),
    time_in_force=one_of(*TimeInForce),
    status=one_of(*LIFE),
    extended_hours=FLAG,
    legs=or_null(rows(named("Order"))),
)
ACCOUNT = whole(
    id=UUID,
    account_number=TEXT,
    status=one_of("ACTIVE"),
    crypto_status=one_of("INACTIVE"),
    currency=one_of("USD"),
    created_at=INSTANT,
    balance_asof=DATE,
    **each(
        DECIMAL,
        "cash equity last_equity portfolio_value buying_power regt_buying_power "
        "non_marginable_buying_power options_buying_power long_market_value "
        "short_market_value position_market_value initial_margin maintenance_margin "
        "last_maintenance_margin sma accrued_fees pending_reg_taf_fees "
        "pending_transfer_in pending_transfer_out intraday_adjustments",
    ),
    multiplier=one_of("1", "2", "4"),
    **each(
        FLAG,
        "trading_blocked transfers_blocked account_blocked trade_suspended_by_user "
        "shorting_enabled",
    ),
    **each(INTEGER, "options_approved_level options_trading_level crypto_tier"),
)
SETTINGS = whole(
    **{
        name: or_null(one_of(*values)) if name.startswith("max_o") else one_of(*values)
        for name, values in ALLOWED.items()
    }
)
ASSET = whole(
    id=UUID,
    exchange=one_of("AMEX", "ARCA", "BATS", "NYSE", "NASDAQ", "NYSEARCA", "OTC"),
    **each(TEXT, "symbol name"),
    status=one_of("active", "inactive"),
    **each(FLAG, "tradable marginable shortable easy_to_borrow fractionable"),
    borrow_status=one_of("easy_to_borrow", "hard_to_borrow"),
    **each(DECIMAL, "margin_requirement_long margin_requirement_short"),
    maintenance_margin_requirement=NUMBER,
    attributes=rows(TEXT),
    cusip=or_null(TEXT),
    **{"class": one_of("us_equity")},
)
POSITION = whole(
    asset_id=UUID,
    **each(TEXT, "symbol exchange"),
    asset_class=one_of("us_equity"),
    asset_marginable=FLAG,
    side=one_of("long", "short"),
    **each(
        DECIMAL,
        "qty qty_available avg_entry_price market_value cost_basis unrealized_pl "
        "unrealized_plpc unrealized_intraday_pl unrealized_intraday_plpc current_price "
        "lastday_price change_today",
    ),
)
EXECUTION = whole(
    id=TEXT,
    activity_type=one_of("FILL"),
    type=one_of("fill", "partial_fill"),
    transaction_time=INSTANT,
    **each(DECIMAL, "price qty cum_qty leaves_qty"),
    side=SIDE,
    symbol=TEXT,
    order_id=UUID,
    order_status=one_of("filled", "partially_filled"),
)
BOOKING = whole(
    id=TEXT,
    activity_type=one_of("DIV", "FEE", "INT", "NC", "SPLIT"),
    date=DATE,
    net_amount=DECIMAL,
    description=TEXT,
    symbol=or_null(TEXT),
    qty=or_null(DECIMAL),
    per_share_amount=or_null(DECIMAL),
    status=one_of("executed"),
)
LISTED_WATCHLIST = whole(
    **each(UUID, "id account_id"), name=TEXT, **each(INSTANT, "created_at updated_at")
)
HISTORY = whole(
    timestamp=rows(INTEGER),
    **each(rows(NUMBER), "equity profit_loss profit_loss_pct"),
    base_value=NUMBER,
    base_value_asof=DATE,
    timeframe=one_of("1Min", "5Min", "15Min", "1H", "1D"),
    cashflow=by_symbol(rows(NUMBER)),
)
TRADE = whole(t=INSTANT, x=TEXT, p=NUMBER, s=INTEGER, c=rows(TEXT), i=INTEGER, z=TEXT)
QUOTE = whole(
    t=INSTANT,
    **each(TEXT, "bx ax z"),
    **each(NUMBER, "bp ap"),
    **each(INTEGER, "bs as"),
    c=rows(TEXT),
)
BAR = whole(t=INSTANT, **each(NUMBER, "o h l c vw"), **each(INTEGER, "v n"))
PRINT = whole(t=INSTANT, x=TEXT, p=NUMBER, c=TEXT)
COMPONENTS: dict[str, Schema] = {
    "Error": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": INTEGER, "message": TEXT},
    },
    "Order": ORDER,
    "Account": ACCOUNT,
    "Settings": SETTINGS,
    "Asset": ASSET,
    "Position": POSITION,
    "Activity": {"anyOf": [EXECUTION, BOOKING]},
    "Watchlist": whole(**LISTED_WATCHLIST["properties"], assets=rows(named("Asset"))),
    "ListedWatchlist": LISTED_WATCHLIST,
    "PortfolioHistory": HISTORY,
    "Clock": whole(is_open=FLAG, **each(INSTANT, "timestamp next_open next_close")),
    "CalendarDay": whole(
        **each(DATE, "date settlement_date"),
        **each({"type": "string", "pattern": r"^\d\d:\d\d$"}, "open close"),
        **each({"type": "string", "pattern": r"^\d{4}$"}, "session_open session_close"),
    ),
    "Announcement": whole(
        **each(
            TEXT,
            "id corporate_action_id ca_type ca_sub_type initiating_symbol "
            "initiating_original_cusip target_symbol target_original_cusip cash "
            "old_rate new_rate",
        ),
        declaration_date=or_null(DATE),
        **each(DATE, "ex_date record_date payable_date"),
    ),
    "Bar": BAR,
    "Trade": TRADE,
    "Quote": QUOTE,
    "Snapshot": whole(
        latestTrade=or_null(named("Trade")),
        latestQuote=or_null(named("Quote")),
        **each(or_null(named("Bar")), "minuteBar dailyBar prevDailyBar"),
    ),
    "Auctions": whole(d=DATE, o=rows(PRINT), c=rows(PRINT)),
    "Fault": whole(
        kind=TEXT,
        method=or_null(TEXT),
        path=TEXT,
        count=or_null(INTEGER),
        probability=NUMBER,
        client_order_id=or_null(TEXT),
        seconds=NUMBER,
        field=TEXT,
        pieces=INTEGER,
    ),
    "ControlledClock": whole(
        now=INSTANT,
        end=INSTANT,
        speed=NUMBER,
        **each(FLAG, "running skip_closed at_end"),
        **each(INTEGER, "pending seed"),
        market=TEXT,
        fill_model=one_of(*FILL_MODELS),
    ),
    "Health": {
        "type": "object",
        "required": ["status", "program", "now", "market", "fill_model", "seed"],
        "properties": {
            "status": one_of("ok"),
            "program": one_of("paper_exchange"),
            "run": or_null(TEXT),
            "directory": TEXT,
            "now": INSTANT,
            "market": TEXT,
            "fill_model": one_of(*FILL_MODELS),
            "seed": INTEGER,
        },
    },
}
KINDS = {
    "bars": named("Bar"),
    "trades": named("Trade"),
    "quotes": named("Quote"),
    "auctions": named("Auctions"),
}


def _paged(kind: str) -> Schema:
    token = or_null(TEXT)
    return whole(**{kind: by_symbol(rows(KINDS[kind]))}, next_page_token=token)


ORDER_ANSWER = whole(id=UUID, status=INTEGER)
CLOSING_ANSWER = {
    "type": "object",
    "required": ["symbol", "status", "body"],
    "properties": {
        "symbol": TEXT,
        "status": INTEGER,
        "order_id": UUID,
        "body": {"anyOf": [named("Order"), named("Error")]},
    },
}
ACCOUNT_OPENED = whole(id=UUID, **each(TEXT, "key cash"))
WATCHLIST = named("Watchlist")
# What each operation answers when it does what it was asked for.
ANSWERS: dict[tuple[str, str], Schema] = {
    ("POST", "/v2/orders"): named("Order"),
    ("GET", "/v2/orders"): rows(named("Order")),
    ("DELETE", "/v2/orders"): rows(ORDER_ANSWER),
    ("GET", "/v2/orders:by_client_order_id"): named("Order"),
    ("GET", "/v2/orders/{order_id}"): named("Order"),
    ("PATCH", "/v2/orders/{order_id}"): named("Order"),
    ("GET", "/v2/account"): named("Account"),
    ("GET", "/v2/account/configurations"): named("Settings"),
    ("PATCH", "/v2/account/configurations"): named("Settings"),
    ("GET", "/v2/account/portfolio/history"): named("PortfolioHistory"),
    ("GET", "/v2/account/activities"): rows(named("Activity")),
    ("GET", "/v2/account/activities/{activity_type}"): rows(named("Activity")),
    ("GET", "/v2/positions"): rows(named("Position")),
    ("GET", "/v2/positions/{name}"): named("Position"),
    ("DELETE", "/v2/positions"): rows(CLOSING_ANSWER),
    ("DELETE", "/v2/positions/{name}"): named("Order"),
    ("GET", "/v2/clock"): named("Clock"),
    ("GET", "/v2/calendar"): rows(named("CalendarDay")),
    ("GET", "/v2/assets"): rows(named("Asset")),
    ("GET", "/v2/assets/{name}"): named("Asset"),
    ("GET", "/v2/watchlists"): rows(named("ListedWatchlist")),
    ("POST", "/v2/watchlists"): WATCHLIST,
    ("GET", "/v2/watchlists/{watchlist_id}"): WATCHLIST,
    ("GET", "/v2/watchlists:by_name"): WATCHLIST,
    ("PUT", "/v2/watchlists/{watchlist_id}"): WATCHLIST,
    ("PUT", "/v2/watchlists:by_name"): WATCHLIST,
    ("POST", "/v2/watchlists/{watchlist_id}"): WATCHLIST,
    ("POST", "/v2/watchlists:by_name"): WATCHLIST,
    ("DELETE", "/v2/watchlists/{watchlist_id}/{symbol}"): WATCHLIST,
    ("GET", "/v2/options/contracts"): whole(
        option_contracts=rows(ANYTHING), next_page_token={"type": "null"}
    ),
    ("GET", "/v1/corporate-actions"): whole(
        corporate_actions=by_symbol(rows({"type": "object"})),
        next_page_token=or_null(TEXT),
    ),
    ("GET", "/v2/corporate_actions/announcements"): rows(named("Announcement")),
    ("GET", "/v2/corporate_actions/announcements/{announcement_id}"): named(
        "Announcement"
    ),
    **{("GET", f"/v2/stocks/{kind}"): _paged(kind) for kind in KINDS},
    **{
        ("GET", f"/v2/stocks/{kind}/latest"): whole(**{kind: by_symbol(KINDS[kind])})
        for kind in ("bars", "trades", "quotes")
    },
    ("GET", "/v2/stocks/snapshots"): by_symbol(named("Snapshot")),
    ("GET", "/v2/stocks/meta/exchanges"): by_symbol(TEXT),
    ("GET", "/v2/stocks/meta/conditions/{kind}"): by_symbol(TEXT),
    ("GET", "/v2/stocks/{symbol}/snapshot"): whole(
        symbol=TEXT, **COMPONENTS["Snapshot"]["properties"]
    ),
    ("GET", "/v2/stocks/{symbol}/{kind}"): {
        "anyOf": [
            whole(symbol=TEXT, next_page_token=or_null(TEXT), **{kind: rows(row)})
            for kind, row in KINDS.items()
        ]
    },
    ("GET", "/v2/stocks/{symbol}/{kind}/latest"): {
        "anyOf": [
            whole(symbol=TEXT, **{kind[:-1]: KINDS[kind]})
            for kind in ("bars", "trades", "quotes")
        ]
    },
    ("GET", "/control/clock"): named("ControlledClock"),
    ("POST", "/control/clock"): named("ControlledClock"),
    ("GET", "/control/accounts"): rows(
        whole(id=UUID, **each(TEXT, "key cash"), margin={"type": "object"})
    ),
    ("POST", "/control/accounts"): ACCOUNT_OPENED,
    ("POST", "/control/assets"): named("Asset"),
    ("POST", "/control/prices"): {"type": "object"},
    ("GET", "/control/faults"): rows(named("Fault")),
    ("POST", "/control/faults"): named("Fault"),
    ("GET", "/health"): named("Health"),
}
# What succeeds with another status than its method's.
STATUSES = {
    ("DELETE", "/v2/orders"): 207,
    ("DELETE", "/v2/positions"): 207,
}
# These answer nothing but refusals: only shares trade here.
NEVER = frozenset(
    (("POST", "/v2/positions/{name}/exercise"), ("GET", "/v2/options/contracts/{name}"))
)
