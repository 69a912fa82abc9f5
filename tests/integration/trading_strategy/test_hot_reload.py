"""A changed file decides the next bar, and the decision says which file it was."""

import os
from textwrap import dedent

import pytest
from models_by_hand import fit, model, stump

from trading_core.strategy import source_hash
from trading_strategy import operations

pytestmark = pytest.mark.integration

FLAT = {"AAPL": 100.0, "BAC": 100.0, "SPY": 100.0}
PATIENCE = 60.0
"""Seconds: what is tested here is which file decides, not how quickly."""

DOCUMENT = "strategies: [{name: mine, enabled: true}]"
SOURCE = """
    import polars as pl
    from trading_core.strategy import Condition, Parameters, Rules, Strategy

    class Mine(Strategy[Parameters], name="mine"):
        def indicators(self):
            return {{"price": pl.col("close")}}

        def rules(self):
            return Rules({side}=(Condition("price", ">", 0.0),))
"""
ASKS = """
    from pydantic import Field
    import polars as pl
    from trading_core.model import Fitted
    from trading_core.strategy import Condition, Parameters, Rules

    class MineParameters(Parameters):
        model: str = Field("one", description="Name of the model.")

    class Mine(Fitted[MineParameters], name="mine"):
        def indicators(self):
            return {"price": pl.col("close")}

        def label(self):
            return pl.lit(True)

        def horizon(self):
            return 1

        def rules(self):
            shown = self.model_shown()
            return Rules(buy=(Condition("probability", ">", 0.5, f"half of {shown}"),))
"""


@pytest.fixture
def decided(database, market):
    """Decide on the next bar, and return the decision on one symbol."""

    def decide(engine):
        event = market.tell(FLAT)
        with database.transaction() as tx:
            operations.decide_bar(tx, engine, event)
        with database.read_only() as tx:
            rows = tx.decisions.listed(
                symbol="SPY",
                strategy="mine",
                outcome=None,
                start=event.bar_start,
                end=None,
                before=None,
                limit=1,
            )
        return rows[0]

    return decide


def change(path, text):
    path.write_text(dedent(text), encoding="utf-8")
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))


def test_a_changed_file_decides_the_next_bar_under_another_version(
    database, make_engine, decided, tmp_path
):
    engine = make_engine(DOCUMENT, PATIENCE, mine=SOURCE.format(side="buy"))
    before = decided(engine)
    change(tmp_path / "own" / "mine.py", SOURCE.format(side="sell"))
    after = decided(engine)

    assert before.reason.startswith("Buy") and after.reason.startswith("Sell")
    assert (before.strategy_version, after.strategy_version) == (1, 2)
    for row, side in ((before, "buy"), (after, "sell")):
        assert row.source_hash == source_hash(dedent(SOURCE.format(side=side)))
    with database.read_only() as tx:
        newest = tx.strategies.versions("mine")[0]
    assert newest.reason.endswith("its code changed")
    assert newest.source_hash == after.source_hash


def test_a_file_that_was_broken_goes_on_as_it_was_and_says_so(
    database, make_engine, decided, tmp_path
):
    engine = make_engine(DOCUMENT, PATIENCE, mine=SOURCE.format(side="buy"))
    before = decided(engine)
    change(tmp_path / "own" / "mine.py", "def broken(:")
    after = decided(engine)

    assert (after.reason, after.source_hash) == (before.reason, before.source_hash)
    with database.read_only() as tx:
        error = tx.strategies.get("mine").last_error
    assert "goes on with the code of before" in error and "line 1" in error
    change(tmp_path / "own" / "mine.py", SOURCE.format(side="sell"))
    assert decided(engine).reason.startswith("Sell")
    with database.read_only() as tx:
        assert tx.strategies.get("mine").last_error is None


def test_a_changed_strategies_file_counts_from_the_next_bar_and_a_wrong_one_does_not(
    database, make_engine, decided, tmp_path
):
    engine = make_engine(DOCUMENT, PATIENCE, mine=SOURCE.format(side="buy"))
    decided(engine)
    wanted = "strategies: [{{name: mine, parameters: {{{}: 0.3}}}}]"
    change(tmp_path / "strategies.yaml", wanted.format("max_positon_size"))
    wrong = decided(engine)
    change(tmp_path / "strategies.yaml", wanted.format("max_position_size"))
    right = decided(engine)

    assert (wrong.strategy_version, right.strategy_version) == (1, 2)
    assert wrong.parameters["max_position_size"] == 0.1
    assert right.parameters["max_position_size"] == 0.3


def test_another_model_is_another_version_and_its_hash_is_in_the_decision(
    make_engine, decided, tmp_path
):
    def write(high):
        made = model("mine", ("price",), fit(stump(0, 1.0, 0.0, high)), name="one")
        change(tmp_path / "own" / "one.model.json", made.model_dump_json())
        return made.hash

    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "one.model.json").touch()
    first = write(2.0)
    engine = make_engine(DOCUMENT, PATIENCE, mine=ASKS)
    before = decided(engine)
    second = write(3.0)
    after = decided(engine)

    assert f"half of one@{first[:12]}" in before.reason
    assert f"half of one@{second[:12]}" in after.reason
    assert before.indicators["probability"] < after.indicators["probability"]
    assert (before.strategy_version, after.strategy_version) == (1, 2)
    assert before.source_hash != after.source_hash
