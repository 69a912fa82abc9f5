"""Which terms of an order fit together, and what a change makes of them."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from trading_risk.domain.replacing import changed, obstacle_to_replacing, proposal_of
from trading_risk.domain.terms import fault_of, waits_for_its_time
from trading_system.contracts.execution import OrderChange, OrderProposal

pytestmark = pytest.mark.unit

PROFIT = {"take_profit": {"limit_price": 110}}
LOSS = {"stop_loss": {"stop_price": 90}}
LIMIT = {"order_type": "limit", "limit_price": 100}


def proposal(**terms: Any) -> OrderProposal:
    base = {"symbol": "AAPL", "side": "buy", "quantity": 10}
    return OrderProposal.model_validate({**base, **terms})


@pytest.mark.parametrize(
    "terms",
    [
        {},
        LIMIT,
        {"order_type": "stop", "stop_price": 101},
        {**LIMIT, "order_type": "stop_limit", "stop_price": 101},
        {"order_type": "trailing_stop", "trail_price": 2, "time_in_force": "gtc"},
        {"order_type": "trailing_stop", "trail_percent": "0.5"},
        {"time_in_force": "opg"},
        {**LIMIT, "time_in_force": "cls"},
        {**LIMIT, "time_in_force": "ioc"},
        {"time_in_force": "fok"},
        {**LIMIT, "extended_hours": True},
        {"quantity": None, "notional": "250.50"},
        {"quantity": "0.5"},
        {"order_class": "bracket", **PROFIT, **LOSS},
        {"order_class": "oto", **LOSS},
        {"order_class": "oco", "order_type": "limit", "side": "sell", **PROFIT, **LOSS},
    ],
)
def test_terms_that_fit_have_no_fault(terms: dict[str, Any]) -> None:
    assert fault_of(proposal(**terms)) is None


@pytest.mark.parametrize(
    ("terms", "fault"),
    [
        ({"quantity": None}, "needs a quantity or a notional"),
        ({"notional": 100}, "not both"),
        ({"order_type": "limit"}, "A limit order needs limit_price."),
        ({"limit_price": 100}, "A market order takes no limit_price."),
        ({"order_type": "stop"}, "A stop order needs stop_price."),
        ({"order_type": "trailing_stop"}, "one of trail_price and trail_percent"),
        (
            {"order_type": "trailing_stop", "trail_price": 1, "trail_percent": 1},
            "one of trail_price and trail_percent",
        ),
        ({"trail_price": 1}, "takes no trail_price"),
        ({"order_type": "stop", "stop_price": 9, "time_in_force": "ioc"}, "not ioc"),
        ({"extended_hours": True}, "Outside the session only simple limit orders"),
        ({"quantity": "0.5", "time_in_force": "gtc"}, "are for the day only"),
        (
            {"quantity": None, "notional": 100, "order_class": "oto", **LOSS},
            "is for whole shares",
        ),
        ({"order_class": "bracket", **PROFIT}, "needs take_profit and stop_loss"),
        ({"order_class": "oto", **PROFIT, **LOSS}, "needs one of"),
        ({"order_class": "oco", **PROFIT, **LOSS}, "An oco order is a limit order"),
        ({**PROFIT}, "A simple order has no take_profit"),
        (
            {"order_class": "bracket", "time_in_force": "fok", **PROFIT, **LOSS},
            "is day or gtc, not fok",
        ),
        (
            {"order_class": "bracket", "side": "sell", **PROFIT, **LOSS},
            "take_profit lies below stop_loss",
        ),
    ],
)
def test_terms_that_do_not_fit_are_told(terms: dict[str, Any], fault: str) -> None:
    assert fault in str(fault_of(proposal(**terms)))


def test_an_order_that_waits_for_its_time_may_reach_the_broker_at_night() -> None:
    assert waits_for_its_time(proposal(time_in_force="opg"))
    assert waits_for_its_time(proposal(**LIMIT, extended_hours=True))
    assert not waits_for_its_time(proposal())


def placed(**more: Any) -> Any:
    fields = {
        "symbol": "AAPL",
        "side": "buy",
        "status": "ACCEPTED",
        "quantity": Decimal(10),
        "filled_quantity": Decimal(0),
        "netted_quantity": Decimal(0),
        "order_type": "limit",
        "time_in_force": "day",
        "limit_price": Decimal(100),
        "stop_price": None,
        "trail_price": None,
        "trail_percent": None,
        "notional": None,
        "extended_hours": False,
        "order_class": "simple",
        "take_profit_price": None,
        "stop_loss_price": None,
        "stop_loss_limit_price": None,
    }
    return SimpleNamespace(**{**fields, **more})


@pytest.mark.parametrize(
    ("order", "obstacle"),
    [
        ({}, None),
        ({"status": "UNKNOWN"}, "only one at the broker"),
        ({"status": "FILLED"}, "only one at the broker"),
        ({"status": "PARTIALLY_FILLED", "filled_quantity": 3}, "filled in part"),
        ({"notional": Decimal(100)}, "in dollars"),
    ],
)
def test_what_stands_in_the_way_of_a_replacement(
    order: dict[str, Any], obstacle: str | None
) -> None:
    found = obstacle_to_replacing(placed(**order), False)
    assert found is None if obstacle is None else obstacle in str(found)


def test_an_order_is_replaced_by_one_at_a_time() -> None:
    assert "already" in str(obstacle_to_replacing(placed(), True))


def test_a_change_leaves_the_rest_as_it_was() -> None:
    was = proposal_of(placed())
    after = changed(was, OrderChange(limit_price=Decimal(95)))
    assert after.limit_price == 95
    assert after.model_copy(update={"limit_price": was.limit_price}) == was
    assert changed(was, OrderChange()) == was


def test_a_trail_is_changed_in_the_way_it_was_given() -> None:
    trailing = placed(
        order_type="trailing_stop", limit_price=None, trail_percent=Decimal(2)
    )
    after = changed(proposal_of(trailing), OrderChange(trail=Decimal(3)))
    assert (after.trail_percent, after.trail_price) == (3, None)


def test_the_limit_of_an_oco_is_its_take_profit() -> None:
    pair = placed(
        order_class="oco",
        side="sell",
        limit_price=Decimal(110),
        take_profit_price=Decimal(110),
        stop_loss_price=Decimal(90),
    )
    after = changed(proposal_of(pair), OrderChange(limit_price=Decimal(120)))
    assert after.take_profit is not None and after.take_profit.limit_price == 120
    assert fault_of(after) is None
