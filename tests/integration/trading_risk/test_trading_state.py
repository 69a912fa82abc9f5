"""Halt, resume, the KILL file, and what a first start seeds."""

from pathlib import Path
from typing import Any

import pytest

from trading_risk import operations
from trading_risk.adapters.kill_file import KillFile
from trading_risk.domain.limits import SEED
from trading_system.errors import Refused
from trading_system.vocabulary import Side

pytestmark = pytest.mark.integration


def halt(account: Any, level: int, by: str = "tester") -> Any:
    with account.database.transaction() as tx:
        return operations.halt(tx, level, "because", by)


def resume(account: Any, confirm: str = "") -> Any:
    with account.database.transaction() as tx:
        return operations.resume(tx, "all is well", "tester", account.switch, confirm)


def set_mode(account: Any, mode: str) -> None:
    account.sql(
        "insert into shared.system_config (config_key, config_value)"
        " values ('mode', to_jsonb(cast(:mode as text))) on conflict (config_key)"
        " do update set config_value = excluded.config_value",
        mode=mode,
    )


def test_a_first_start_lets_trade_and_seeds_every_limit(new_account: Any) -> None:
    account = new_account()
    for _ in range(2):
        with account.database.transaction() as tx:
            operations.prepare(tx)
    assert account.state() == ("ACTIVE", 0, "risk")
    with account.database.read_only() as tx:
        limits = {limit.limit_type: limit.limit_value for limit in tx.limits.all()}
        history = tx.states.history()
    assert limits == dict(SEED)
    assert [row.reason for row in history] == ["first start"]


def test_a_limit_that_was_removed_is_not_seeded_again(account: Any) -> None:
    account.sql(
        "delete from risk_management.risk_limits where account_id = :account"
        " and limit_type = 'max_drawdown'"
    )
    with account.database.transaction() as tx:
        operations.prepare(tx)
        assert "max_drawdown" not in {row.limit_type for row in tx.limits.all()}


def test_a_halt_is_recorded_once_told_once_and_audited(account: Any) -> None:
    first, second = halt(account, 2), halt(account, 2)
    assert first.version == second.version
    assert account.state() == ("REDUCING", 2, "tester")
    told = account.events("risk.trading_state_changed")
    assert [(each["state"], each["level"]) for each in told] == [
        ("ACTIVE", 0),
        ("REDUCING", 2),
    ]
    audited = account.sql(
        "select user_id, reason, new_values ->> 'state' from shared.audit_log"
        " where table_name = 'risk_management.trading_state'"
        " and new_values ->> 'account_id' = :account order by audit_id"
    )
    assert [tuple(row) for row in audited][-1] == ("tester", "because", "REDUCING")


def test_a_halt_never_loosens_the_one_in_force(account: Any) -> None:
    halt(account, 3)
    halt(account, 1)
    assert account.state()[:2] == ("HALTED", 3)


def test_reducing_lets_exits_through_and_halted_nothing(account: Any) -> None:
    account.holds("MSFT", "10", "100")
    account.holds("XOM", "10", "100")
    halt(account, 1)
    assert account.ask("AAPL").code == "REDUCING_ONLY"
    assert account.ask("MSFT", side=Side.SELL).outcome == "approved"
    halt(account, 3)
    assert account.ask("XOM", side=Side.SELL).code == "TRADING_HALTED"


def test_a_resume_in_simulation_needs_only_a_reason(account: Any) -> None:
    halt(account, 2)
    assert resume(account).state == "ACTIVE"
    assert account.ask("AAPL").outcome == "approved"


def test_a_resume_is_refused_while_the_kill_file_is_there(account: Any) -> None:
    halt(account, 1)
    account.switch.pulled = True
    with pytest.raises(Refused, match="KILL"):
        resume(account)
    assert account.state()[0] == "REDUCING"


def test_a_resume_outside_simulation_needs_books_just_found_clean(
    account: Any,
) -> None:
    set_mode(account, "paper")
    try:
        halt(account, 1)
        account.clean_books(clean=False)
        with pytest.raises(Refused, match="AAPL differs"):
            resume(account)
        account.clean_books(age=3600)
        with pytest.raises(Refused, match="compared last"):
            resume(account)
        account.clean_books()
        assert resume(account).state == "ACTIVE"
    finally:
        set_mode(account, "simulated")


def test_a_resume_with_money_at_stake_needs_the_typed_word(account: Any) -> None:
    set_mode(account, "live")
    try:
        halt(account, 1)
        with pytest.raises(Refused, match="typed word"):
            resume(account)
        assert resume(account, "RESUME").state == "ACTIVE"
    finally:
        set_mode(account, "simulated")


def test_the_kill_file_halts_once(account: Any, tmp_path: Path) -> None:
    switch = KillFile(tmp_path)
    with account.database.transaction() as tx:
        assert not operations.obey_kill_switch(tx, switch)
    switch.path.touch()
    with account.database.transaction() as tx:
        assert operations.obey_kill_switch(tx, switch)
    with account.database.transaction() as tx:
        assert not operations.obey_kill_switch(tx, switch)
    assert account.state() == ("REDUCING", 2, "KILL file")


def test_a_missing_state_becomes_halted_by_a_mild_halt(account: Any) -> None:
    account.sql("delete from risk_management.trading_state where account_id=:account")
    halt(account, 1)
    assert account.state()[:2] == ("HALTED", 1)
    versions = account.sql(
        "select version from risk_management.trading_state_history"
        " where account_id = :account order by history_id"
    )
    assert [row.version for row in versions] == [1, 1, 2]
