"""Orders that are one intent: every leg is approved, or none is."""

from typing import Any

import pytest

from trading_risk import operations
from trading_risk.models import RiskOutcome
from trading_system.errors import Conflict, Invalid
from trading_system.vocabulary import new_id

pytestmark = pytest.mark.integration

PAIR = (
    {"symbol": "AAPL", "side": "buy", "quantity": "50"},
    {"symbol": "MSFT", "side": "buy", "quantity": "40"},
)


@pytest.fixture
def now(account: Any) -> Any:
    """An account that knows the market's time and the prices of two symbols."""
    with account.database.transaction() as tx:
        tx.publish(account.signal("OTHER", may_trade=False))
    for symbol in ("AAPL", "MSFT"):
        account.bar(symbol, account.signal().bar_end, 100.0)
    return account


def combo(
    account: Any, *legs: dict[str, Any], key: str | None = None
) -> list[RiskOutcome]:
    wanted = operations.ComboRequest.model_validate(
        {"legs": list(legs), "reason": "a pair"}
    )
    with account.database.transaction() as tx:
        return operations.combo_by_hand(
            tx, wanted, key or str(new_id()), "ada", account.surroundings
        )


def test_the_legs_of_an_approval_name_each_other(now: Any) -> None:
    outcomes = combo(now, *PAIR)
    assert [outcome.outcome for outcome in outcomes] == ["approved", "approved"]
    said = now.events("risk.order_approved")[-2:]
    places = [event["combo"] for event in said]
    assert len({place["combo_id"] for place in places}) == 1
    assert [(place["leg"], place["legs"]) for place in places] == [(1, 2), (2, 2)]


def test_one_leg_that_is_denied_denies_the_others(now: Any) -> None:
    before = len(now.events("risk.order_approved"))
    outcomes = combo(now, *PAIR, {"symbol": "MSFT", "side": "sell", "quantity": "9"})
    assert [outcome.outcome for outcome in outcomes] == ["denied"] * 3
    codes = [outcome.code for outcome in outcomes]
    assert codes[:2] == ["COMBO_DENIED", "COMBO_DENIED"]
    assert codes[2] != "COMBO_DENIED"
    assert len(now.events("risk.order_approved")) == before
    [(reserved,)] = now.sql(
        "select count(*) from risk_management.reservations where account_id = :account"
    )
    assert reserved == 0
    # What was counted for the denied ones stands in nobody's way.
    assert combo(now, *PAIR)[0].outcome == "approved"


def test_the_legs_keep_a_limit_together(now: Any) -> None:
    now.limit("max_orders_per_day", "1")
    outcomes = combo(now, *PAIR)
    assert [outcome.outcome for outcome in outcomes] == ["denied", "denied"]


def test_a_key_asks_for_a_combo_once(now: Any) -> None:
    key = str(new_id())
    first, again = combo(now, *PAIR, key=key), combo(now, *PAIR, key=key)
    assert [o.outcome_id for o in first] == [o.outcome_id for o in again]
    with pytest.raises(Conflict, match="belongs to another"):
        combo(now, *reversed(PAIR), key=key)


def test_a_leg_has_no_exits_of_its_own(now: Any) -> None:
    exits = {
        "order_class": "bracket",
        "order_type": "limit",
        "limit_price": "100",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "95"},
    }
    with pytest.raises(Invalid, match="no exits"):
        combo(now, {**PAIR[0], **exits}, PAIR[1])
