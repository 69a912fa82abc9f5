"""Every signal gets one answer, with every check, whatever fails."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from trading_risk import operations
from trading_risk.domain import CHECKS
from trading_risk.handlers import handlers
from trading_system.consumer import Consumer
from trading_system.contracts.execution import OrderProposal
from trading_system.vocabulary import Side, new_id, order_id

pytestmark = pytest.mark.integration


def test_a_buy_is_sized_to_its_share_of_equity_and_approved(account: Any) -> None:
    account.bar("CHEAP", account.signal().bar_end, 30.0)
    outcome = account.ask("CHEAP", price="30")
    assert (outcome.outcome, outcome.code) == ("approved", "")
    # A tenth of $100,000 is 333.33 shares at $30: whole shares, rounded down.
    assert outcome.quantity == Decimal(333)
    assert outcome.order_id == order_id(outcome.signal_id)
    (approved,) = account.events("risk.order_approved")
    assert approved["quantity"] == "333"
    assert approved["reduces"] is False


def test_every_check_is_stored_with_its_value_and_limit(
    account: Any, checks: Any
) -> None:
    outcome = account.ask("AAPL")
    stored = checks(outcome.outcome_id)
    assert list(stored) == [check.__name__ for check in CHECKS]
    weight = stored["position_stays_small"]
    assert (Decimal(weight.value), Decimal(weight.limit)) == (
        Decimal("0.1"),
        Decimal("0.1"),
    )
    assert all(check.passed for check in stored.values())


def test_a_repeated_signal_gets_the_answer_it_got(account: Any) -> None:
    first, second = account.ask("AAPL"), account.ask("AAPL")
    assert first.outcome_id == second.outcome_id
    assert account.outcomes() == 1
    assert len(account.events("risk.order_approved")) == 1


def test_a_sale_sells_what_its_own_strategy_holds(account: Any) -> None:
    account.holds("AAPL", "40", "100", "momentum")
    account.holds("AAPL", "25", "100", "reversal")
    outcome = account.ask("AAPL", side=Side.SELL)
    assert outcome.quantity == Decimal(40)
    (approved,) = account.events("risk.order_approved")
    assert approved["reduces"] is True


def test_a_signal_at_its_target_is_denied(account: Any) -> None:
    account.holds("AAPL", "100", "100")
    assert account.ask("AAPL").code == "AT_TARGET"
    assert account.ask("MSFT", side=Side.SELL).code == "AT_TARGET"


def test_a_late_bar_places_nothing_not_even_an_exit(account: Any) -> None:
    account.holds("MSFT", "10", "100")
    assert account.ask("AAPL", may_trade=False).code == "LATE_BAR"
    exit_ = account.ask("MSFT", side=Side.SELL, may_trade=False)
    assert exit_.code == "LATE_BAR"


def test_a_signal_that_is_no_longer_valid_is_denied(account: Any) -> None:
    signal = account.signal("AAPL")
    with account.database.transaction() as tx:
        late = signal.valid_until + timedelta(seconds=1)
        request = operations.request_of(signal)
        outcome = operations.decide(tx, request, account.surroundings, late)
    assert outcome.code == "STALE_SIGNAL"


def test_the_tighter_of_account_and_strategy_limit_wins(account: Any) -> None:
    account.limit("max_position_size", "0.05", "strategy", "momentum")
    assert account.ask("AAPL").quantity == Decimal(50)
    assert account.ask("MSFT", strategy="reversal").quantity == Decimal(100)
    account.limit("max_position_size", "0.02", "symbol", "XOM")
    assert account.ask("XOM").quantity == Decimal(20)


def test_a_cut_tells_the_quantity_before_and_after(account: Any, checks: Any) -> None:
    account.limit("max_position_size", "0.05")
    cut = checks(account.ask("AAPL").outcome_id)["position_stays_small"]
    assert (cut.quantity_before, cut.quantity_after) == (Decimal(100), Decimal(50))


def test_an_approval_counts_until_its_order_has_ended(account: Any) -> None:
    account.limit("max_gross_exposure", "0.15")
    first = account.ask("AAPL")
    assert account.ask("MSFT").code == "MAX_GROSS"
    account.write_order(first)
    assert account.ask("MSFT", at=first.bar_end + timedelta(minutes=1)).code == (
        "MAX_GROSS"
    )
    account.sql(
        "update execution.orders set status = 'CANCELED' where order_id = :order",
        order=first.order_id,
    )
    third = account.ask("MSFT", at=first.bar_end + timedelta(minutes=2))
    assert third.outcome == "approved"


def test_the_part_of_an_order_that_is_filled_counts_as_position(account: Any) -> None:
    first = account.ask("AAPL")
    account.write_order(first, "PARTIALLY_FILLED", filled="60")
    account.holds("AAPL", "60", "100")
    with account.database.read_only() as tx:
        books = tx.books.read()
    assert books.held("AAPL") == Decimal(60)
    assert books.worst("AAPL", "buy") == Decimal(100)
    assert books.cash == Decimal(94000)


def test_signals_of_one_transaction_count_each_other(account: Any) -> None:
    account.limit("max_gross_exposure", "0.25")
    account.limit("max_orders_per_bar", "2")
    with account.database.transaction() as tx:
        outcomes = [
            operations.decide(
                tx,
                operations.request_of(account.signal(symbol, strategy=strategy)),
                account.surroundings,
                account.signal().market_time,
            )
            for symbol, strategy in (
                ("AAPL", "momentum"),
                ("MSFT", "momentum"),
                ("MSFT", "reversal"),
                ("XOM", "momentum"),
            )
        ]
    assert [each.code for each in outcomes] == ["", "", "MAX_POSITION", "MAX_GROSS"]


def test_what_was_rolled_back_does_not_count(account: Any) -> None:
    account.limit("max_gross_exposure", "0.15")

    def decide(tx: Any, symbol: str) -> str:
        request = operations.request_of(account.signal(symbol))
        at = account.signal().market_time
        return operations.decide(tx, request, account.surroundings, at).code

    with account.database.transaction() as tx:
        with pytest.raises(LookupError), tx.session.begin_nested():
            assert decide(tx, "AAPL") == ""
            raise LookupError
        # With the savepoint went the lock and what was read under it.
        assert tx.sitting is None
        assert decide(tx, "MSFT") == ""
        assert decide(tx, "XOM") == "MAX_GROSS"


def test_a_limit_that_changes_in_the_same_transaction_counts_at_once(
    account: Any,
) -> None:
    at = account.signal().market_time
    with account.database.transaction() as tx:
        for value, symbol, code in (
            ("0.1", "AAPL", ""),
            ("0.05", "MSFT", "MAX_ORDER_NOTIONAL"),
        ):
            operations.set_limit(
                tx,
                limit_type="max_order_notional",
                value=Decimal(value),
                reason="test",
                by="tester",
            )
            request = operations.request_of(account.signal(symbol))
            outcome = operations.decide(tx, request, account.surroundings, at)
            assert outcome.code == code


def test_a_reservation_goes_only_when_execution_has_the_order(account: Any) -> None:
    outcome = account.ask("AAPL")
    with account.database.transaction() as tx:
        assert not tx.reservations.release(outcome.order_id)
    account.write_order(outcome)
    with account.database.transaction() as tx:
        assert tx.reservations.release(outcome.order_id)
        assert tx.reservations.all() == []


def test_an_own_order_on_the_other_side_is_not_met(account: Any) -> None:
    account.holds("AAPL", "40", "100")
    bought = account.ask("AAPL")
    account.write_order(bought)
    later = bought.bar_end + timedelta(minutes=1)
    assert account.ask("AAPL", side=Side.SELL, at=later).code == "SELF_MATCH"


def test_orders_of_a_bar_and_of_a_day_are_counted_by_market_time(account: Any) -> None:
    account.limit("max_orders_per_bar", "2")
    account.limit("max_orders_per_day", "3")
    at = account.signal().bar_end
    for symbol in ("AAPL", "MSFT"):
        assert account.ask(symbol).outcome == "approved"
    assert account.ask("XOM").code == "MAX_ORDERS_PER_BAR"
    assert account.ask("XOM", at=at + timedelta(hours=1)).outcome == "approved"
    account.bar("IBM", at + timedelta(hours=2), 100.0)
    over = account.ask("IBM", at=at + timedelta(hours=2))
    assert over.code == "MAX_ORDERS_PER_DAY"
    assert account.ask("IBM", at=at + timedelta(days=1)).outcome == "approved"


def test_a_price_far_from_the_stored_close_is_refused(account: Any) -> None:
    assert account.ask("AAPL", price="110").code == "PRICE_COLLAR"
    assert account.ask("NEWCO").code == "NO_REFERENCE_PRICE"


def test_books_that_are_not_clean_stop_entries_and_not_exits(account: Any) -> None:
    account.holds("MSFT", "10", "100")
    account.clean_books(clean=False)
    assert account.ask("AAPL").code == "BOOKS_NOT_CLEAN"
    assert account.ask("MSFT", side=Side.SELL).outcome == "approved"
    account.clean_books(age=3600)
    assert account.ask("XOM").code == "BOOKS_OLD"


def test_a_paused_strategy_leaves_its_positions_and_takes_no_new_ones(
    account: Any,
) -> None:
    account.holds("MSFT", "10", "100", strategy="resting")
    account.sql(
        "insert into strategy_engine.strategies (strategy_id, name, version, status,"
        " source, parameters, risk_limits, source_hash)"
        " values (:id, 'resting', 1, 'paused', 'person', '{}', '{}', 'x')",
        id=new_id(),
    )
    entry = account.ask("AAPL", strategy="resting")
    assert (entry.code, entry.detail) == ("STRATEGY_HALTED", "its entries are paused")
    assert account.ask("AAPL").outcome == "approved"
    left = account.ask("MSFT", side=Side.SELL, strategy="resting")
    assert left.outcome == "approved"


def test_books_that_were_never_compared_stop_entries(account: Any) -> None:
    account.sql("delete from risk_management.books_state where account_id = :account")
    assert account.ask("AAPL").code == "BOOKS_NOT_CLEAN"


def test_a_symbol_with_a_parked_event_places_nothing(account: Any) -> None:
    account.sql(
        "insert into shared.dead_letters (consumer, event_id, seq, topic, key, status)"
        " values ('execution', gen_random_uuid(), 1, 'risk.order_approved', 'XOM',"
        " 'parked')"
    )
    try:
        assert account.ask("XOM").code == "SYMBOL_PARKED"
        assert account.ask("AAPL").outcome == "approved"
    finally:
        account.sql("delete from shared.dead_letters")


def test_a_signal_heard_late_opens_nothing(account: Any) -> None:
    account.limit("max_event_lag", "0")
    signal = account.signal("AAPL")
    with account.database.transaction() as tx:
        tx.publish(signal)
    assert account.decide(signal).code == "EVENT_LAG"
    account.limit("max_event_lag", "60")
    other = account.signal("MSFT")
    with account.database.transaction() as tx:
        tx.publish(other)
    assert account.decide(other).outcome == "approved"


def test_signals_without_an_answer_are_answered_once_by_the_flow(account: Any) -> None:
    signals = [account.signal("AAPL"), account.signal("MSFT", may_trade=False)]
    with account.database.transaction() as tx:
        for signal in signals:
            tx.publish(signal)
    with account.database.transaction() as tx:
        decided = operations.decide_outstanding(tx, account.surroundings)
    assert [each.outcome for each in decided] == ["approved", "denied"]
    with account.database.transaction() as tx:
        assert operations.decide_outstanding(tx, account.surroundings) == []
    assert account.outcomes() == 2


def test_the_consumer_answers_each_signal_of_the_log(account: Any) -> None:
    with account.database.transaction() as tx:
        tx.publish(account.signal("AAPL"))
        tx.publish(account.signal("MSFT"))
    consumer = Consumer(account.database, handlers(account.surroundings))
    while consumer.consume():
        pass
    assert account.outcomes() == 2
    assert len(account.events("risk.order_approved")) == 2


def test_what_if_stores_nothing(account: Any) -> None:
    proposal = OrderProposal(symbol="AAPL", side=Side.BUY, quantity=Decimal(5))
    with account.database.read_only() as tx:
        answer = operations.what_if(tx, proposal, account.surroundings)
    assert answer.quantity is None or answer.quantity == 5
    assert len(answer.checks) == len(CHECKS)
    assert account.outcomes() == 0


def test_opposing_signals_of_one_transaction_are_both_approved(account: Any) -> None:
    account.holds("AAPL", "40", "100", "reversal")
    buy = account.signal("AAPL", strategy="momentum")
    sell = account.signal("AAPL", strategy="reversal", side=Side.SELL)
    with account.database.transaction() as tx:
        first, second = operations.decide_all(
            tx,
            [operations.request_of(buy), operations.request_of(sell)],
            account.surroundings,
            buy.market_time,
        )
    # They are written down together, and meet before they leave.
    assert (first.outcome, second.outcome) == ("approved", "approved")
    assert second.quantity == Decimal(40)


def test_an_opposing_signal_that_comes_later_is_denied(account: Any) -> None:
    account.holds("AAPL", "40", "100", "reversal")
    assert account.ask("AAPL", strategy="momentum").outcome == "approved"
    later = account.ask("AAPL", strategy="reversal", side=Side.SELL)
    assert (later.outcome, later.code) == ("denied", "SELF_MATCH")


def answers(account: Any, *signals: Any) -> dict[str, tuple[str, str]]:
    """Return code and detail for each symbol of signals that came together."""
    with account.database.transaction() as tx:
        outcomes = operations.decide_all(
            tx,
            [operations.request_of(signal) for signal in signals],
            account.surroundings,
            signals[0].market_time,
        )
    return {each.symbol: (each.code, each.detail) for each in outcomes}


def test_both_legs_of_a_position_trade_or_neither_does(account: Any) -> None:
    group = {"group_id": new_id(), "legs": 2, "allow_short": True}
    legs = (
        account.signal("AAPL", strategy="pairs", **group),
        account.signal("MSFT", side=Side.SELL, strategy="pairs", **group),
    )
    alone = account.signal("XOM", strategy="momentum")
    found = answers(account, *legs, alone)
    assert found["AAPL"] == (
        "LEG_REFUSED",
        "the leg MSFT is refused: SHORT_NOT_ALLOWED",
    )
    assert found["MSFT"][0] == "SHORT_NOT_ALLOWED"
    assert found["XOM"][0] == ""


def test_legs_that_may_both_trade_are_approved(account: Any) -> None:
    account.limit("allow_short", "1")
    group = {"group_id": new_id(), "legs": 2, "allow_short": True}
    found = answers(
        account,
        account.signal("AAPL", strategy="pairs", **group),
        account.signal("MSFT", side=Side.SELL, strategy="pairs", **group),
    )
    assert {code for code, _ in found.values()} == {""}


def test_legs_that_are_approved_are_a_combo_and_meet_no_other_order(
    account: Any,
) -> None:
    account.limit("allow_short", "1")
    group = {"group_id": new_id(), "legs": 2, "allow_short": True}
    found = answers(
        account,
        account.signal("AAPL", strategy="pairs", **group),
        account.signal("XOM", strategy="momentum"),
        account.signal("MSFT", side=Side.SELL, strategy="pairs", **group),
        # It would trade against the leg, which cannot be netted away.
        account.signal("AAPL", side=Side.SELL, strategy="reversal", allow_short=True),
    )
    assert found["AAPL"][0] == "SELF_MATCH"
    said = account.events("risk.order_approved")[-3:]
    assert [(event["symbol"], event["combo"]) for event in said] == [
        ("AAPL", {"combo_id": str(group["group_id"]), "leg": 1, "legs": 2}),
        ("MSFT", {"combo_id": str(group["group_id"]), "leg": 2, "legs": 2}),
        ("XOM", None),
    ]


def test_legs_that_only_exceed_a_limit_together_are_both_denied(account: Any) -> None:
    account.limit("allow_short", "1")
    # Each leg is a tenth of equity.
    account.limit("max_gross_exposure", "0.15")
    group = {"group_id": new_id(), "legs": 2, "allow_short": True}
    legs = (
        account.signal("AAPL", strategy="pairs", **group),
        account.signal("MSFT", side=Side.SELL, strategy="pairs", **group),
    )
    found = answers(account, *legs, account.signal("XOM", strategy="momentum"))
    refused = ("LEG_REFUSED", "the leg MSFT is refused: MAX_GROSS")
    assert (found["AAPL"], found["MSFT"]) == (refused, refused)
    # What was tried for the legs stands in nobody's way.
    assert found["XOM"][0] == ""


def test_a_leg_at_its_target_leaves_the_other_an_order_of_its_own(account: Any) -> None:
    account.holds("MSFT", "100", "100", strategy="pairs")
    group = {"group_id": new_id(), "legs": 2}
    found = answers(
        account,
        account.signal("AAPL", strategy="pairs", **group),
        account.signal("MSFT", strategy="pairs", **group),
    )
    assert (found["AAPL"][0], found["MSFT"][0]) == ("", "AT_TARGET")
    assert account.events("risk.order_approved")[-1]["combo"] is None


def test_a_position_of_many_legs_is_one_combo(account: Any) -> None:
    symbols = [f"LEG{letter}" for letter in "ABCDEFGHIJ"]
    group = {"group_id": new_id(), "legs": len(symbols)}
    for symbol in symbols:
        account.bar(symbol, account.signal().bar_end, 100.0)
    account.limit("max_order_notional", "1")
    found = answers(
        account,
        *(
            account.signal(symbol, strategy="basket", max_position_size=0.05, **group)
            for symbol in symbols
        ),
    )
    assert {code for code, _ in found.values()} == {""}
    places = [each["combo"]["leg"] for each in account.events("risk.order_approved")]
    assert places[-len(symbols) :] == list(range(1, len(symbols) + 1))


def test_a_leg_that_came_without_the_other_is_refused(account: Any) -> None:
    leg = account.signal("AAPL", strategy="pairs", group_id=new_id(), legs=2)
    assert answers(account, leg)["AAPL"] == ("LEG_REFUSED", "1 of 2 legs came")


def test_a_leg_is_closed_whatever_becomes_of_the_other(account: Any) -> None:
    account.holds("AAPL", "10", "100", strategy="pairs")
    group = {"group_id": new_id(), "reduce_only": True, "allow_short": True}
    found = answers(
        account,
        account.signal("AAPL", side=Side.SELL, strategy="pairs", **group),
        account.signal("MSFT", side=Side.SELL, strategy="pairs", **group),
    )
    assert found["AAPL"][0] == ""
    # What only closes opens no short where nothing is held.
    assert found["MSFT"][0] == "AT_TARGET"
