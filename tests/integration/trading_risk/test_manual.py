"""Orders by hand of every kind, and replacements, as risk answers them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from trading_risk import operations
from trading_risk.models import RiskOutcome
from trading_system.errors import Conflict, Invalid, NotFound
from trading_system.vocabulary import new_id

pytestmark = pytest.mark.integration


def order(account: Any, key: str | None = None, **terms: Any) -> RiskOutcome:
    base = {"symbol": "AAPL", "side": "buy", "quantity": "50", "reason": "a test"}
    wanted = operations.ManualRequest.model_validate({**base, **terms})
    with account.database.transaction() as tx:
        return operations.order_by_hand(
            tx, wanted, key or str(new_id()), "ada", account.surroundings
        )


def replaced(
    account: Any, order_id: UUID | None, key: str | None = None, **change: Any
) -> RiskOutcome:
    assert order_id is not None
    wanted = operations.ReplaceRequest.model_validate({"reason": "a test", **change})
    with account.database.transaction() as tx:
        return operations.replace_by_hand(
            tx, order_id, wanted, key or str(new_id()), "ada", account.surroundings
        )


@pytest.fixture
def now(account: Any) -> Any:
    """An account to which the market's time was told by a signal."""
    with account.database.transaction() as tx:
        tx.publish(account.signal("OTHER", may_trade=False))
    return account


def last_approved(account: Any) -> dict[str, Any]:
    found: dict[str, Any] = account.events("risk.order_approved")[-1]
    return found


def test_the_terms_of_an_order_by_hand_reach_execution(now: Any) -> None:
    terms = {
        "order_class": "bracket",
        "order_type": "limit",
        "limit_price": "100",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "95", "limit_price": "94"},
        "time_in_force": "gtc",
    }
    assert order(now, **terms).outcome == "approved"
    approved = last_approved(now)
    assert {name: approved[name] for name in terms} == terms


def test_dollars_are_judged_by_the_shares_they_buy_and_cut_with_them(now: Any) -> None:
    answer = order(now, quantity=None, notional="1050.00")
    assert (answer.outcome, answer.quantity) == ("approved", Decimal("10.5"))
    assert last_approved(now)["notional"] == "1050"
    # Of $11,000 no more than what is left of the limit for one symbol.
    answer = order(now, quantity=None, notional="11000.00")
    assert answer.quantity is not None and answer.quantity < 110
    cut = Decimal(last_approved(now)["notional"])
    assert answer.quantity * 100 - Decimal("0.01") < cut <= answer.quantity * 100


def test_only_orders_that_wait_for_it_are_taken_outside_the_session(
    account: Any,
) -> None:
    evening = account.signal("OTHER", may_trade=False)
    at = evening.market_time + timedelta(hours=8)
    with account.database.transaction() as tx:
        tx.publish(evening.model_copy(update={"market_time": at}))
    assert order(account).code == "OVERNIGHT_ENTRY"
    limit = {"order_type": "limit", "limit_price": "100", "quantity": "10"}
    assert order(account, extended_hours=True, **limit).outcome == "approved"
    assert order(account, time_in_force="opg", quantity="10").outcome == "approved"


def test_the_exits_of_an_order_count_once(now: Any) -> None:
    now.holds("AAPL", "40", "100")
    entry = order(now, symbol="MSFT", quantity="10")
    now.write_order(entry, "FILLED", "10")
    for leg, kind in enumerate(("limit", "stop"), start=1):
        now.sql(
            "insert into execution.orders (order_id, account_id, signal_id, leg,"
            " client_order_id, strategy, symbol, side, quantity, order_type,"
            " time_in_force, valid_until, status, reduces, parent_order_id,"
            " market_time, as_of) select gen_random_uuid(), account_id, signal_id,"
            " :leg, gen_random_uuid()::text, strategy, 'AAPL', 'sell', 40, :kind,"
            " 'day', valid_until, 'ACCEPTED', true, order_id, market_time, as_of"
            " from execution.orders where order_id = :entry",
            leg=leg,
            kind=kind,
            entry=entry.order_id,
        )
    with now.database.read_only() as tx:
        books = tx.books.read()
    assert books.ordered("AAPL", "sell") == 40
    assert books.worst("AAPL", "sell") == 0


def test_a_replacement_is_judged_in_the_place_of_its_order(now: Any) -> None:
    old = order(now, order_type="limit", limit_price="100", quantity="90")
    now.write_order(old, "ACCEPTED", limit_price="100")
    # The limit of one symbol leaves no room for a second one of this size.
    assert order(now, quantity="90").quantity == 10
    answer = replaced(now, old.order_id, limit_price="99")
    assert (answer.outcome, answer.quantity) == ("approved", 90)
    approved = last_approved(now)
    assert approved["replaces"] == str(old.order_id)
    assert (approved["limit_price"], approved["order_type"]) == ("99", "limit")
    assert approved["strategy"] == old.strategy


def test_an_order_and_its_replacement_count_as_the_larger_of_both(now: Any) -> None:
    old = order(now, order_type="limit", limit_price="100", quantity="20")
    now.write_order(old, "ACCEPTED", limit_price="100")
    new = replaced(now, old.order_id, quantity="30")
    now.write_order(new, "READY", limit_price="100", replaces=old.order_id)
    with now.database.read_only() as tx:
        books = tx.books.read()
    assert [o.quantity for o in books.orders] == [30]


def test_a_key_asks_for_one_replacement(now: Any) -> None:
    old = order(now, order_type="limit", limit_price="100")
    now.write_order(old, "ACCEPTED", limit_price="100")
    key = str(new_id())
    first = replaced(now, old.order_id, key, limit_price="99")
    assert replaced(now, old.order_id, key, limit_price="99").signal_id == (
        first.signal_id
    )
    with pytest.raises(Conflict, match="another order"):
        replaced(now, old.order_id, key, limit_price="98")
    with pytest.raises(Conflict, match="being replaced already"):
        replaced(now, old.order_id, limit_price="98")


def test_what_cannot_be_replaced_is_told(now: Any) -> None:
    old = order(now, order_type="limit", limit_price="100")
    now.write_order(old, "PARTIALLY_FILLED", "5", limit_price="100")
    with pytest.raises(Conflict, match="filled in part"):
        replaced(now, old.order_id, limit_price="99")
    with pytest.raises(NotFound):
        replaced(now, new_id(), limit_price="99")
    other = order(now, symbol="MSFT", order_type="limit", limit_price="100")
    now.write_order(other, "ACCEPTED", limit_price="100")
    with pytest.raises(Invalid, match="Nothing would be different"):
        replaced(now, other.order_id, limit_price="100")
    with pytest.raises(Invalid, match="takes no stop_price"):
        replaced(now, other.order_id, stop_price="100")
