"""Orders, positions and activities over Alpaca's REST API.

An order is posted with one call and never repeated by the client. Reads are tried
twice, for a connection that idled too long.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import httpx

from trading_execution.adapters import alpaca_forms as forms
from trading_execution.adapters.rate import PER_MINUTE, TokenBucket
from trading_execution.ports import (
    Acknowledged,
    Answer,
    BrokerAccount,
    BrokerActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderTicket,
    Refused,
    Unclear,
)
from trading_system.clock import ClockReading, utc_now
from trading_system.config.settings import Settings
from trading_system.errors import Unavailable
from trading_system.vocabulary import TradingMode, plain

T = TypeVar("T")

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
PAGE = 100
MOST_PAGES = 200
MOST_ORDERS = 500
LOCKSTEP_ABOVE = 120.0
"""Simulated speeds above this move market time step by step."""


def pace(settings: Settings) -> float:
    """Return market seconds per machine second, 0 when market time moves in steps."""
    if settings.trading_mode is not TradingMode.SIMULATED:
        return 1.0
    if settings.simulation_speed == "max":
        return 0.0
    speed = float(settings.simulation_speed)
    return 0.0 if speed > LOCKSTEP_ABOVE else speed


def credentials(settings: Settings) -> tuple[str, str]:
    """Return key and secret; the paper exchange knows its own by these names."""
    key = settings.alpaca_api_key.get_secret_value()
    secret = settings.alpaca_secret_key.get_secret_value()
    return key or "paper", secret or "paper"


class AlpacaBroker:
    """Alpaca's trading API, or whatever speaks it at the address of the settings."""

    def __init__(
        self, settings: Settings, transport: httpx.BaseTransport | None = None
    ) -> None:
        key, secret = credentials(settings)
        self._speed = pace(settings)
        self._limit = TokenBucket(PER_MINUTE * self._speed if self._speed else None)
        self._base, self._data = settings.alpaca_base_url, settings.alpaca_data_url
        self._feed: str = settings.alpaca_feed
        self._http = httpx.Client(
            headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret},
            timeout=TIMEOUT,
            transport=transport,
            follow_redirects=False,
            # A proxy of the environment is not the way to a broker on this machine.
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def clock(self) -> ClockReading:
        """Return the market's clock."""
        return self._read("/v2/clock", lambda body: forms.clock(body, self._speed))

    def account(self) -> BrokerAccount:
        """Return the account."""
        return self._read("/v2/account", forms.account)

    def capacity(self) -> int:
        """Return how many orders may be sent now under the broker's rate limit."""
        return self._limit.left_for_orders()

    def submit(self, ticket: OrderTicket) -> Answer:
        """Place an order, or put it in another's place, with one call and no retry."""
        try:
            self._limit.take()
        except Unavailable as error:
            return Unclear(f"withheld: {error.detail}")
        path = f"{self._base}/v2/orders"
        try:
            if ticket.replaces is None:
                response = self._http.post(path, json=_body(ticket))
            else:
                path = f"{path}/{ticket.replaces}"
                response = self._http.patch(path, json=_change(ticket))
        except httpx.HTTPError as error:
            return Unclear(f"no answer: {type(error).__name__}")
        self._note_limit(response)
        return _classified(response)

    def by_client_order_id(self, client_order_id: str) -> BrokerOrder | None:
        """Return an order by our id, or None when the broker does not know it."""
        return self._find(
            "/v2/orders:by_client_order_id", {"client_order_id": client_order_id}
        )

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        """Return an order by the broker's id, with its legs."""
        return self._find(f"/v2/orders/{broker_order_id}", {"nested": "true"})

    def open_orders(self) -> list[BrokerOrder]:
        """Return every order that may still be filled, whoever placed it."""
        query = {"status": "open", "limit": str(MOST_ORDERS), "nested": "false"}
        found = self._read("/v2/orders", _list_of(forms.order), query)
        if len(found) >= MOST_ORDERS:
            raise Unavailable(f"The broker lists {MOST_ORDERS} open orders or more.")
        return found

    def cancel(self, broker_order_id: str) -> None:
        """Ask for an order's cancellation; the order itself tells the outcome."""
        path = f"/v2/orders/{broker_order_id}"
        self._limit.take()
        try:
            response = self._http.delete(f"{self._base}{path}")
        except httpx.HTTPError as error:
            raise _silent(path, error) from error
        self._note_limit(response)
        # 404 and 422 say that there is nothing to cancel: the order is read next.
        if response.status_code not in (200, 204, 207, 404, 422):
            raise _unexpected(path, response)

    def positions(self) -> list[BrokerPosition]:
        """Return every position."""
        return self._read("/v2/positions", _list_of(forms.position))

    def fills_after(self, moment: datetime) -> list[BrokerFill]:
        """Return the executions from a market time on, oldest first."""
        path = "/v2/account/activities/FILL"
        found = self._pages(path, {"after": _exclusive(moment)}, forms.fill)
        return [fill for fill in found if fill.time >= moment]

    def activities_after(self, moment: datetime) -> list[BrokerActivity]:
        """Return fees, dividends and the like from a market time on, oldest first."""
        query = {
            "category": "non_trade_activity",
            # They carry a date: begin with the whole day before.
            "after": _exclusive(moment - timedelta(days=1)),
        }
        found = self._pages("/v2/account/activities", query, forms.activity)
        return [activity for activity in found if activity is not None]

    def last_prices(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        """Return the price of each symbol's last trade, where there is one."""
        query = {"symbols": ",".join(symbols), "feed": self._feed}
        return self._read(
            "/v2/stocks/trades/latest", forms.prices, query, base=self._data
        )

    def answer(self, path: str, query: Mapping[str, str], status: int) -> Any:
        """Return an answer as it came; `NotUnderstood` when it is none of that status.

        Raises `Unavailable` when the broker does not answer, or not now.
        """
        response = self._get(self._base, path, query)
        said = response.status_code
        if said != status and (said >= 500 or said in (401, 403, 408, 429)):
            raise _unexpected(path, response)
        if said != status:
            raise forms.NotUnderstood(f"HTTP {said} is answered, not {status}")
        return forms.read(response.text)

    def _pages(
        self, path: str, query: Mapping[str, str], read: Callable[[Any], T]
    ) -> list[T]:
        rows: list[T] = []
        token: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            asked = {**query, "direction": "asc", "page_size": str(PAGE), **token}
            page = self._read(path, _rows, asked)
            rows += self._understood(path, lambda body: [read(r) for r in body], page)
            if len(page) < PAGE:
                return rows
            token = {"page_token": str(page[-1]["id"])}
        raise Unavailable(f"{path} has more pages than can be true.")

    def _find(self, path: str, query: Mapping[str, str]) -> BrokerOrder | None:
        response = self._get(self._base, path, query)
        body = self._understood(path, lambda r: forms.read(r.text), response)
        if response.status_code == 404 and isinstance(body, dict) and "message" in body:
            return None
        return self._understood(path, forms.order, self._expect_ok(path, response))

    def _read(
        self,
        path: str,
        read: Callable[[Any], T],
        query: Mapping[str, str] | None = None,
        base: str | None = None,
    ) -> T:
        response = self._get(base or self._base, path, query or {})
        return self._understood(path, read, self._expect_ok(path, response))

    def _expect_ok(self, path: str, response: httpx.Response) -> Any:
        if response.status_code != 200:
            raise _unexpected(path, response)
        return self._understood(path, lambda r: forms.read(r.text), response)

    def _understood(self, path: str, read: Callable[[Any], T], body: Any) -> T:
        try:
            return read(body)
        except forms.NotUnderstood as error:
            raise Unavailable(f"{path} answered what cannot be: {error}.") from error

    def _get(self, base: str, path: str, query: Mapping[str, str]) -> httpx.Response:
        try:
            return self._get_once(base, path, query)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A kept connection that the other side had closed: reads may be repeated.
            pass
        except httpx.HTTPError as error:
            raise _silent(path, error) from error
        try:
            return self._get_once(base, path, query)
        except httpx.HTTPError as error:
            raise _silent(path, error) from error

    def _get_once(
        self, base: str, path: str, query: Mapping[str, str]
    ) -> httpx.Response:
        self._limit.take()
        response = self._http.get(f"{base}{path}", params=dict(query))
        self._note_limit(response)
        return response

    def _note_limit(self, response: httpx.Response) -> None:
        if response.status_code != 429:
            return
        reset = response.headers.get("X-RateLimit-Reset", "")
        pause = 5.0
        if reset.isdigit():
            pause = int(reset) - utc_now().timestamp()
        self._limit.refused(pause)


def _body(ticket: OrderTicket) -> dict[str, Any]:
    in_dollars = ticket.notional is not None
    body: dict[str, Any] = {
        "symbol": ticket.symbol,
        "side": ticket.side,
        "type": ticket.order_type,
        "time_in_force": ticket.time_in_force,
        "client_order_id": ticket.client_order_id,
        **_plain(
            qty=None if in_dollars else ticket.quantity,
            notional=ticket.notional,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            trail_price=ticket.trail_price,
            trail_percent=ticket.trail_percent,
        ),
    }
    if ticket.extended_hours:
        body["extended_hours"] = True
    if ticket.order_class != "simple":
        body["order_class"] = ticket.order_class
    if profit := _plain(limit_price=ticket.take_profit_price):
        body["take_profit"] = profit
    if loss := _plain(
        stop_price=ticket.stop_loss_price, limit_price=ticket.stop_loss_limit_price
    ):
        body["stop_loss"] = loss
    return body


def _change(ticket: OrderTicket) -> dict[str, Any]:
    trails = ticket.trail_price is not None or ticket.trail_percent is not None
    return {
        "time_in_force": ticket.time_in_force,
        "client_order_id": ticket.client_order_id,
        **_plain(
            # Of an order that is filled in part meanwhile, the broker keeps the rest.
            qty=None if ticket.keeps_quantity else ticket.quantity,
            limit_price=ticket.limit_price,
            stop_price=None if trails else ticket.stop_price,
            trail=ticket.trail_price or ticket.trail_percent,
        ),
    }


def _plain(**numbers: Decimal | None) -> dict[str, str]:
    return {name: plain(n) for name, n in numbers.items() if n is not None}


def _classified(response: httpx.Response) -> Answer:
    """Say what an answer to a new order means; in doubt it means nothing."""
    status = response.status_code
    try:
        body = forms.read(response.text)
        if status in (200, 201):
            return Acknowledged(forms.order(body), status)
    except forms.NotUnderstood as error:
        return Unclear(f"HTTP {status}, and {error}", status)
    code = body.get("code") if isinstance(body, dict) else None
    message = str(body.get("message") if isinstance(body, dict) else body)[:500]
    said = f"HTTP {status} {code or ''} {message}".replace("  ", " ")
    if "client_order_id" in message and status == 422:
        # Whatever is wrong with the id: the order may be there under it.
        return Unclear(said, status)
    business = isinstance(code, int) and not isinstance(code, bool)
    if status in (400, 422) or (status == 403 and business):
        return Refused(message, status)
    return Unclear(said, status)


def _list_of(read: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    return lambda body: [read(row) for row in _rows(body)]


def _rows(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise forms.NotUnderstood("expected a list")
    return body


def _exclusive(moment: datetime) -> str:
    # The broker's `after` leaves out the instant itself.
    before = moment.astimezone(UTC) - timedelta(microseconds=1)
    return before.isoformat().replace("+00:00", "Z")


def _silent(path: str, error: httpx.HTTPError) -> Unavailable:
    return Unavailable(f"The broker did not answer {path}: {type(error).__name__}.")


def _unexpected(path: str, response: httpx.Response) -> Unavailable:
    status = response.status_code
    if status in (401, 403):
        return Unavailable(
            f"The broker refuses the keys (HTTP {status} at {path}).",
            remedy="Check ALPACA_API_KEY, ALPACA_SECRET_KEY and TRADING_MODE.",
            code="credentials",
        )
    return Unavailable(f"The broker answered {path} with HTTP {status}.")
