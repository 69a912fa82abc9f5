"""The exchange: accounts and orders on one side, the market's time on the other.

Everything happens at `now`, which only `advance` moves. Each public step writes all it
has changed in one transaction, and only then tells the tape and the listeners.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from paper_exchange import (
    admission,
    complex_orders,
    instants,
    numbers,
    order_request,
    valuation,
)
from paper_exchange.accounts import Account, Valuation
from paper_exchange.admission import Proposal
from paper_exchange.book import Book
from paper_exchange.errors import StartRefused, not_found, unprocessable
from paper_exchange.identity import Identity, asset_id
from paper_exchange.instants import HOUR
from paper_exchange.market.interventions import Intervention
from paper_exchange.market.market import Market, Point
from paper_exchange.numbers import ZERO
from paper_exchange.open_orders import OpenOrders
from paper_exchange.order_request import OrderRequest
from paper_exchange.orders import WORKING, Order
from paper_exchange.sessions import Sessions, TradingDay
from paper_exchange.store import Store
from paper_exchange.tape import Tape
from paper_exchange.transaction import Pending, Update
from trading_core.costs import daily_fees
from trading_core.matching import Fill, TimeInForce, match

PRE_MARKET = 4 * HOUR
AFTER_HOURS = 4 * HOUR
GTC_DAYS = 90
RECENT_ORDERS = 2_000

Listener = Callable[[Update], None]


class Exchange:
    """One market, its accounts, and every order on it."""

    def __init__(self, market: Market, store: Store, tape: Tape, seed: int) -> None:
        self.market = market
        self.store = store
        self.seed = seed
        self.listeners: list[Listener] = []
        self._tape = tape
        self._pending = Pending()
        self._book = Book(market)
        facts = store.facts()
        self._refuse_another_market(facts)
        self.now = int(facts.get("now", market.source.start))
        self._stamp = int(facts.get("stamp", 0))
        self.identity = Identity(seed, int(facts.get("count", 0)))
        self.accounts = {account.id: account for account in store.accounts()}
        self.open_orders = OpenOrders()
        self._recent: dict[str, Order] = {}
        self._boundaries = sorted(
            instant for day in self.sessions.days for instant in _boundaries_of(day)
        )
        acts = json.loads(facts.get("interventions", "[]"))
        self._acts = [Intervention(**act) for act in acts]
        for act in self._acts:
            market.intervene(act)
        for order in store.open_orders():
            self.open_orders.add(order)
            if order.status in WORKING:
                self._book.add(order)
        self._look_ahead_everywhere(self.now)

    @property
    def sessions(self) -> Sessions:
        """The trading days."""
        return self.market.sessions

    def _refuse_another_market(self, facts: dict[str, str]) -> None:
        name = f"{self.market.source.name}; {self.market.fill_model.name}"
        known = facts.get("market")
        if known is not None and known != name:
            raise StartRefused(
                f"This data directory belongs to another market ({known}), not to "
                f"{name}. Use the same options as before or another --data-dir."
            )
        self._pending.changes.facts["market"] = name

    # Accounts ---------------------------------------------------------------------

    def create_account(self, key: str, secret: str, cash: Decimal) -> Account:
        """Open an account; with a key that is known, return the one it has."""
        for known in self.accounts.values():
            if known.key == key:
                return known
        identity = self.identity.next()
        account = Account(
            id=identity,
            number=f"PA{int(identity[:8], 16):010d}",
            key=key,
            secret=secret,
            created_at=self.now,
            starting_cash=cash,
            cash=cash,
        )
        self.accounts[account.id] = account
        self._pending.changes.accounts[account.id] = account
        self.note("account", {"id": account.id, "cash": str(cash)})
        self.commit()
        return account

    def save_account(self, account: Account) -> None:
        """Keep changed settings of an account."""
        self._pending.changes.accounts[account.id] = account
        self.commit()

    def reset_account(self, account: Account, cash: Decimal) -> Account:
        """Close an account for good and open a fresh one with its keys."""
        for order in self.orders_of(account):
            if order.is_open:
                self._end(order, "canceled")
        key, account.key = account.key, f"closed:{account.id}"
        self._pending.changes.accounts[account.id] = account
        return self.create_account(key, account.secret, cash)

    def orders_of(self, account: Account) -> list[Order]:
        """Return the open orders of an account, oldest first."""
        return self.open_orders.of(account)

    def value(self, account: Account) -> Valuation:
        """Return an account at the prices of now."""
        reserved = self.open_orders.reserved(account, self.market, self.now)
        return valuation.value(account, self.market, self.now, reserved)

    def last_equity(self, account: Account) -> Decimal:
        """Return the equity at the close of the last session before today."""
        today = instants.new_york_date(self.now).isoformat()
        before = [value for day, value in account.closing_equity if day < today]
        return before[-1] if before else account.starting_cash

    # Orders -----------------------------------------------------------------------

    def order(self, account: Account, order_id: str) -> Order:
        """Return an order of an account, finished or not."""
        order = self.open_orders.get(order_id) or self._recent.get(order_id)
        if order is None or order.account != account.id:
            order = self.store.order(account.id, order_id)
        if order is None:
            raise not_found(f"order not found for {order_id}")
        return order

    def legs(self, order: Order) -> list[Order]:
        """Return the parts of an advanced order."""
        return [
            self.open_orders.get(leg.id) or leg for leg in self.store.legs(order.id)
        ]

    def body(self, order: Order, nested: bool = True) -> dict[str, Any]:
        """Return an order as it is answered, with its parts when it has some."""
        parts = self.legs(order) if nested and order.legs else []
        return order.body([leg.body() for leg in parts] or None)

    def submit(self, account: Account, body: Any) -> dict[str, Any]:
        """Take an order; return it as it is before the market met it."""
        return self.place(account, order_request.read(body))

    def place(self, account: Account, request: OrderRequest) -> dict[str, Any]:
        """Take a request that was read already."""
        request = self._by_symbol(request)
        if request.client_order_id is not None:
            admission.unique_client_id(
                self.store.order_by_client_id(account.id, request.client_order_id)
                is not None
            )
        admission.admit(self.proposal(account, request))
        order = self._create(account, request)
        parts = complex_orders.parts(self, account, order, request)
        self._tell(order, "pending_new", None)
        for part in parts:
            self._enter(part)
        self._enter(order)
        answer = order.body([part.body() for part in parts] or None)
        if order.status == "new":
            # The client hears of `new` from the stream, as it does from the broker.
            answer["status"] = "pending_new"
        if order.status in WORKING:
            self._meet_current_price(order)
        self._look_ahead(order.symbol, self.now)
        self.commit()
        return answer

    def proposal(
        self, account: Account, request: OrderRequest, instead_of: Order | None = None
    ) -> Proposal:
        """Return a request with everything it is judged by."""
        return Proposal(
            request,
            account,
            self.open_orders.of_symbol(account, request.symbol),
            self.open_orders.reserved(account, self.market, self.now),
            self.market,
            self.now,
            instead_of,
        )

    def _by_symbol(self, request: OrderRequest) -> OrderRequest:
        """Allow an asset id where a symbol belongs."""
        if request.symbol in self.market.listings or len(request.symbol) != 36:
            return request
        for symbol in self.market.listings:
            if asset_id(symbol) == request.symbol:
                return replace(request, symbol=symbol)
        return request

    def _create(self, account: Account, request: OrderRequest) -> Order:
        now = self.stamp()
        identity = self.identity.next()
        order = Order(
            id=identity,
            account=account.id,
            sequence=self.identity.count,
            client_order_id=request.client_order_id or self.identity.next(),
            symbol=request.symbol,
            asset_id=asset_id(request.symbol),
            side=request.side,
            type=str(request.type),
            time_in_force=str(request.time_in_force),
            order_class=request.order_class,
            quantity=request.quantity,
            notional=request.notional,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            trail_price=request.trail_price,
            trail_percent=request.trail_percent,
            extended_hours=request.extended_hours,
            position_intent=admission.position_intent(
                request, account.quantity(request.symbol)
            ),
            created_at=now,
            submitted_at=now,
            updated_at=now,
            expires_at=self._expiry(request),
        )
        if request.order_class == "oco" and order.limit_price is None:
            order.limit_price = request.take_profit
        self.open_orders.add(order)
        return order

    def _expiry(self, request: OrderRequest) -> int:
        """Return when an order ends by itself."""
        if request.time_in_force is TimeInForce.GTC:
            day = self.sessions.closed(self.now + GTC_DAYS * 24 * HOUR)
            return (day or self.sessions.days[-1]).close
        opens_next = self.sessions.next_open(self.now)
        day = self.sessions.begun(self.now)
        window = self._window()
        if window is not None and (window[1] or request.extended_hours):
            ending = window[0]
        elif day is not None and self.now < day.open:
            ending = day
        else:
            ending = self.sessions.opened(opens_next) or self.sessions.days[-1]
        return _post(ending) if request.extended_hours else ending.close

    def _enter(self, order: Order) -> None:
        """Move a new order to where it waits: the market, the queue, or its parent."""
        if order.parent is not None and order.role:
            order.become("held", self.stamp())
            self._tell(order, None, None)
        elif self._may_trade(order) and order.time_in_force != "opg":
            self._activate(order)
        else:
            order.become("accepted", self.stamp())
            self._tell(order, "accepted", None)

    def _activate(self, order: Order) -> None:
        order.become("new", self.stamp())
        order.resting = False
        self._book.add(order)
        self._tell(order, "new", None)
        complex_orders.entered(self, order)

    def cancel(self, account: Account, order_id: str) -> None:
        """Cancel an order, and the parts that hang on it."""
        order = self.order(account, order_id)
        if not order.is_open:
            raise unprocessable(f'order is already in "{order.status}" state')
        self._end(order, "canceled")
        self.commit()

    def end(self, order: Order, status: str) -> None:
        """Finish an order that is part of another's life."""
        if order.is_open:
            self._end(order, status)

    def _end(self, order: Order, status: str) -> None:
        order.become(status, self.stamp())
        self._leave(order)
        self._tell(order, status, None)
        complex_orders.ended(self, order)
        self._look_ahead(order.symbol, self.now)

    def _leave(self, order: Order) -> None:
        """Take a finished order out of the books; remember it for a while."""
        self._book.remove(order)
        self.open_orders.remove(order)
        self._recent[order.id] = order
        if len(self._recent) > RECENT_ORDERS:
            self._recent.pop(next(iter(self._recent)))

    def activate_part(self, order: Order) -> None:
        """Let a held part of an advanced order into the market."""
        if self._window() is not None and self._may_trade(order):
            self._activate(order)
            self._meet_current_price(order)
        else:
            order.become("new", self.stamp())
            self._book.add(order)
            self._tell(order, "new", None)

    def intervene(self, act: Intervention) -> None:
        """Change the prices of a symbol from now on."""
        self._acts.append(act)
        self.market.intervene(act)
        self.note("price", act.record())
        symbol = act.symbol
        if act.kind == "print":
            for order in self._book.of(symbol):
                if order.is_open and self._may_trade(order):
                    self._meet_current_price(order)
        self._look_ahead(symbol, self.now)
        acts = json.dumps([one.record() for one in self._acts])
        self.commit(interventions=acts)

    # Time -------------------------------------------------------------------------

    def advance(self, to: int) -> None:
        """Let market time pass, with every price, fill and expiry on the way."""
        to = min(to, self.market.source.end)
        while True:
            boundary = self._next_boundary()
            self._trade(min(to, boundary - 1))
            if boundary > to:
                self.now = max(self.now, to)
                return
            self.now = boundary
            self._cross(boundary)

    def _next_boundary(self) -> int:
        index = bisect_right(self._boundaries, self.now)
        if index == len(self._boundaries):
            return self.market.source.end + 1
        return self._boundaries[index]

    def _trade(self, until: int) -> None:
        """Meet every price up to an instant that may matter to an order."""
        while touch := self._book.next_touch(until):
            symbol, point = touch
            self.now = max(self.now, point.time)
            for order in self._book.of(symbol):
                if order.is_open and self._may_trade(order):
                    self._meet(order, point, point.time)
            self._look_ahead(symbol, self.now)

    def _cross(self, boundary: int) -> None:
        """Do what an opening or a closing does."""
        day = self.sessions.begun(boundary)
        if day is not None and boundary == day.close:
            self._close_auction(day)
            self._book_fees(day)
            self._keep_closing_values(day)
        for order in self.open_orders:
            if order.is_open and order.expires_at and order.expires_at <= boundary:
                self._end(order, "expired")
        for order in self.open_orders:
            if order.status == "accepted" and self._may_trade(order):
                self._activate(order)
        # Prices of this very instant count too.
        self._look_ahead_everywhere(boundary - 1)

    def _close_auction(self, day: TradingDay) -> None:
        for order in self.open_orders:
            if order.time_in_force != "cls" or order.status not in WORKING:
                continue
            point = self.market.last_in_session(order.symbol, day, day.close)
            if point is not None:
                self._meet(order, point, day.close)

    def _book_fees(self, day: TradingDay) -> None:
        """Charge each account the fees of its day, one activity for each kind."""
        for account in self.accounts.values():
            if not account.unbilled:
                continue
            fees = daily_fees(day.day, account.unbilled)
            account.unbilled = []
            self._pending.changes.accounts[account.id] = account
            for name, amount in asdict(fees).items():
                if amount:
                    self._book_fee(account, day, name.upper(), amount)

    def _book_fee(
        self, account: Account, day: TradingDay, name: str, amount: Decimal
    ) -> None:
        account.cash -= amount
        time = self.stamp()
        body = {
            "id": f"{_activity_time(time)}::{self.identity.next()}",
            "activity_type": "FEE",
            "date": day.day.isoformat(),
            "net_amount": numbers.text(-amount),
            "description": f"{name} fee for proceeds of {day.day.isoformat()}",
            "symbol": None,
            "qty": None,
            "per_share_amount": None,
            "status": "executed",
        }
        self._pending.changes.activities.append(
            (account.id, time, self.identity.count, body)
        )
        self.note("fee", {"account": account.id, **body})

    def _keep_closing_values(self, day: TradingDay) -> None:
        for account in self.accounts.values():
            longs, shorts = valuation.market_values(account, self.market, day.close)
            equity = account.cash + longs + shorts
            account.closing_equity.append((day.day.isoformat(), equity))
            del account.closing_equity[:-2]
            account.closing_quantities = {
                symbol: holding.quantity for symbol, holding in account.holdings.items()
            }
            self._pending.changes.accounts[account.id] = account

    def _window(self) -> tuple[TradingDay, bool] | None:
        """Return the day that trades now and whether it is in its regular session."""
        day = self.sessions.begun(self.now)
        if day is None or not day.midnight + PRE_MARKET <= self.now < _post(day):
            return None
        return day, day.open <= self.now < day.close

    def _may_trade(self, order: Order) -> bool:
        window = self._window()
        return window is not None and (window[1] or order.extended_hours)

    def _look_ahead(self, symbol: str, after: int) -> None:
        """Find the next price that matters to a symbol's orders, up to the boundary."""
        window = self._window()
        if window is not None:
            until = self._next_boundary() - 1
            self._book.look_ahead(symbol, after, until, window[0], not window[1])

    def _look_ahead_everywhere(self, after: int) -> None:
        self._book.clear()
        for symbol in self._book.symbols():
            self._look_ahead(symbol, after)

    # Fills ------------------------------------------------------------------------

    def _meet_current_price(self, order: Order) -> None:
        """Let a new order meet the last price, if there was one in this session."""
        window = self._window()
        if window is None or self.market.is_halted(order.symbol, self.now):
            return
        day, regular = window
        point = (
            self.market.last_in_session(order.symbol, day, self.now)
            if regular
            else self.market.last(order.symbol, self.now)
        )
        if point is not None:
            self._meet(order, point, self.now)

    def _meet(self, order: Order, point: Point, time: int) -> None:
        """Let an order meet a price: the one place where fills come from."""
        if order.time_in_force == "cls" and time < self._closing_time():
            return
        quote = self.market.quote(point, time)
        if order.quantity is None:
            far = quote.ask if order.is_buy else quote.bid
            size = (order.notional or ZERO) / far
            order.quantity = size.quantize(numbers.NANO, ROUND_FLOOR)
        before = order.resting_order()
        result = match(before, quote, self.market.fill_model, self.seed)
        after = result.order
        if after is not None and not result.fills and after == before:
            return
        if after is not None:
            order.resting, order.triggered = after.resting, after.triggered
            order.high_water, order.stop_price = after.high_water, after.stop_price
            if order.type == "stop":
                order.collar = after.limit_price
        self.changed(order)
        for fill in result.fills:
            self._book_fill(order, fill)
        if result.canceled and order.is_open:
            self._end(order, "canceled")
        elif order.is_open and order.time_in_force == "opg":
            self._end(order, "canceled")

    def _closing_time(self) -> int:
        day = self.sessions.begun(self.now)
        return day.close if day is not None else 0

    def _book_fill(self, order: Order, fill: Fill) -> None:
        """Write one execution into the order, the account and the activities."""
        time = self.stamp()
        order.filled += fill.quantity
        order.filled_value += fill.quantity * fill.price
        done = not order.remaining
        order.become("filled" if done else "partially_filled", time)
        if done:
            self._leave(order)
        account = self.accounts[order.account]
        account.apply(order.symbol, order.side, fill.quantity, fill.price)
        self.open_orders.holding_changed(account, order.symbol)
        if self.market.fill_model.fees:
            account.unbilled.append((order.side, fill.quantity, fill.price))
        changes = self._pending.changes
        changes.accounts[account.id] = account
        execution = self.identity.next()
        body = {
            "id": f"{_activity_time(time)}::{execution}",
            "activity_type": "FILL",
            "type": "fill" if done else "partial_fill",
            "transaction_time": instants.rfc3339(time),
            "price": numbers.text(fill.price),
            "qty": numbers.text(fill.quantity),
            "cum_qty": numbers.text(order.filled),
            "leaves_qty": numbers.text(order.remaining),
            "side": order.side,
            "symbol": order.symbol,
            "order_id": order.id,
            "order_status": order.status,
        }
        changes.activities.append((account.id, time, self.identity.count, body))
        self.note("fill", {"account": account.id, "execution_id": execution, **body})
        details = {
            "price": body["price"],
            "qty": body["qty"],
            "position_qty": numbers.text(account.quantity(order.symbol)),
        }
        event = "fill" if done else "partial_fill"
        self._tell(order, event, execution, **details)
        complex_orders.filled(self, order, fill)

    # Telling ----------------------------------------------------------------------

    def stamp(self) -> int:
        """Return now, made later by a nanosecond than anything stamped before."""
        self._stamp = max(self.now, self._stamp + 1)
        return self._stamp

    def _tell(
        self, order: Order, event: str | None, execution: str | None, **details: Any
    ) -> None:
        """Have an order's step written, taped and, when it is an event, streamed."""
        self.changed(order)
        self.note(
            "order",
            {
                "event": event or order.status,
                "id": order.id,
                "account": order.account,
                "client_order_id": order.client_order_id,
                "symbol": order.symbol,
                "side": order.side,
                "type": order.type,
                "status": order.status,
                "order_qty": numbers.optional_text(order.quantity),
                "filled_qty": numbers.text(order.filled),
                **details,
            },
        )
        if event is None:
            return
        if execution is None and event != "pending_new":
            execution = self.identity.next()
        data = {
            "event": event,
            "execution_id": execution,
            "order": order.body(),
            "timestamp": instants.rfc3339(order.updated_at),
            **details,
        }
        self._pending.updates.append(Update(order.account, data))

    def changed(self, order: Order) -> None:
        """Have an order written with the next commit."""
        self._pending.changed(order)
        self.open_orders.changed(order)
        self._book.changed(order)

    def add_part(self, order: Order) -> None:
        """Take a part of an advanced order."""
        self.open_orders.add(order)
        self._pending.changed(order)

    def replaced(self, old: Order, new: Order) -> None:
        """Put a changed order in the place of an old one."""
        moment = self.stamp()
        old.become("replaced", moment)
        old.replaced_by, new.replaces = new.id, old.id
        self._leave(old)
        self.open_orders.add(new)
        for leg in self.legs(old):
            self.open_orders.adopt(leg, new.id)
            self._pending.changed(leg)
        self._tell(old, "replaced", None)

    def enter_replacement(self, order: Order, is_held: bool) -> dict[str, Any]:
        """Let a changed order in, and return it as it is answered."""
        self._tell(order, "pending_new", None)
        if order.parent is not None and not is_held and self._may_trade(order):
            self._activate(order)
        else:
            self._enter(order)
        answer = self.body(order)
        if order.status in WORKING:
            self._meet_current_price(order)
        self._look_ahead(order.symbol, self.now)
        self.commit()
        return answer

    def note(self, kind: str, what: dict[str, Any]) -> None:
        """Have a line on the tape with the next commit."""
        self._pending.changes.tape.append(self._tape.line(self.now, kind, what))

    def note_only(self, kind: str, what: dict[str, Any]) -> None:
        """Put a line on the tape that changes nothing."""
        self._tape.write([self._tape.line(self.now, kind, what)[1]])

    def commit(self, **facts: str) -> None:
        """Write what is pending, then tell the tape and the listeners."""
        pending, self._pending = self._pending, Pending()
        changes = pending.changes
        changes.facts |= {
            "now": str(self.now),
            "stamp": str(self._stamp),
            "count": str(self.identity.count),
            **facts,
        }
        self.store.write(changes)
        if changes.tape:
            self._tape.write([line for _, line in changes.tape])
        for update in pending.updates:
            for listener in self.listeners:
                listener(update)

    @property
    def has_changes(self) -> bool:
        """Whether something waits to be written."""
        return not self._pending.is_empty

    def working(self) -> Iterator[Order]:
        """Yield every open order."""
        return iter(self.open_orders)

    def close(self) -> None:
        """Write what is left and let go of the files."""
        if not self._tape.is_closed:
            self.commit()
            self._tape.close()
            self.store.close()


def _boundaries_of(day: TradingDay) -> tuple[int, int, int, int]:
    return day.midnight + PRE_MARKET, day.open, day.close, _post(day)


def _post(day: TradingDay) -> int:
    """Return when the extended hours after a session end."""
    return day.close + AFTER_HOURS


def _activity_time(instant: int) -> str:
    moment = instants.to_datetime(instant).astimezone(instants.NEW_YORK)
    return moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"
