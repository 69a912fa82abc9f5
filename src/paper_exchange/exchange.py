"""The exchange: accounts and orders on one side, the market's time on the other.

Everything happens at `now`, which only `advance` moves. Each public step writes all it
has changed in one piece, and only then tells the tape and the listeners.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from paper_exchange import (
    admission,
    complex_orders,
    day_end,
    hours,
    instants,
    margin,
    order_request,
    valuation,
)
from paper_exchange.accounts import Account, Valuation
from paper_exchange.admission import Proposal
from paper_exchange.corporate import CorporateAction, CorporateActions
from paper_exchange.errors import StartRefused, not_found, unprocessable
from paper_exchange.floor import Floor
from paper_exchange.identity import asset_id
from paper_exchange.journal import Journal
from paper_exchange.market.interventions import Intervention
from paper_exchange.market.market import Market
from paper_exchange.market.source import Terms
from paper_exchange.open_orders import OpenOrders
from paper_exchange.order_request import OrderRequest
from paper_exchange.orders import WORKING, Order
from paper_exchange.sessions import Sessions, TradingDay
from paper_exchange.store import Store
from paper_exchange.tape import Tape


class Exchange:
    """One market, its accounts, and every order on it."""

    def __init__(self, market: Market, store: Store, tape: Tape, seed: int) -> None:
        self.market = market
        self.store = store
        self.seed = seed
        self.journal = Journal(store, tape, seed, market.source.start)
        facts = store.facts()
        self._refuse_another_market(facts)
        self.accounts = {account.id: account for account in store.accounts()}
        self.floor = Floor(market, self.journal, self.accounts, seed)
        self.corporate_actions = CorporateActions(
            facts, self.journal, market, self.floor, self.accounts, self._change_prices
        )
        acts = json.loads(facts.get("interventions", "[]"))
        terms = json.loads(facts.get("terms", "{}"))
        market.terms = {symbol: Terms(**those) for symbol, those in terms.items()}
        self.after_intervention: list[Callable[[Intervention], None]] = []
        self._acts = [Intervention(**act) for act in acts]
        for act in self._acts:
            market.intervene(act)
        for order in store.open_orders():
            self.floor.restore(order)
        self.floor.look_ahead_everywhere(self.now)

    @property
    def now(self) -> int:
        """Market time."""
        return self.journal.now

    @property
    def sessions(self) -> Sessions:
        """The trading days."""
        return self.market.sessions

    @property
    def open_orders(self) -> OpenOrders:
        """Every order that is not finished."""
        return self.floor.open_orders

    def _refuse_another_market(self, facts: dict[str, str]) -> None:
        name = f"{self.market.source.name}; {self.market.fill_model.name}"
        known = facts.get("market")
        if known is not None and known != name:
            raise StartRefused(
                f"This data directory belongs to another market ({known}), not to "
                f"{name}. Use the same options as before or another --data-dir."
            )
        self.journal.fact("market", name)

    # Accounts ---------------------------------------------------------------------

    def create_account(self, key: str, secret: str, cash: Decimal) -> Account:
        """Open an account; with a key that is known, return the one it has."""
        for known in self.accounts.values():
            if known.key == key:
                return known
        identity = self.journal.identity.next()
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
        self.journal.account_changed(account)
        self.journal.note("account", {"id": account.id, "cash": str(cash)})
        self.journal.commit()
        return account

    def save_account(self, account: Account) -> None:
        """Keep changed settings of an account."""
        self.journal.account_changed(account)
        self.journal.commit()

    def reset_account(self, account: Account, cash: Decimal) -> Account:
        """Close an account for good and open a fresh one with its keys."""
        for order in self.orders_of(account):
            self.floor.end(order, "canceled")
        key, account.key = account.key, f"closed:{account.id}"
        self.journal.note("account", {"id": account.id, "is_closed": True})
        self.journal.account_changed(account)
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

    def find(self, account: Account, order_id: str) -> Order | None:
        """Return an order of an account, finished or not, or None."""
        order = self.floor.find(order_id)
        if order is None or order.account != account.id:
            order = self.store.order(account.id, order_id)
        return order

    def order(self, account: Account, order_id: str) -> Order:
        """Return an order of an account, finished or not."""
        order = self.find(account, order_id)
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
                self.store.is_taken(account.id, request.client_order_id)
            )
        admission.admit(self.proposal(account, request))
        answer = self._take(account, request)
        self.journal.commit()
        return answer

    def _take(self, account: Account, request: OrderRequest) -> dict[str, Any]:
        """Let an order in; return it as it is before the market met it."""
        order = self._create(account, request)
        parts = complex_orders.parts(self.floor, order, request)
        self.floor.tell(order, "pending_new")
        for part in parts:
            self.floor.enter(part)
        self.floor.enter(order)
        answer = order.body([part.body() for part in parts] or None)
        if order.status == "new":
            # The client hears of `new` from the stream, as it does from the broker.
            answer["status"] = "pending_new"
        if order.status in WORKING:
            self.floor.meet_current_price(order)
        self.floor.look_ahead_for(order)
        return answer

    def proposal(
        self, account: Account, request: OrderRequest, instead_of: Order | None = None
    ) -> Proposal:
        """Return a request with everything it is judged by."""
        return Proposal(
            request,
            account,
            self.open_orders,
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
        now = self.journal.stamp()
        identity = self.journal.identity.next()
        order = Order(
            id=identity,
            account=account.id,
            sequence=self.journal.identity.count,
            client_order_id=request.client_order_id or self.journal.identity.next(),
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
            expires_at=self.floor.hours.expiry(request, self.now),
        )
        if request.order_class == "oco" and order.limit_price is None:
            order.limit_price = request.take_profit
        self.open_orders.add(order)
        return order

    def cancel(self, account: Account, order_id: str) -> None:
        """Cancel an order, and the parts that hang on it."""
        order = self.order(account, order_id)
        state = order.wish if order.is_open else order.status
        if state is not None:
            raise unprocessable(f'order is already in "{state}" state')
        self.floor.cancel(order)
        self.journal.commit()

    def put_in_place(self, old: Order, new: Order) -> dict[str, Any]:
        """Send a changed order in for an old one, and return it as it is answered."""
        if self.floor.takes_time(old):
            bound = valuation.reserved(
                old, self.accounts[old.account], self.market, self.now
            )
            self.floor.send_replacement(old, new, bound)
            answer = self.body(new)
        else:
            was_held = old.status == "held"
            self.floor.replace(old, new)
            self.floor.tell(new, "pending_new")
            self.floor.enter_instead(new, was_held)
            answer = self.body(new)
            if new.status in WORKING:
                self.floor.meet_current_price(new)
            self.floor.look_ahead(new.symbol)
        self.journal.commit()
        return answer

    def set_terms(self, symbol: str, terms: Terms) -> None:
        """Let a symbol trade on other terms from now on."""
        self.market.terms[symbol] = terms
        self._keep_terms()
        self.journal.note("terms", {"symbol": symbol, **asdict(terms)})
        self.journal.commit()

    def _keep_terms(self) -> None:
        terms = {symbol: asdict(those) for symbol, those in self.market.terms.items()}
        self.journal.fact("terms", json.dumps(terms))

    def announce(self, action: CorporateAction) -> None:
        """Take a corporate action."""
        self.corporate_actions.announce(action)
        self.floor.look_ahead_everywhere(self.now)
        self.journal.commit()

    def _change_prices(self, act: Intervention) -> None:
        self._acts.append(act)
        self.market.intervene(act)
        if act.kind == "rename":
            self._keep_terms()
        self.journal.note("price", act.told())
        acts = json.dumps([one.record() for one in self._acts])
        self.journal.fact("interventions", acts)

    def intervene(self, act: Intervention) -> None:
        """Change the prices of a symbol from now on."""
        self._change_prices(act)
        if act.kind == "print" and act.time == self.now:
            self.floor.meet_current_prices(act.symbol)
        self.floor.look_ahead(act.symbol)
        self.journal.commit()
        for told in self.after_intervention:
            told(act)

    # Time -------------------------------------------------------------------------

    def advance(self, to: int) -> None:
        """Let market time pass, with every price, fill and expiry on the way."""
        to = min(to, self.market.source.end)
        while True:
            boundary = self.floor.hours.next_boundary(self.now)
            self.floor.trade(min(to, boundary - 1))
            if boundary > to:
                self.journal.now = max(self.now, to)
                return
            self.journal.now = boundary
            self._cross(boundary)

    def _cross(self, boundary: int) -> None:
        """Do what an opening or a closing does."""
        owing: list[Account] = []
        day = self.sessions.begun(boundary)
        if day is not None and boundary == hours.begin(day):
            model = self.market.fill_model
            if day.index and (model.borrow_rate or model.margin_rate):
                before = self.sessions.days[day.index - 1]
                day_end.charge_night(
                    self.journal, self.accounts.values(), self.market, before, day
                )
            self.corporate_actions.begin(day)
        if day is not None and boundary == day.close:
            self._close_auction(day)
            owing = day_end.close_books(
                self.journal, self.accounts.values(), self.market, day
            )
        for order in self.open_orders:
            if order.expires_at and order.expires_at <= boundary:
                self.floor.end(order, "expired")
        for account in owing:
            self._liquidate(account)
        for order in self.open_orders:
            if (
                order.status == "accepted"
                and self.floor.may_trade(order)
                and not self.floor.is_on_its_way(order)
                and not order.in_transit
            ):
                self.floor.activate(order)
        # Prices of this very instant count too.
        self.floor.look_ahead_everywhere(boundary - 1)

    def _liquidate(self, account: Account) -> None:
        """Close at the next open what the equity of an account does not carry.

        Its open orders are canceled: they hold the shares, or would add to them.
        """
        held = [
            holding
            for holding in valuation.priced(account, self.market, self.now)
            if self.market.is_active(holding[0])
        ]
        reduction = margin.reduction(held, self.value(account).equity)
        if not reduction:
            return
        for order in self.orders_of(account):
            self.floor.end(order, "canceled")
        orders = []
        for symbol, shares in reduction:
            held_now = account.quantity(symbol)
            request = order_request.closing(symbol, held_now, shares)
            orders.append(self._take(account, request)["id"])
        self.journal.note("liquidation", {"account": account.id, "orders": orders})

    def _close_auction(self, day: TradingDay) -> None:
        for order in self.open_orders:
            if order.time_in_force != "cls" or order.status not in WORKING:
                continue
            point = self.market.last_in_session(order.symbol, day, day.close)
            if point is not None:
                self.floor.meet_close(order, point, day.close)

    def working(self) -> Iterator[Order]:
        """Yield every open order."""
        return iter(self.open_orders)

    def close(self) -> None:
        """Write what is left and let go of the files."""
        self.journal.close()
