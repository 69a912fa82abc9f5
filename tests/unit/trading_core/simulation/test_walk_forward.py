"""Parameters are chosen on the past alone, and tried on what follows."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from trading_core.indicators import sma
from trading_core.lookahead import walk
from trading_core.simulation.columns import backtest_columns, sweep
from trading_core.simulation.terms import Terms
from trading_core.simulation.walk_forward import Window, walk_forward, windows
from trading_core.strategy import Condition, Parameters, Rules, Strategy

pytestmark = pytest.mark.unit
BARS = walk(symbols=2, count=600)
DAYS = timedelta(days=1)
START: Any = BARS["timestamp"][0]
LAST: Any = BARS["timestamp"][-1]
TERMS = Terms(fee_rate=0.0002)


class AverageParameters(Parameters):
    """The length of an average."""

    period: int = 5


class Average(Strategy[AverageParameters], name="average"):
    """Above its average."""

    def warmup(self) -> int:
        return self.parameters.period

    def indicators(self) -> dict[str, pl.Expr]:
        return {"mean": sma(period=self.parameters.period)}

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("close", ">", "mean"),),
            sell=(Condition("close", "<", "mean"),),
        )


GRID: list[Strategy[Any]] = [
    Average.configured({"period": period, "max_position_size": 1.0})
    for period in (3, 5, 8, 13, 21)
]
WINDOWS = windows(BARS, 8 * DAYS, 3 * DAYS)


def test_windows_follow_each_other_and_leave_no_test_unfilled() -> None:
    assert WINDOWS[0] == Window(START, START + 8 * DAYS, START + 11 * DAYS)
    for one, following in zip(WINDOWS, WINDOWS[1:], strict=False):
        assert following.test_from == one.until
        assert following.test_from - following.train_from == 8 * DAYS
    assert WINDOWS[-1].until <= LAST < WINDOWS[-1].until + 3 * DAYS
    anchored = windows(BARS, 8 * DAYS, 3 * DAYS, anchored=True)
    assert {window.train_from for window in anchored} == {START}
    assert [w.until for w in anchored] == [w.until for w in WINDOWS]


def test_the_best_of_the_training_is_tried_on_the_test() -> None:
    rows = walk_forward(GRID, BARS, WINDOWS, TERMS)
    assert rows.height == len(WINDOWS) and rows["place"].n_unique() > 1
    grown = 1.0
    for row, window in zip(rows.iter_rows(named=True), WINDOWS, strict=True):
        past = BARS.filter(pl.col("timestamp") < window.test_from)
        returns: list[Any] = [
            sweep([each], past, TERMS, trade_from=window.train_from)[
                "total_return"
            ].mean()
            for each in GRID
        ]
        best = max(range(len(GRID)), key=lambda place: (returns[place], -place))
        assert (row["place"], row["train_return"]) == (best, returns[best])
        seen = BARS.filter(pl.col("timestamp") < window.until)
        made = backtest_columns(GRID[best], seen, TERMS, trade_from=window.test_from)
        ends: Any = made.equity.group_by("symbol").agg(pl.col("equity").last())[
            "equity"
        ]
        assert row["test_return"] == pytest.approx((ends / 100_000 - 1).mean())
        assert row["trades"] == made.trades.height
        # The decision at the close of the first bar of the test fills at the next open.
        assert (made.trades["entered_at"] > window.test_from).all()
        grown *= 1 + row["test_return"]
        assert row["grown"] == pytest.approx(grown)


def test_what_comes_after_changes_no_choice_and_no_earlier_test() -> None:
    whole = walk_forward(GRID, BARS, WINDOWS, TERMS)
    turn = WINDOWS[2].test_from
    other = BARS.with_columns(
        pl.when(pl.col("timestamp") >= turn)
        .then(pl.col(name) * 2)
        .otherwise(name)
        .alias(name)
        for name in ("open", "high", "low", "close")
    )
    changed = walk_forward(GRID, other, WINDOWS, TERMS)
    assert changed.head(2).equals(whole.head(2))
    chosen = ("place", "train_return")
    assert changed.select(chosen).row(2) == whole.select(chosen).row(2)


def test_windows_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="hold no window"):
        windows(BARS, 100 * DAYS, 3 * DAYS)
    with pytest.raises(ValueError, match="needs time"):
        windows(BARS, 0 * DAYS, 3 * DAYS)
    with pytest.raises(ValueError, match="no bars"):
        windows(BARS.clear(), DAYS, DAYS)
