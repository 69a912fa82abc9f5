"""Whatever is missing, broken or no number is a refusal."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from loguru import logger
from sqlalchemy.exc import DBAPIError

from trading_core.money import BadNumber
from trading_risk import operations
from trading_risk.domain import checks as rules
from trading_system.clock import monotonic
from trading_system.vocabulary import Side

pytestmark = pytest.mark.integration


def test_an_account_without_a_trading_state_is_halted(account: Any) -> None:
    account.sql("delete from risk_management.trading_state where account_id=:account")
    assert account.ask("AAPL").code == "TRADING_HALTED"
    account.holds("MSFT", "10", "100")
    assert account.ask("MSFT", side=Side.SELL).code == "TRADING_HALTED"
    with account.database.transaction() as tx:
        operations.prepare(tx)
    # Only an account without history is let trade at a start.
    assert account.state()[0] == "HALTED"


def test_a_state_that_nobody_knows_is_halted(account: Any) -> None:
    constraint = "ck_trading_state_state"
    account.sql(
        f"alter table risk_management.trading_state drop constraint {constraint}"
    )
    try:
        account.sql(
            "update risk_management.trading_state set state = 'active'"
            " where account_id = :account"
        )
        assert account.ask("AAPL").code == "TRADING_HALTED"
        assert account.state()[0] == "HALTED"
    finally:
        account.sql("delete from risk_management.trading_state")
        account.sql(
            "alter table risk_management.trading_state add constraint"
            f" {constraint} check (state in ('ACTIVE', 'REDUCING', 'HALTED'))"
        )


def test_a_limit_that_is_not_there_refuses(account: Any) -> None:
    for limit_type in ("max_gross_exposure", "price_collar"):
        account.sql(
            "delete from risk_management.risk_limits where account_id = :account"
            " and limit_type = :type",
            type=limit_type,
        )
        outcome = account.ask("AAPL", strategy=limit_type)
        assert (outcome.outcome, outcome.code) == ("denied", "NO_LIMIT_CONFIGURED")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1"])
def test_the_database_takes_no_limit_that_is_no_number(
    account: Any, value: str
) -> None:
    with pytest.raises(DBAPIError):
        account.sql(
            "update risk_management.risk_limits set limit_value = cast(:v as numeric)"
            " where account_id = :account",
            v=value,
        )


def test_an_exception_in_a_check_is_a_denial_with_its_reason(
    account: Any, checks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> Any:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(operations.decisions, "CHECKS", (breaks, *rules.CHECKS))
    outcome = account.ask("AAPL")
    assert (outcome.outcome, outcome.code) == ("denied", "CHECK_FAILED")
    assert "of all things" in checks(outcome.outcome_id)["breaks"].detail


@pytest.mark.parametrize(
    "error", [RuntimeError("no facts"), BadNumber("nan is no price")]
)
def test_facts_that_cannot_be_gathered_are_a_denial(
    account: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def breaks(*_: Any) -> Any:
        raise error

    about: list[Any] = []
    monkeypatch.setattr(operations.proposals, "_quantity", breaks)
    listening = logger.add(lambda line: about.append(line.record["extra"]), level=40)
    try:
        outcome = account.ask("AAPL")
    finally:
        logger.remove(listening)
    assert outcome.outcome == "denied"
    assert str(error) in outcome.detail
    # Signals that came together are logged each with the bar that it came from.
    assert [line["correlation_id"] for line in about] == [outcome.correlation_id]
    assert len(account.events("risk.order_denied")) == 1


def test_a_statement_that_fails_is_a_denial_and_the_transaction_goes_on(
    account: Any,
) -> None:
    account.sql("alter table shared.dead_letters rename to set_aside")
    try:
        outcome = account.ask("AAPL")
    finally:
        account.sql("alter table shared.set_aside rename to dead_letters")
    assert (outcome.outcome, outcome.code) == ("denied", "CHECK_FAILED")
    assert account.outcomes() == 1


def test_an_account_without_equity_buys_nothing(account: Any) -> None:
    account.cash("-100000")
    outcome = account.ask("AAPL")
    assert outcome.outcome == "denied"


def test_the_kill_file_stops_entries_before_the_watcher_saw_it(account: Any) -> None:
    account.switch.pulled = True
    assert account.ask("AAPL").code == "KILL_FILE"


def test_outcomes_and_histories_are_written_once(account: Any) -> None:
    account.ask("AAPL")
    for table in (
        "risk_outcomes",
        "risk_checks",
        "risk_limit_history",
        "trading_state_history",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            account.sql(f"delete from risk_management.{table}")


def test_two_instances_never_exceed_a_limit_together(
    account: Any, database_url: str
) -> None:
    symbols = [f"RACE{letter}" for letter in "ABCDEFGHIJKLMNOP"]
    for symbol in symbols:
        account.bar(symbol, account.signal().bar_end, 100.0)
    account.limit("max_gross_exposure", "0.45")
    signals = [account.signal(symbol) for symbol in symbols]
    begin = threading.Barrier(4)
    failures: list[BaseException] = []

    def race(own: list[Any]) -> None:
        try:
            begin.wait()
            for signal in own:
                account.decide(signal)
        except BaseException as error:  # why: a thread cannot fail a test by itself
            failures.append(error)

    # Four racers, each signal in two of them: two instances that hear the same events.
    threads = [
        threading.Thread(target=race, args=(own,))
        for own in (signals, signals[::-1], signals[::2], signals[1::2])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert account.outcomes() == len(symbols)
    rows = account.sql(
        "select coalesce(sum(quantity * decision_price), 0) from"
        " risk_management.risk_outcomes where account_id = :account"
        " and outcome = 'approved'"
    )
    # Four positions of a tenth fit under 45 %, and not a dollar more.
    assert rows[0][0] == Decimal(40000)
    assert len(account.events("risk.order_approved")) == 4


def test_a_halt_waits_for_an_open_claim_and_stops_the_next(account: Any) -> None:
    order: list[str] = []
    claimed, may_finish = threading.Event(), threading.Event()

    def claim() -> None:
        with account.database.transaction() as tx:
            assert tx.states.tradable() == "ACTIVE"
            claimed.set()
            may_finish.wait(10)
            order.append("claim committed")

    def halt() -> None:
        with account.database.transaction() as tx:
            row = operations.halt(tx, 1, "test", "tester")
        order.append("halt committed")
        stamps.append(row.set_at)

    stamps: list[Any] = []
    claimer = threading.Thread(target=claim)
    claimer.start()
    claimed.wait(10)
    halter = threading.Thread(target=halt)
    halter.start()
    _until_someone_waits(account)
    assert order == []
    released_at = account.sql("select clock_timestamp()")[0][0]
    may_finish.set()
    claimer.join()
    halter.join()
    assert order == ["claim committed", "halt committed"]
    # Locked first and stamped after: the stamp is younger than the claim.
    assert stamps[0] > released_at
    with account.database.transaction() as tx:
        assert tx.states.tradable() == "REDUCING"


def _until_someone_waits(account: Any) -> None:
    begun = monotonic()
    while monotonic() - begun < 10:
        waiting = account.sql(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            " and datname = current_database()"
        )
        if waiting[0][0]:
            return
    raise AssertionError("the halt did not wait for the claim")
