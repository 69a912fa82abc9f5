"""Every strategy decides once on every symbol of every bar, also "no"."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from trading_strategy import operations
from trading_strategy.handlers import handlers
from trading_system.consumer import Consumer
from trading_system.contracts.strategy import (
    DecisionsRecorded,
    SignalGenerated,
    StrategyFailed,
)
from trading_system.vocabulary import Side, correlation_id, decision_id, signal_id

pytestmark = pytest.mark.integration

FLAT = {"AAPL": 100.0, "BAC": 100.0, "SPY": 100.0}


def decisions(database, **where):
    with database.read_only() as tx:
        rows = tx.decisions.listed(
            symbol=where.get("symbol"),
            strategy=where.get("strategy"),
            outcome=where.get("outcome"),
            start=None,
            end=None,
            before=None,
            limit=5000,
        )
    return sorted(rows, key=lambda row: (row.bar_end, row.strategy, row.symbol))


def published(database, kind):
    with database.read_only() as tx:
        rows = tx.session.execute(
            text(
                "select payload, event_id, correlation_id, causation_id"
                " from shared.events where topic = :topic order by seq"
            ),
            {"topic": kind.topic},
        ).all()
    return [kind.loaded(row) for row in rows]


def decide(database, engine, event):
    with database.transaction() as tx:
        return operations.decide_bar(tx, engine, event)


def test_a_rise_becomes_a_signal_and_the_others_a_no(database, engine, market):
    market.history(5)
    event = market.tell({"AAPL": 103.0, "BAC": 101.0, "SPY": 97.0})

    result = decide(database, engine, event)

    assert (result.decisions, result.signals) == (3, 2)
    aapl, bac, spy = decisions(database)
    assert [row.outcome for row in (aapl, bac, spy)] == [
        "signal",
        "no_signal",
        "signal",
    ]
    assert aapl.close == 103.0
    assert aapl.indicators["momentum"] == pytest.approx(0.03)
    assert aapl.conditions[0] == {
        "side": "buy",
        "left": "momentum",
        "operator": ">",
        "right": "threshold",
        "left_value": pytest.approx(0.03),
        "right_value": 0.02,
        "passed": True,
    }
    assert aapl.decision_id == decision_id(
        "momentum_strategy", "AAPL", "1Hour", event.bar_end
    )
    assert aapl.correlation_id == correlation_id("AAPL", "1Hour", event.bar_end)
    buy, sell = published(database, SignalGenerated)
    assert (buy.symbol, buy.side, sell.symbol, sell.side) == (
        "AAPL",
        Side.BUY,
        "SPY",
        Side.SELL,
    )
    assert buy.signal_id == signal_id(aapl.decision_id) == aapl.signal_id
    assert buy.decision_price == Decimal("103")
    assert buy.max_position_size == 0.1
    assert buy.may_trade
    assert buy.market_time == event.market_time
    assert buy.valid_until == event.bar_end + timedelta(hours=1)
    assert bac.reason.startswith("No signal: buy needs momentum > threshold 0.02")
    (recorded,) = published(database, DecisionsRecorded)
    assert (recorded.decisions, recorded.signals) == (3, 2)
    assert recorded.strategies == ("momentum_strategy",)


def test_a_symbol_without_a_bar_gets_its_no(database, engine, market):
    market.history(5)
    event = market.tell({"AAPL": 100.0, "SPY": 100.0})

    decide(database, engine, event)

    bac = decisions(database, symbol="BAC")[0]
    assert (bac.outcome, bac.close) == ("no_bar", None)
    assert "No bar of BAC came" in bac.reason


def test_a_short_history_is_said_to_be_warming_up(database, engine, market):
    market.history(1)
    decide(database, engine, market.tell(FLAT))

    assert {row.outcome for row in decisions(database)} == {"warming_up"}
    assert decisions(database)[0].reason == "Not enough history: 2 of 4 bars."


def test_the_decision_knows_the_window_it_looked_at(database, engine, market):
    market.history(30)
    event = market.tell(FLAT)

    decide(database, engine, event)

    row = decisions(database)[0]
    assert row.window_bars == 4 + 10
    assert row.bar_revision == 0
    assert row.parameters == {
        "lookback_period": 3,
        "threshold": 0.02,
        "max_position_size": 0.1,
        "allow_short": False,
        "exit_stop": 0.0,
        "exit_target": 0.0,
        "exit_trail": 0.0,
        "exit_bars": 0,
        "exit_session_end": False,
    }


def test_deciding_twice_changes_nothing(database, engine, market):
    market.history(5)
    event = market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 100.0})
    decide(database, engine, event)
    before = (decisions(database), published(database, SignalGenerated))

    again = decide(database, engine, event)

    assert again.decisions == 0
    assert (decisions(database), published(database, SignalGenerated)) == before
    assert len(published(database, DecisionsRecorded)) == 1


def test_an_old_bar_is_decided_and_may_not_trade(database, engine, market):
    market.history(5)
    event = market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 100.0}, newest=False)

    decide(database, engine, event)

    (signal,) = published(database, SignalGenerated)
    assert not signal.may_trade
    assert not decisions(database)[0].may_trade


def test_a_bar_that_was_newest_when_it_came_may_not_trade_once_it_is_not(
    database, engine, market
):
    market.history(5)
    first = market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 100.0})
    second = market.tell({"AAPL": 106.0, "BAC": 100.0, "SPY": 100.0})

    decide(database, engine, first)
    decide(database, engine, second)

    assert [s.may_trade for s in published(database, SignalGenerated)] == [False, True]


def test_a_signal_at_the_close_holds_for_the_first_hour_of_the_next_session(
    database, engine, market
):
    market.history(6)
    event = market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 100.0})
    assert event.session_closed

    decide(database, engine, event)

    (signal,) = published(database, SignalGenerated)
    assert signal.valid_until == event.bar_end + timedelta(hours=17.5 + 1)


def test_later_bars_are_never_looked_at(database, engine, market):
    market.history(5)
    event = market.tell(FLAT, newest=False)
    market.tell({"AAPL": 200.0, "BAC": 200.0, "SPY": 200.0})

    decide(database, engine, event)

    assert {row.outcome for row in decisions(database)} == {"no_signal"}


TWO = """
    strategies:
      - name: "momentum_strategy"
        parameters: {lookback_period: 3, threshold: 0.02}
      - name: "mine"
        parameters: {}
"""

IMPORTS = """
    import polars as pl
    from trading_core.strategy import Parameters, Strategy
"""

RAISES = IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        def signals(self, bars):
            raise RuntimeError("no luck today")
    """
ENDLESS = IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        def signals(self, bars):
            while True:
                pass
    """
WRONG_SIGNAL = IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        def signals(self, bars):
            return bars.with_columns(signal=pl.lit(7))
    """
NO_COLUMN = IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        def signals(self, bars):
            return bars
    """
DROPS_BARS = IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        def signals(self, bars):
            return bars.head(1).with_columns(signal=pl.lit(0))
    """
NOT_A_FRAME = IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        def decide(self, bars, at=None):
            return None
    """
BAD_WARMUP = IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        def warmup(self):
            return 1 / 0
    """


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (RAISES, "RuntimeError: no luck today"),
        (WRONG_SIGNAL, "signal must be -1, 0 or 1"),
        (NO_COLUMN, "signal"),
        (DROPS_BARS, "must keep every bar"),
        (NOT_A_FRAME, "NoneType, no data frame"),
        (BAD_WARMUP, "ZeroDivisionError"),
        (ENDLESS, "took more than 0.5 seconds"),
    ],
)
def test_a_strategy_that_fails_says_so_and_the_others_go_on(
    database, make_engine, market, source, said
):
    engine = make_engine(TWO, patience=0.5, mine=source)
    # The first evaluation of a process warms caches up.
    engine._patience = 20.0 if source is not ENDLESS else 0.5
    market.history(5)
    event = market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 100.0})

    result = decide(database, engine, event)

    mine = decisions(database, strategy="mine")
    assert [row.outcome for row in mine] == ["error"] * 3
    assert said in mine[0].reason
    others = decisions(database, strategy="momentum_strategy")
    assert len(others) == 3
    if source is not ENDLESS:
        assert [row.outcome for row in others] == ["signal", "no_signal", "no_signal"]
    (failed,) = published(database, StrategyFailed)
    assert failed.strategy == "mine" and said in failed.error
    assert result.errors and said in result.errors[0]
    with database.read_only() as tx:
        assert said in (tx.strategies.get("mine").last_error or "")


def test_what_was_wrong_is_forgotten_when_it_works_again(database, make_engine, market):
    market.history(5)
    failing = make_engine(TWO, mine=RAISES)
    decide(database, failing, market.tell(FLAT))
    working = make_engine(
        TWO,
        mine=IMPORTS + """
    class Mine(Strategy[Parameters], name="mine"):
        pass
    """,
    )
    decide(database, working, market.tell(FLAT))

    with database.read_only() as tx:
        assert tx.strategies.get("mine").last_error is None
        assert tx.strategies.get("mine").version == 2
    assert {r.outcome for r in decisions(database, strategy="mine")[3:]} == {
        "no_signal"
    }


def test_without_strategies_nothing_is_decided(database, make_engine, market):
    engine = make_engine("strategies: []")
    decide(database, engine, market.tell(FLAT))

    assert decisions(database) == []


def test_a_decision_cannot_be_changed_or_deleted(database, owner, engine, market):
    market.history(5)
    decide(database, engine, market.tell({"AAPL": 103.0, "BAC": 1.0, "SPY": 1.0}))

    for statement in (
        "update strategy_engine.decisions set outcome = 'no_signal'",
        "delete from strategy_engine.strategy_signals",
        "truncate strategy_engine.strategy_versions cascade",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            with owner.transaction() as tx:
                tx.session.execute(text(statement))


def test_the_consumer_decides_in_the_order_of_the_log_and_once(
    database, engine, market
):
    market.history(5)
    for price in (101.0, 103.0, 106.0):
        market.tell({"AAPL": price, "BAC": 100.0, "SPY": 100.0})
    consumer = Consumer(database, handlers(engine))

    while consumer.consume():
        pass
    first = decisions(database)
    consumer.consume()

    assert len(first) == 9
    assert decisions(database) == first
    signals = published(database, SignalGenerated)
    assert [s.may_trade for s in signals] == [False, True]
    events = published(database, DecisionsRecorded)
    assert len({e.causation_id for e in events}) == 3


def test_the_handler_and_a_run_at_once_decide_once(database, engine, market):
    market.history(5)
    market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 100.0})
    consumer = Consumer(database, handlers(engine))
    threads = [
        threading.Thread(target=consumer.consume),
        threading.Thread(target=operations.run_strategies, args=(database, engine)),
        threading.Thread(target=operations.run_strategies, args=(database, engine)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(decisions(database)) == 3
    assert len(published(database, SignalGenerated)) == 1
    assert len(published(database, DecisionsRecorded)) == 1


def test_a_run_decides_what_an_outage_left_and_a_second_run_nothing(
    database, engine, market
):
    market.history(5)
    market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 100.0})
    market.tell({"AAPL": 106.0, "BAC": 100.0, "SPY": 100.0})

    first = operations.run_strategies(database, engine)
    second = operations.run_strategies(database, engine)

    assert (first.status, first.decisions, len(first.bar_ends)) == ("decided", 6, 2)
    assert (second.status, second.decisions) == ("nothing to decide", 0)
    assert [s.may_trade for s in published(database, SignalGenerated)] == [False, True]


def test_indicators_are_computed_and_nothing_is_stored(database, engine, market):
    market.history(5)
    event = market.tell({"AAPL": 103.0, "BAC": 100.0, "SPY": 97.0})

    with database.read_only() as tx:
        found = operations.calculate_indicators(tx, engine, "momentum_strategy")

    assert [view.symbol for view in found] == ["AAPL", "BAC", "SPY"]
    assert [view.signal for view in found] == [1, 0, -1]
    assert found[0].indicators["momentum"] == pytest.approx(0.03)
    assert {view.bar_end for view in found} == {event.bar_end}
    assert decisions(database) == []
