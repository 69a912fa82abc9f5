"""The trading floor: where orders wait, meet prices and end."""

from collections.abc import Callable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from paper_exchange import complex_orders, instants, numbers, valuation
from paper_exchange.accounts import Account
from paper_exchange.arrivals import Arrivals
from paper_exchange.book import Book, only_rests
from paper_exchange.hours import TradingHours
from paper_exchange.identity import Identity
from paper_exchange.journal import Journal
from paper_exchange.market.market import Market, Point
from paper_exchange.numbers import ZERO
from paper_exchange.open_orders import OpenOrders
from paper_exchange.orders import WORKING, Order
from trading_core.matching import Fill, match

RECENT_ORDERS = 2_000


class Floor:
    """Every open order of all accounts, and the steps of its life."""

    def __init__(
        self,
        market: Market,
        journal: Journal,
        accounts: Mapping[str, Account],
        seed: int,
    ) -> None:
        self.open_orders = OpenOrders()
        self.hours = TradingHours(market.sessions, market.source.end)
        self._market = market
        self._journal = journal
        self._accounts = accounts
        self._seed = seed
        self._book = Book(market)
        self._arrivals = Arrivals(market.fill_model.latency)
        self._cancellations = Arrivals(market.fill_model.latency)
        self._replacements = Arrivals(market.fill_model.latency)
        self._recent: dict[str, Order] = {}
        # How a fill is told: in one execution, unless somebody wants trouble.
        self.executions: Callable[[str, Fill], list[Fill]] = lambda _, fill: [fill]

    @property
    def identity(self) -> Identity:
        """The source of ids."""
        return self._journal.identity

    def stamp(self) -> int:
        """Return the next instant of its own."""
        return self._journal.stamp()

    def restore(self, order: Order) -> None:
        """Take an open order back after a restart."""
        self.open_orders.add(order)
        if order.status in WORKING:
            self._book.add(order)
        elif order.in_transit:
            self._replacements.expect(order, order.submitted_at)
        elif order.status == "accepted" and self.is_on_its_way(order):
            self._arrivals.expect(order, order.submitted_at)
        if order.cancel_sent_at is not None:
            self._cancellations.expect(order, order.cancel_sent_at)

    def find(self, order_id: str) -> Order | None:
        """Return an order that is open, or ended not long ago."""
        return self.open_orders.get(order_id) or self._recent.get(order_id)

    def may_trade(self, order: Order) -> bool:
        """Whether an order may trade at this hour."""
        window = self.hours.window(self._journal.now)
        return window is not None and (window[1] or order.extended_hours)

    def is_on_its_way(self, order: Order) -> bool:
        """Whether an accepted order has not reached the market yet."""
        return self._arrivals.is_on_its_way(order.submitted_at, self._journal.now)

    # The life of an order ---------------------------------------------------------

    def changed(self, order: Order) -> None:
        """Have an order written with the next commit."""
        self._journal.order_changed(order)
        self.open_orders.changed(order)
        self._book.changed(order)

    def tell(
        self,
        order: Order,
        event: str | None,
        execution: str | None = None,
        **details: Any,
    ) -> None:
        """Have an order's step written, taped and, when it is an event, streamed."""
        self.changed(order)
        self._journal.tell(order, event, execution, **details)

    def add_part(self, order: Order) -> None:
        """Take a part of an advanced order."""
        self.open_orders.add(order)
        self._journal.order_changed(order)

    def enter(self, order: Order) -> None:
        """Move a new order to where it waits: the market, the queue, or its parent."""
        if order.parent is not None and order.role:
            order.become("held", self.stamp())
            self.tell(order, None)
        elif self.is_on_its_way(order):
            order.become("accepted", self.stamp())
            self.tell(order, "accepted")
            self._arrivals.expect(order, order.submitted_at)
        elif self.may_trade(order) and order.time_in_force != "opg":
            self.activate(order)
        else:
            order.become("accepted", self.stamp())
            self.tell(order, "accepted")

    def activate(self, order: Order) -> None:
        """Let an order into the market."""
        order.become("new", self.stamp())
        order.resting = False
        self._book.add(order)
        self.tell(order, "new")
        complex_orders.entered(self, order)

    def activate_part(self, order: Order) -> None:
        """Let a held part of an advanced order into the market."""
        if self.may_trade(order):
            self.activate(order)
            self.meet_current_price(order)
        else:
            order.become("new", self.stamp())
            self._book.add(order)
            self.tell(order, "new")

    def cancel(self, order: Order) -> None:
        """Cancel an order: at once where it waits at the broker, else when it hears."""
        if not (self.takes_time(order) or order.in_transit):
            self.end(order, "canceled")
            return
        # The cancellation of what is itself on its way follows, and finds it in place.
        sent_at = self._journal.now
        sent_at = max(sent_at, order.submitted_at) if order.in_transit else sent_at
        order.cancel_sent_at = sent_at
        self._cancellations.expect(order, sent_at)
        if order.in_transit:
            self.changed(order)
            return
        order.become("pending_cancel", self.stamp())
        self.tell(order, "pending_cancel")

    def takes_time(self, order: Order) -> bool:
        """Whether a wish about an order must travel to the market to be granted."""
        now = self._journal.now
        return order.status in WORKING and self._arrivals.is_on_its_way(now, now)

    def end(self, order: Order, status: str) -> None:
        """Finish an order, and what hangs on it, unless it is finished."""
        if not order.is_open:
            return
        order.become(status, self.stamp())
        self.leave(order)
        self.tell(order, status)
        if order.in_transit:
            self._stay(order)
            return
        complex_orders.ended(self, order)
        self.look_ahead(order.symbol)

    def leave(self, order: Order) -> None:
        """Take a finished order out of the books; remember it for a while."""
        self._book.remove(order)
        self.open_orders.remove(order)
        self._recent[order.id] = order
        if len(self._recent) > RECENT_ORDERS:
            self._recent.pop(next(iter(self._recent)))

    def replace(self, old: Order, new: Order) -> None:
        """Put a changed order in the place of an old one."""
        old.become("replaced", self.stamp())
        old.replaced_by, old.successor = new.id, None
        self.leave(old)
        self.open_orders.add(new)
        for leg in self.open_orders.parts(old.id):
            self.open_orders.adopt(leg, new.id)
            self._journal.order_changed(leg)
        self.tell(old, "replaced")

    def enter_instead(self, new: Order, was_held: bool) -> None:
        """Move an order to where the one that it replaced was waiting."""
        if new.parent is None or was_held:
            self.enter(new)
        elif self.may_trade(new):
            self.activate(new)
        else:
            # The entry it protects was filled: nothing else will ever wake it.
            new.become("new", self.stamp())
            self._book.add(new)
            self.tell(new, "new")

    def send_replacement(self, old: Order, new: Order, bound: Decimal) -> None:
        """Let a changed order travel to the place of an old one.

        `bound` are the dollars that the old one binds: it may still be filled, so the
        larger of the two counts until one of them is gone.
        """
        old.become("pending_replace", self.stamp())
        old.successor = new.id
        self.tell(old, "pending_replace")
        new.in_transit, new.covered, new.covered_value = True, old.remaining, bound
        self.open_orders.add(new)
        self.tell(new, "pending_new")
        new.become("accepted", self.stamp())
        self.tell(new, "accepted")
        self._replacements.expect(new, new.submitted_at)

    def _arrive_instead(self, new: Order) -> None:
        """Let a changed order take its place, if there is something left to replace."""
        if not new.is_open:
            return
        old = self.open_orders.get(new.replaces or "")
        remaining = ZERO if old is None else old.remaining
        # What was filled on the way is no longer wanted.
        quantity = new.remaining - ((new.covered or ZERO) - remaining)
        if old is None or quantity <= 0:
            self.end(new, "rejected")
            return
        new.quantity = quantity
        new.in_transit, new.covered, new.covered_value = False, None, None
        self.replace(old, new)
        self.changed(new)
        # A simple one that arrives at night stays accepted until its hours begin.
        if new.parent is not None or self.may_trade(new):
            self.enter_instead(new, was_held=False)
        if new.status in WORKING:
            if new.cancel_sent_at is not None:
                new.become("pending_cancel", self.stamp())
                self.tell(new, "pending_cancel")
            self.meet_current_price(new)
        self.look_ahead(new.symbol)

    def _stay(self, new: Order) -> None:
        """Let an order stay that another one did not come to replace."""
        old = self.find(new.replaces or "")
        if old is None or old.successor != new.id:
            return
        old.successor = None
        if old.status == "pending_replace":
            old.become("partially_filled" if old.filled else "new", self.stamp())
        self.tell(old, "order_replace_rejected")

    # Prices -----------------------------------------------------------------------

    def trade(self, until: int) -> None:
        """Let what is on its way arrive, and meet every price up to an instant."""
        while (time := self._next_arrival()) is not None and time <= until:
            # Who was there before meets the prices of this instant first.
            self._meet_prices(time)
            self._journal.now = max(self._journal.now, time)
            while arrival := self._replacements.pop(time):
                self._arrive_instead(arrival[1])
            while arrival := self._cancellations.pop(time):
                self.end(arrival[1], "canceled")
            while arrival := self._arrivals.pop(time):
                self._arrive(arrival[1])
        self._meet_prices(until)

    def _next_arrival(self) -> int | None:
        ways = (self._replacements, self._cancellations, self._arrivals)
        times = (way.next_time() for way in ways)
        return min((time for time in times if time is not None), default=None)

    def _arrive(self, order: Order) -> None:
        if order.status == "accepted" and self.may_trade(order):
            self.activate(order)
            self.meet_current_price(order)
            self.look_ahead(order.symbol)

    def _meet_prices(self, until: int) -> None:
        journal = self._journal
        while touch := self._book.next_touch(until):
            symbol, point = touch
            journal.now = max(journal.now, point.time)
            for order in self._book.touched(symbol, point.price):
                if order.is_open and self.may_trade(order):
                    self._meet(order, point, point.time)
            self.look_ahead(symbol)

    def next_event(self) -> int:
        """Return when a price or an arrival is next, or hours begin or end."""
        boundary = self.hours.next_boundary(self._journal.now)
        times = (self._book.next_time(), self._next_arrival())
        return min([boundary, *(time for time in times if time is not None)])

    def look_ahead(self, symbol: str, after: int | None = None) -> None:
        """Find the next price that matters to a symbol's orders, up to the boundary."""
        now = self._journal.now
        window = self.hours.window(now)
        if window is not None:
            self._book.look_ahead(
                symbol,
                now if after is None else after,
                self.hours.next_boundary(now) - 1,
                window[0],
                not window[1],
            )

    def look_ahead_for(self, order: Order) -> None:
        """Find the next price that matters to a symbol with a new order."""
        now = self._journal.now
        window = self.hours.window(now)
        if window is not None and not self._book.knows_next(
            order.symbol, self.hours.next_boundary(now) - 1, not window[1]
        ):
            self.look_ahead(order.symbol)

    def look_ahead_everywhere(self, after: int) -> None:
        """Find the next price for every symbol anew."""
        self._book.clear()
        for symbol in self._book.symbols():
            self.look_ahead(symbol, after)

    def meet_current_prices(self, symbol: str) -> None:
        """Let all orders of a symbol meet its last price."""
        for order in list(self._book.of(symbol)):
            if order.is_open and self.may_trade(order):
                self.meet_current_price(order)

    def meet_current_price(self, order: Order) -> None:
        """Let a new order meet the last price, if there was one in this session."""
        now = self._journal.now
        window = self.hours.window(now)
        if window is None or self._market.is_halted(order.symbol, now):
            return
        day, regular = window
        point = (
            self._market.last_in_session(order.symbol, day, now)
            if regular
            else self._market.last(order.symbol, now)
        )
        if point is None:
            return
        if not only_rests(order, point.price):
            self._meet(order, point, now)
        elif not order.resting:
            order.resting = True
            self.changed(order)

    def meet_close(self, order: Order, point: Point, closing: int) -> None:
        """Let an order for the close meet the last price of a session."""
        self._meet(order, point, closing)

    def _meet(self, order: Order, point: Point, time: int) -> None:
        """Let an order meet a price: the one place where fills come from."""
        if order.time_in_force == "cls" and time < self._closing_time():
            return
        quote = self._market.quote(point, time)
        if order.quantity is None:
            far = quote.ask if order.is_buy else quote.bid
            size = (order.notional or ZERO) / far
            order.quantity = size.quantize(numbers.NANO, ROUND_FLOOR)
        before = order.resting_order()
        result = match(before, quote, self._market.fill_model, self._seed)
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
            for execution in self.executions(order.client_order_id, fill):
                self._book_fill(order, execution)
        if result.canceled or order.time_in_force == "opg":
            self.end(order, "canceled")

    def _closing_time(self) -> int:
        day = self._market.sessions.begun(self._journal.now)
        return day.close if day is not None else 0

    def _book_fill(self, order: Order, fill: Fill) -> None:
        """Write one execution into the order, the account and the activities."""
        time = self.stamp()
        order.filled += fill.quantity
        order.filled_value += fill.quantity * fill.price
        done = not order.remaining
        order.become("filled" if done else "partially_filled", time)
        if done:
            self.leave(order)
        account = self._accounts[order.account]
        before = account.quantity(order.symbol)
        account.apply(order.symbol, order.side, fill.quantity, fill.price)
        after = account.quantity(order.symbol)
        if (before > 0, before < 0) != (after > 0, after < 0):
            # What orders bind depends on the side of the holding, not on its size.
            self.open_orders.holding_changed(account, order.symbol)
        if abs(after) > abs(before):
            self._note_margin(account)
        if self._market.fill_model.fees:
            account.unbilled.append((order.side, fill.quantity, fill.price))
        self._journal.account_changed(account)
        price, quantity = numbers.text(fill.price), numbers.text(fill.quantity)
        event = "fill" if done else "partial_fill"
        execution = self._journal.activity(
            account,
            time,
            {
                "activity_type": "FILL",
                "type": event,
                "transaction_time": instants.rfc3339(time),
                "price": price,
                "qty": quantity,
                "cum_qty": numbers.text(order.filled),
                "leaves_qty": numbers.text(order.remaining),
                "side": order.side,
                "symbol": order.symbol,
                "order_id": order.id,
                "order_status": order.status,
            },
        )
        held = numbers.text(account.quantity(order.symbol))
        self.tell(order, event, execution, price=price, qty=quantity, position_qty=held)
        complex_orders.filled(self, order, fill)

    def _note_margin(self, account: Account) -> None:
        """Note the margin that is missing now that something was added."""
        owes = account.cash < 0
        if not owes and all(one.quantity > 0 for one in account.holdings.values()):
            # Nothing is borrowed: no share needs more than its value.
            account.standing.added(ZERO, ZERO)
            return
        value = valuation.value(account, self._market, self._journal.now)
        account.standing.added(value.equity, value.maintenance_margin)
