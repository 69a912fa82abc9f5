"""Loss days, breakers, and warnings: by market time, once a session."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from trading_risk import operations
from trading_system.contracts.strategy import StrategyChanged
from trading_system.errors import Conflict
from trading_system.vocabulary import Side

pytestmark = pytest.mark.integration

NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)
TOMORROW = NOON + timedelta(days=1)


def mark(account: Any, equity: str, at: datetime = NOON) -> None:
    with account.database.transaction() as tx:
        operations.mark_account(tx, account.surroundings, Decimal(equity), at)


def mark_books(account: Any, at: datetime = NOON) -> None:
    with account.database.transaction() as tx:
        operations.mark_books(tx, account.surroundings, at, ["momentum"])


def breakers(account: Any) -> list[tuple[str, str, bool]]:
    with account.database.read_only() as tx:
        return [
            (each.scope, each.type, each.reset_at is None)
            for each in tx.breakers.recent()
        ]


def resume(account: Any) -> None:
    with account.database.transaction() as tx:
        operations.resume(tx, "seen", "tester", account.switch)


def test_a_daily_loss_at_its_limit_reduces_trading_until_the_next_session(
    account: Any,
) -> None:
    mark(account, "100000", NOON - timedelta(hours=2))
    mark(account, "98001", NOON)
    assert account.state()[0] == "ACTIVE"
    mark(account, "98000", NOON + timedelta(minutes=1))
    assert account.state() == ("REDUCING", 1, "breaker")
    assert account.ask("AAPL").code == "REDUCING_ONLY"
    (alert,) = account.events("risk.risk_alert_raised")
    assert (alert["type"], alert["severity"]) == ("daily_loss_breaker", "critical")
    # The night after belongs to the same loss day.
    mark(account, "98000", NOON + timedelta(hours=10))
    assert account.state()[0] == "REDUCING"
    mark(account, "98000", TOMORROW)
    assert account.state() == ("ACTIVE", 0, "risk")


def test_the_first_signal_of_a_session_ends_the_breaker_of_the_last_one(
    account: Any,
) -> None:
    mark(account, "100000", NOON - timedelta(hours=2))
    mark(account, "97000", NOON)
    assert account.ask("AAPL", at=TOMORROW).code != "REDUCING_ONLY"
    assert account.state()[0] == "ACTIVE"


def test_a_halt_by_a_person_does_not_end_with_the_breaker(account: Any) -> None:
    mark(account, "100000", NOON - timedelta(hours=2))
    mark(account, "97000", NOON)
    with account.database.transaction() as tx:
        operations.halt(tx, 1, "I look at it tomorrow", "tester")
    mark(account, "97000", TOMORROW)
    assert account.state() == ("REDUCING", 1, "tester")


def test_a_drawdown_waits_for_a_person_and_is_then_measured_anew(
    account: Any,
) -> None:
    for hours, equity in ((24, "100000"), (3, "98500"), (2, "97000"), (0, "95000")):
        mark(account, equity, NOON - timedelta(hours=hours))
    tripped = breakers(account)
    assert ("account", "drawdown", True) in tripped
    mark(account, "95000", TOMORROW)
    assert account.state()[0] == "REDUCING"
    resume(account)
    mark(account, "94900", TOMORROW + timedelta(minutes=1))
    assert account.state()[0] == "ACTIVE"
    with account.database.read_only() as tx:
        day = tx.loss_days.last("account", "")[0]
    assert day.peak == Decimal(95000)


def test_a_breaker_that_a_person_resumed_does_not_trip_again_that_session(
    account: Any,
) -> None:
    mark(account, "100000", NOON - timedelta(hours=2))
    mark(account, "97000", NOON)
    resume(account)
    mark(account, "96900", NOON + timedelta(minutes=5))
    assert account.state()[0] == "ACTIVE"
    # Entries are still denied, by the check of the loss itself.
    account.ledger("adjustment", "", None, "0", "-3000")
    late = NOON + timedelta(minutes=6)
    assert account.ask("AAPL", at=late).code == "DAILY_LOSS"


def test_a_strategy_that_loses_too_much_is_stopped_alone(account: Any) -> None:
    account.limit("max_daily_loss", "0.01", "strategy", "momentum")
    account.bar("LOSER", NOON - timedelta(hours=1), 100.0)
    account.holds("LOSER", "100", "100", "momentum")
    mark_books(account, NOON - timedelta(hours=1))
    account.bar("LOSER", NOON, 89.0)
    mark_books(account, NOON)
    assert breakers(account) == [("strategy", "daily_loss", True)]
    assert account.ask("AAPL").code == "STRATEGY_HALTED"
    assert account.ask("AAPL", strategy="reversal").outcome == "approved"
    assert account.ask("LOSER", side=Side.SELL, price="89").outcome == "approved"
    assert account.state()[0] == "ACTIVE"


def test_a_strategy_breaker_is_taken_back_by_a_person_with_a_reason(
    account: Any,
) -> None:
    test_a_strategy_that_loses_too_much_is_stopped_alone(account)
    with account.database.transaction() as tx:
        (breaker,) = tx.breakers.open()
        operations.reset_breaker(tx, breaker.breaker_id, "a known event", "tester")
    assert account.ask("MSFT").code == "STRATEGY_DAILY_LOSS"
    audited = account.sql(
        "select user_id, reason from shared.audit_log where table_name ="
        " 'risk_management.breakers' and new_values ->> 'account_id' = :account"
        " order by audit_id"
    )
    assert tuple(audited[-1]) == ("tester", "a known event")


def test_the_accounts_breaker_is_not_reset_but_resumed(account: Any) -> None:
    mark(account, "100000", NOON - timedelta(hours=2))
    mark(account, "97000", NOON)
    with account.database.transaction() as tx:
        breaker = next(b for b in tx.breakers.open() if b.scope == "account")
        with pytest.raises(Conflict, match="Resume"):
            operations.reset_breaker(tx, breaker.breaker_id, "why", "tester")


def test_older_news_changes_no_loss_day(account: Any) -> None:
    mark(account, "100000", NOON)
    mark(account, "50000", NOON - timedelta(hours=1))
    assert breakers(account) == []


def test_a_loss_day_begins_with_the_last_equity_of_the_day_before(
    account: Any,
) -> None:
    mark(account, "100000", NOON)
    mark(account, "101000", NOON + timedelta(hours=4))
    mark(account, "100500", TOMORROW)
    with account.database.read_only() as tx:
        day = tx.loss_days.last("account", "")[0]
    assert (day.start, day.equity, day.peak) == (101000, 100500, 101000)


def test_nearing_a_limit_is_warned_of_once_a_session_and_told_once(
    account: Any,
) -> None:
    mark(account, "100000", NOON - timedelta(hours=2))
    mark(account, "98300", NOON)

    def monitor(at: datetime = NOON) -> list[str]:
        with account.database.transaction() as tx:
            return operations.monitor(tx, account.surroundings, at)[1]

    first = monitor()
    assert first == ["Daily loss of the account is 1.70%; the limit is 2.00%."]
    assert monitor() == []
    with account.database.transaction() as tx:
        told = operations.announce(tx)
        assert [event.message for event in told] == first
        assert operations.announce(tx) == []
    (alert,) = account.events("risk.risk_alert_raised")
    assert (alert["type"], alert["severity"]) == ("daily_loss_warning", "warning")


def test_what_a_breaker_has_told_is_not_told_again(account: Any) -> None:
    mark(account, "100000", NOON - timedelta(hours=2))
    mark(account, "97000", NOON)
    with account.database.transaction() as tx:
        assert operations.monitor(tx, account.surroundings, NOON)[1] == []


def test_being_invested_is_noted_and_no_warning(account: Any) -> None:
    for symbol in ("AAPL", "MSFT", "XOM"):
        account.holds(symbol, "90", "100")
    account.limit("max_gross_exposure", "0.3")
    with account.database.transaction() as tx:
        operations.monitor(tx, account.surroundings, NOON, at_closes=True)
        (event,) = operations.announce(tx)
    assert (event.type, event.severity) == ("gross_exposure_warning", "info")


def test_a_full_position_is_no_breach_until_it_has_grown_by_a_tenth(
    account: Any,
) -> None:
    account.bar("GROWS", NOON, 100.0)
    account.holds("GROWS", "100", "100")

    def raised() -> list[str]:
        with account.database.transaction() as tx:
            found = operations.monitor(tx, account.surroundings, NOON, at_closes=True)
            return [each for each in found[1] if "Position" in each]

    assert raised() == []
    account.bar("GROWS", NOON, 115.0)
    assert raised() == ["Position size of GROWS is 11.33%; the limit is 10.00%."]


def test_exposure_tells_value_at_risk_only_from_enough_sessions(account: Any) -> None:
    account.bar("RISKY", NOON, 100.0)
    account.holds("RISKY", "100", "100")
    with account.database.transaction() as tx:
        tx.publish(account.signal("RISKY"))
    with account.database.read_only() as tx:
        view = operations.exposure(tx, account.surroundings)
    assert view.gross == Decimal(10000)
    assert view.gross_fraction == pytest.approx(0.1)
    assert view.value_at_risk is None
    for back in range(1, 61):
        fell = 95.0 if back == 30 else 100.0
        account.bar("RISKY", NOON - timedelta(days=back), fell)
    with account.database.read_only() as tx:
        view = operations.exposure(tx, account.surroundings)
    # Sixty results; the third worst of them is a day without change.
    assert view.value_at_risk == 0


def changed(limits: dict[str, float], source: str = "file") -> StrategyChanged:
    return StrategyChanged(
        strategy="momentum",
        version=1,
        status="enabled",
        parameters={},
        risk_limits=limits,
        source=source,
        reason="start",
        by="strategies.yaml",
    )


def test_a_strategys_limits_come_from_its_file_and_an_edit_outlives_it(
    account: Any,
) -> None:
    def in_force() -> dict[str, tuple[Decimal, int, str]]:
        with account.database.read_only() as tx:
            return {
                row.limit_type: (row.limit_value, row.version, row.source)
                for row in tx.limits.of_scope("strategy", "momentum")
            }

    def hear(limits: dict[str, float]) -> None:
        with account.database.transaction() as tx:
            operations.adopt_strategy_limits(tx, changed(limits))

    file = {"max_drawdown": 0.05, "max_daily_loss": 0.02}
    hear(file)
    assert in_force() == {
        "max_drawdown": (Decimal("0.05"), 1, "file"),
        "max_daily_loss": (Decimal("0.02"), 1, "file"),
    }
    account.limit("max_daily_loss", "0.01", "strategy", "momentum")
    hear(file)
    assert in_force()["max_daily_loss"] == (Decimal("0.01"), 2, "edit")
    hear({"max_daily_loss": 0.015})
    assert in_force() == {"max_daily_loss": (Decimal("0.015"), 3, "file")}
    hear(file)
    assert in_force()["max_drawdown"] == (Decimal("0.05"), 2, "file")


def test_a_change_of_a_limit_that_was_changed_meanwhile_is_a_conflict(
    account: Any,
) -> None:
    account.limit("max_daily_loss", "0.01")
    with (
        pytest.raises(Conflict, match="version 2"),
        account.database.transaction() as tx,
    ):
        operations.set_limit(
            tx,
            limit_type="max_daily_loss",
            value=Decimal("0.03"),
            reason="more",
            by="tester",
            version=1,
        )
    (told,) = account.events("risk.risk_limit_changed")
    assert (told["old_value"], told["new_value"]) == ("0.02", "0.01")
