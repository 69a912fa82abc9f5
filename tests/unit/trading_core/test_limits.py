"""Every check at its edge, and that everything unclear is a refusal."""

from dataclasses import fields, replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from trading_core.limits import (
    ACCOUNT_SEED,
    MARKET_CHECKS,
    Finding,
    Limit,
    Limits,
    LimitType,
    NoLimitConfigured,
    Proposal,
    evaluate,
    loss_share,
)
from trading_core.money import BadNumber

pytestmark = pytest.mark.unit
D = Decimal
SEED = Limits.of(
    ACCOUNT_SEED, {"momentum": {"max_drawdown": 0.05, "max_daily_loss": 0.02}}
)
ENTRY = Proposal(
    strategy="momentum",
    symbol="AAPL",
    side="buy",
    quantity=D(100),
    price=D(100),
    equity=D(100_000),
    buying_power=D(100_000),
    gross_exposure=D(0),
    held=D(0),
    max_position_size=D("0.1"),
    is_session_open=True,
)
EXIT = replace(ENTRY, side="sell", held=D(100), gross_exposure=D(10_000))


def with_limit(kind: str, value: str) -> Limits:
    return Limits.of({**ACCOUNT_SEED, LimitType(kind): D(value)})


def test_the_first_trade_of_a_new_account_is_approved() -> None:
    outcome = evaluate(ENTRY, SEED)
    assert outcome.approved and outcome.quantity == 100 and outcome.code == ""
    assert [each.name for each in outcome.results] == [
        check.__name__ for check in MARKET_CHECKS
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"is_session_open": False}, "OVERNIGHT_ENTRY"),
        ({"quantity": D(0)}, "AT_TARGET"),
        ({"is_repeated": True}, "DUPLICATE_ORDER"),
        ({"opposite": D(1)}, "SELF_MATCH"),
        ({"side": "sell"}, "SHORT_NOT_ALLOWED"),
        ({"side": "sell", "allow_short": True}, "SHORT_NOT_ALLOWED"),
        ({"held": D(100)}, "MAX_POSITION"),
        ({"gross_exposure": D(90_001)}, "MAX_GROSS"),
        ({"buying_power": D(9_999)}, "BUYING_POWER"),
        ({"orders_this_bar": 50}, "MAX_ORDERS_PER_BAR"),
        ({"orders_today": 200}, "MAX_ORDERS_PER_DAY"),
        ({"account_daily_loss": D("0.02")}, "DAILY_LOSS"),
        ({"strategy_daily_loss": D("0.02")}, "STRATEGY_DAILY_LOSS"),
        ({"account_drawdown": D("0.05")}, "DRAWDOWN"),
        ({"strategy_drawdown": D("0.05")}, "STRATEGY_DRAWDOWN"),
    ],
)
def test_an_entry_over_a_limit_is_refused(changes: dict[str, Any], code: str) -> None:
    outcome = evaluate(replace(ENTRY, **changes), SEED)
    assert (outcome.approved, outcome.quantity, outcome.code) == (False, D(0), code)
    failed = [each for each in outcome.results if not each.passed]
    assert code in [each.code for each in failed]
    assert outcome.detail == failed[0].detail != ""


@pytest.mark.parametrize(
    "changes",
    [
        {"gross_exposure": D(90_000)},
        {"buying_power": D(10_000)},
        {"orders_this_bar": 49},
        {"orders_today": 199},
        {"account_daily_loss": D("0.0199")},
        {"strategy_drawdown": D("0.0499")},
        {"account_daily_loss": D("-0.30")},
    ],
)
def test_an_entry_at_a_limit_is_approved(changes: dict[str, Any]) -> None:
    assert evaluate(replace(ENTRY, **changes), SEED).approved


def test_an_exit_passes_losses_exposure_and_size_also_when_the_market_is_closed() -> (
    None
):
    worst = replace(
        EXIT,
        quantity=D(1000),
        held=D(1000),
        gross_exposure=D(300_000),
        buying_power=D(0),
        is_session_open=False,
        account_daily_loss=D("0.5"),
        account_drawdown=D("0.5"),
        strategy_daily_loss=D("0.5"),
        strategy_drawdown=D("0.5"),
    )
    assert evaluate(worst, SEED).approved
    assert not evaluate(replace(worst, orders_today=200), SEED).approved


def test_covering_a_short_is_an_exit_and_going_beyond_flat_is_none() -> None:
    short = replace(ENTRY, held=D(-100), is_session_open=False)
    assert short.is_reducing and evaluate(short, SEED).approved
    beyond = replace(short, quantity=D(101))
    assert not beyond.is_reducing
    assert evaluate(beyond, SEED).code == "OVERNIGHT_ENTRY"


def test_a_short_needs_the_strategy_and_the_limits_to_allow_it() -> None:
    short = replace(ENTRY, side="sell", allow_short=True)
    assert evaluate(short, with_limit("allow_short", "1")).approved
    unwilling = replace(short, allow_short=False)
    assert not evaluate(unwilling, with_limit("allow_short", "1")).approved


def test_overnight_entries_can_be_allowed() -> None:
    late = replace(ENTRY, is_session_open=False)
    assert evaluate(late, with_limit("overnight_entries", "1")).approved


def test_an_order_is_cut_to_the_position_limit_and_the_check_says_so() -> None:
    outcome = evaluate(replace(ENTRY, held=D(38)), SEED)
    assert outcome.approved and outcome.quantity == 62
    cut = next(e for e in outcome.results if e.name == "position_stays_small")
    assert (cut.quantity_before, cut.quantity_after) == (D(100), D(62))
    assert (cut.value, cut.limit) == (D("0.138"), D("0.1"))
    later = outcome.results[outcome.results.index(cut) + 1]
    assert later.quantity_before == 62


def test_an_order_larger_than_its_notional_is_refused() -> None:
    wide = Limits.of({**ACCOUNT_SEED, LimitType.MAX_POSITION_SIZE: D("0.5")})
    large = replace(ENTRY, quantity=D(151), max_position_size=D("0.5"))
    assert evaluate(large, wide).code == "MAX_ORDER_NOTIONAL"
    assert evaluate(replace(large, quantity=D(150)), wide).approved


def test_the_tightest_limit_of_all_scopes_holds() -> None:
    kind = LimitType.MAX_POSITION_SIZE
    rows = (
        Limit(kind, D("0.10")),
        Limit(kind, D("0.08"), "strategy", "momentum"),
        Limit(kind, D("0.05"), "symbol", "AAPL"),
        Limit(kind, D("0.01"), "symbol", "BAC"),
    )
    both = Limits(rows)
    assert both.tightest(kind, "momentum", "AAPL") == D("0.05")
    assert both.tightest(kind, "momentum", "SPY") == D("0.08")
    assert both.tightest(kind, "other", "SPY") == D("0.10")
    with pytest.raises(NoLimitConfigured):
        both.tightest(LimitType.MAX_DRAWDOWN)


def test_a_strategys_loss_limit_does_not_bind_the_account() -> None:
    tight = Limits.of(ACCOUNT_SEED, {"momentum": {"max_daily_loss": 0.001}})
    lost = replace(ENTRY, account_daily_loss=D("0.01"))
    assert evaluate(lost, tight).approved
    assert not evaluate(replace(lost, strategy_daily_loss=D("0.01")), tight).approved


@pytest.mark.parametrize("kind", list(LimitType))
def test_a_limit_that_is_not_configured_is_a_refusal(kind: LimitType) -> None:
    rows = {key: value for key, value in ACCOUNT_SEED.items() if key is not kind}
    outcome = evaluate(ENTRY, Limits.of(rows))
    assert (outcome.approved, outcome.code) == (False, "NO_LIMIT_CONFIGURED")


NUMBERS = [f.name for f in fields(Proposal) if isinstance(getattr(ENTRY, f.name), D)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("start", [ENTRY, EXIT])
def test_a_number_that_is_none_is_a_refusal(
    start: Proposal, name: str, value: str
) -> None:
    wrong: dict[str, Any] = {name: D(value)}
    outcome = evaluate(replace(start, **wrong), SEED)
    assert (outcome.approved, outcome.code) == (False, "BAD_NUMBER")


@pytest.mark.parametrize(
    ("name", "value"),
    [("quantity", -1), ("price", 0), ("equity", 0), ("equity", -5), ("price", -1)],
)
def test_an_impossible_sign_is_a_refusal(name: str, value: int) -> None:
    wrong: dict[str, Any] = {name: D(value)}
    assert evaluate(replace(ENTRY, **wrong), SEED).code == "BAD_NUMBER"


def failing(proposal: Proposal, limits: Limits, quantity: Decimal) -> Finding:
    raise RuntimeError("the database went away")


def mute(proposal: Proposal, limits: Limits, quantity: Decimal) -> Any:
    return None


def seeing(number: str, proposal: Proposal, *_: object) -> Finding:
    return Finding(True, "", "", value=D(number))


def raising(proposal: Proposal, limits: Limits, quantity: Decimal) -> Finding:
    return Finding(True, "", "", fits=quantity * 2)


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (failing, "CHECK_FAILED"),
        (mute, "CHECK_FAILED"),
        (partial(seeing, "NaN"), "BAD_NUMBER"),
        (raising, "BAD_NUMBER"),
    ],
)
def test_a_check_that_goes_wrong_is_a_refusal(check: Any, code: str) -> None:
    outcome = evaluate(ENTRY, SEED, (*MARKET_CHECKS, check))
    assert (outcome.approved, outcome.quantity, outcome.code) == (False, D(0), code)


def test_no_checks_are_a_refusal() -> None:
    assert not evaluate(ENTRY, SEED, ()).approved


@pytest.mark.parametrize("value", ["NaN", "-0.1", "Infinity"])
def test_an_impossible_limit_cannot_be_made(value: str) -> None:
    with pytest.raises(BadNumber):
        Limit(LimitType.MAX_DRAWDOWN, D(value))


def test_an_unknown_limit_or_scope_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="max_fun"):
        Limits.of(ACCOUNT_SEED, {"momentum": {"max_fun": 1}})
    with pytest.raises(ValueError, match="needs its name"):
        Limit(LimitType.MAX_DRAWDOWN, D(1), "strategy")


def test_a_loss_is_a_share_of_where_it_began() -> None:
    assert loss_share(D(100), D(98)) == D("0.02")
    assert loss_share(D(100), D(110)) == D("-0.1")
    assert loss_share(D(-900), D(1)) == loss_share(D(0), D(0)) == 1
    with pytest.raises(BadNumber):
        loss_share(D("NaN"), D(1))
