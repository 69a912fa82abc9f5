"""What runs follows the file, until a person says otherwise."""

import pytest
from sqlalchemy import text

from trading_strategy import operations
from trading_strategy.domain.versions import Status
from trading_system.contracts.strategy import StrategyChanged
from trading_system.errors import Invalid, Misconfigured, NotFound

pytestmark = pytest.mark.integration

FILE = """
    strategies:
      - name: "momentum_strategy"
        enabled: {enabled}
        parameters: {{lookback_period: {lookback}, threshold: 0.02}}
        risk_limits: {{max_drawdown: 0.05, max_daily_loss: 0.02}}
"""
NAME = "momentum_strategy"


def file(lookback=20, enabled="true"):
    return FILE.format(lookback=lookback, enabled=enabled)


def changes(database):
    with database.read_only() as tx:
        rows = tx.session.execute(
            text(
                "select payload, event_id, correlation_id, causation_id"
                " from shared.events where topic = :topic order by seq"
            ),
            {"topic": StrategyChanged.topic},
        ).all()
    return [StrategyChanged.loaded(row) for row in rows]


def view(database, engine):
    with database.read_only() as tx:
        return operations.view(tx, engine, tx.strategies.get(NAME))


def test_a_first_start_takes_the_file_with_its_defaults_filled_in(
    database, make_engine
):
    engine = make_engine(file())

    seen = view(database, engine)
    assert (seen.version, seen.status, seen.warmup) == (1, "enabled", 21)
    assert seen.parameters["max_position_size"] == 0.1
    assert seen.risk_limits == {"max_drawdown": 0.05, "max_daily_loss": 0.02}
    assert not seen.differs_from_file
    (change,) = changes(database)
    assert (change.strategy, change.version) == (NAME, 1)
    assert change.risk_limits == {"max_drawdown": 0.05, "max_daily_loss": 0.02}


def test_starting_again_changes_nothing(database, make_engine):
    make_engine(file())
    make_engine(file())

    assert len(changes(database)) == 1


def test_another_file_is_another_version(database, make_engine):
    make_engine(file())
    engine = make_engine(file(lookback=30))

    assert view(database, engine).version == 2
    assert changes(database)[1].reason == (
        "the strategies file changed: lookback_period 20 -> 30"
    )
    with database.read_only() as tx:
        versions = tx.strategies.versions(NAME)
    assert [v.parameters["lookback_period"] for v in versions] == [30, 20]
    assert {v.created_by for v in versions} == {"strategies file"}


def test_what_a_person_set_stays_and_is_shown_as_different(database, make_engine):
    engine = make_engine(file())
    with database.transaction() as tx:
        operations.change_settings(
            tx, engine, NAME, {"threshold": 0.03}, None, "too many trades", "me"
        )
    engine = make_engine(file(lookback=30))

    seen = view(database, engine)
    assert (seen.version, seen.source) == (2, "person")
    assert seen.parameters["threshold"] == 0.03
    assert seen.parameters["lookback_period"] == 20
    assert seen.differs_from_file
    assert seen.differences == ["lookback_period 30 -> 20", "threshold 0.02 -> 0.03"]


def test_the_file_can_be_followed_again(database, make_engine):
    engine = make_engine(file())
    with database.transaction() as tx:
        operations.set_status(tx, NAME, Status.PAUSED, "holiday", "me")
    assert view(database, engine).differs_from_file
    with database.transaction() as tx:
        operations.return_to_file(tx, engine, NAME, "back again", "me")

    seen = view(database, engine)
    assert (seen.status, seen.source, seen.version) == ("enabled", "file", 3)
    assert not seen.differs_from_file


def test_a_paused_strategy_goes_on_deciding(database, make_engine, market):
    engine = make_engine(file(lookback=3))
    market.history(5)
    with database.transaction() as tx:
        operations.set_status(tx, NAME, Status.PAUSED, "holiday", "me")
    market.tell({"AAPL": 100.0, "BAC": 100.0, "SPY": 100.0})
    assert operations.run_strategies(database, engine).decisions == 3


def test_a_disabled_strategy_decides_nothing_and_does_not_make_up_for_it(
    database, make_engine, market
):
    engine = make_engine(file(lookback=3))
    market.history(5)
    with database.transaction() as tx:
        operations.set_status(tx, NAME, Status.DISABLED, "holiday", "me")
    flat = {"AAPL": 100.0, "BAC": 100.0, "SPY": 100.0}
    market.tell(flat)
    assert operations.run_strategies(database, engine).decisions == 0
    with database.transaction() as tx:
        operations.set_status(tx, NAME, Status.ENABLED, "back again", "me")
    assert operations.run_strategies(database, engine).decisions == 0
    market.tell(flat)
    assert operations.run_strategies(database, engine).decisions == 3


def test_a_strategy_that_left_the_file_is_disabled(database, make_engine):
    make_engine(file())
    engine = make_engine("strategies: []")

    seen = view(database, engine)
    assert (seen.status, seen.version) == ("disabled", 2)
    assert "no longer in the strategies file" in changes(database)[1].reason


def test_a_disabled_block_is_kept_and_does_not_run(database, make_engine):
    engine = make_engine(file(enabled="false"))

    assert view(database, engine).status == "disabled"


def test_an_unknown_parameter_is_refused_with_its_line(database, make_engine):
    with pytest.raises(
        Misconfigured, match=r"line \d+.*lookback_perod.*lookback_period"
    ):
        make_engine(file().replace("lookback_period", "lookback_perod"))


def test_an_unknown_strategy_is_refused_with_what_was_meant(database, make_engine):
    with pytest.raises(Misconfigured, match="did you mean momentum_strategy"):
        make_engine(file().replace(NAME, "momentum_strategi"))


def test_one_broken_file_stops_only_its_own_strategy(database, make_engine, market):
    engine = make_engine(
        file(lookback=3) + """
      - name: "mine"
        parameters: {}
""",
        mine="import requests\n",
    )
    market.history(5)
    market.tell({"AAPL": 100.0, "BAC": 100.0, "SPY": 100.0})

    assert operations.run_strategies(database, engine).decisions == 3
    with database.read_only() as tx:
        errors = tx.session.scalars(
            text("select error from strategy_engine.strategy_errors")
        ).all()
        with pytest.raises(NotFound):
            tx.strategies.get("mine")
    assert "imports requests" in errors[0]


def test_a_parameter_out_of_range_is_refused(database, make_engine):
    engine = make_engine(file())

    for bad in ({"lookback_period": 0}, {"threshold": "x"}, {"nothing": 1}):
        with pytest.raises(Invalid, match="momentum_strategy"):
            with database.transaction() as tx:
                operations.change_settings(tx, engine, NAME, bad, None, "test", "me")
    assert view(database, engine).version == 1


def test_every_change_is_in_the_audit_log(database, make_engine):
    make_engine(file())
    with database.transaction() as tx:
        tx.act_as("me", "holiday")
        operations.set_status(tx, NAME, Status.DISABLED, "holiday", "me")

    with database.read_only() as tx:
        rows = tx.session.execute(
            text(
                "select user_id, operation, new_values ->> 'status', reason"
                " from shared.audit_log where table_name = 'strategy_engine.strategies'"
                " order by audit_id"
            )
        ).all()
    assert rows == [
        ("strategies file", "INSERT", "enabled", None),
        ("me", "UPDATE", "disabled", "holiday"),
    ]
