"""Indicators against TA-Lib, on a generated walk and on real bars."""

from pathlib import Path

import numpy as np
import polars as pl
import polars_talib as talib
import pytest

from trading_core import indicators

pytestmark = pytest.mark.unit
DATA = Path(__file__).parents[4] / "shared" / "data" / "bars_hour_2010_2018.parquet"
HIGH, LOW, CLOSE = pl.col("high"), pl.col("low"), pl.col("close")
VOLUME = pl.col("volume")
BANDS = talib.bbands(CLOSE, 20, 2.0, 2.0, 0).struct
MACD = talib.macd(CLOSE, 12, 26, 9).struct

CASES = {
    "sma": (indicators.sma(CLOSE, 20), talib.sma(CLOSE, 20)),
    "ema": (indicators.ema(CLOSE, 20), talib.ema(CLOSE, 20)),
    "deviation": (indicators.deviation(CLOSE, 20), talib.stddev(CLOSE, 20, 1.0)),
    "bollinger_upper": (indicators.bollinger_upper(CLOSE, 20, 2.0), BANDS[0]),
    "bollinger_lower": (indicators.bollinger_lower(CLOSE, 20, 2.0), BANDS[2]),
    "donchian_high": (indicators.donchian_high(20), talib.max(HIGH, 20).shift(1)),
    "donchian_low": (indicators.donchian_low(20), talib.min(LOW, 20).shift(1)),
    "rsi": (indicators.rsi(CLOSE, 14), talib.rsi(CLOSE, 14)),
    "true_range": (indicators.true_range(), talib.trange(HIGH, LOW, CLOSE)),
    "atr": (indicators.atr(14), talib.atr(HIGH, LOW, CLOSE, 14)),
    "macd": (indicators.macd(CLOSE, 12, 26), MACD[0]),
    "macd_signal": (indicators.macd_signal(CLOSE, 12, 26, 9), MACD[1]),
    "plus_di": (indicators.plus_di(14), talib.plus_di(HIGH, LOW, CLOSE, 14)),
    "minus_di": (indicators.minus_di(14), talib.minus_di(HIGH, LOW, CLOSE, 14)),
    "adx": (indicators.adx(14), talib.adx(HIGH, LOW, CLOSE, 14)),
    "change_rate": (indicators.change_rate(CLOSE, 10), talib.rocp(CLOSE, 10)),
    "stochastic": (
        indicators.stochastic(14),
        talib.stochf(HIGH, LOW, CLOSE, 14, 1, 0).struct[0],
    ),
    "on_balance_volume": (indicators.on_balance_volume(), talib.obv(CLOSE, VOLUME)),
}
# On the first bars of the MACD TA-Lib waits for its signal line; ours has a value.
EARLIER = {"macd": 8}


def walk(bars: int = 4_000) -> pl.DataFrame:
    """Return a walk in whole cents with ranges and volumes."""
    rng = np.random.default_rng(20_240_601)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.01, bars))), 2)
    return pl.DataFrame(
        {
            "high": np.round(close * (1 + rng.uniform(0, 0.01, bars)), 2),
            "low": np.round(close * (1 - rng.uniform(0, 0.01, bars)), 2),
            "close": close,
            "volume": rng.integers(1, 10**6, bars).astype(float),
        }
    )


def differences(frame: pl.DataFrame, name: str) -> tuple[float, int]:
    """Return the largest relative difference, and how many values are ours alone."""
    ours, theirs = (
        frame.select(each.alias("value"))["value"].to_numpy() for each in CASES[name]
    )
    known = np.isfinite(theirs)
    assert np.isfinite(ours[known]).all()
    # Where a value passes through zero, its size is that of the price.
    size = np.maximum(np.abs(theirs[known]), 1e-3)
    gap = np.abs(ours[known] - theirs[known]) / size
    return float(gap.max()), int(np.isfinite(ours).sum() - known.sum())


@pytest.mark.parametrize("name", CASES)
def test_it_equals_talib_on_a_walk(name: str) -> None:
    gap, alone = differences(walk(), name)
    assert gap <= 1e-9 and alone == EARLIER.get(name, 0)


@pytest.mark.skipif(not DATA.exists(), reason="needs the real bars of development")
@pytest.mark.parametrize("symbol", ["AAPL", "BAC", "SPY"])
@pytest.mark.parametrize("name", CASES)
def test_it_equals_talib_on_real_hours(name: str, symbol: str) -> None:
    bars = pl.read_parquet(DATA).filter(pl.col("symbol") == symbol).sort("timestamp")
    gap, alone = differences(bars.with_columns(VOLUME.cast(pl.Float64)), name)
    assert gap <= 1e-9 and alone == EARLIER.get(name, 0)


def test_the_z_score_is_that_of_each_window() -> None:
    """TA-Lib has none, and its deviation of large prices is too coarse to divide by."""
    bars = walk()
    windows = np.lib.stride_tricks.sliding_window_view(bars["close"].to_numpy(), 20)
    expected = (windows[:, -1] - windows.mean(axis=1)) / windows.std(axis=1)
    ours = bars.select(indicators.z_score(CLOSE, 20))["close"].drop_nulls().to_numpy()
    assert np.allclose(ours, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_symbols_do_not_touch_each_other(name: str) -> None:
    one, other = walk(200), walk(200).reverse()
    both = pl.concat(
        [one.with_columns(symbol=pl.lit("A")), other.with_columns(symbol=pl.lit("B"))]
    )
    expression = CASES[name][0]
    together = both.select(expression.over("symbol").alias("v"))["v"]
    apart = [frame.select(expression.alias("v"))["v"] for frame in (one, other)]
    assert together.equals(pl.concat(apart))


@pytest.mark.parametrize("name", CASES)
def test_later_bars_change_nothing(name: str) -> None:
    whole = walk(300)
    values = whole.select(CASES[name][0].alias("v"))["v"]
    for length in (1, 2, 27, 40, 150):
        part = whole.head(length).select(CASES[name][0].alias("v"))["v"]
        assert part.equals(values.head(length))


@pytest.mark.parametrize(
    ("expression", "settles"),
    [
        (indicators.ema(CLOSE, 20), indicators.ema_settles(20)),
        (indicators.rsi(CLOSE, 14), indicators.wilder_settles(14)),
        (indicators.atr(14), indicators.wilder_settles(14)),
        (indicators.adx(7), 3 * indicators.wilder_settles(7)),
        (indicators.macd_signal(), 2 * indicators.ema_settles(26)),
    ],
)
def test_a_settled_value_has_forgotten_its_first_bars(
    expression: pl.Expr, settles: int
) -> None:
    whole = walk(settles + 500)
    full = whole.select(expression.alias("v"))["v"].tail(400).to_numpy()
    late = whole.slice(100).select(expression.alias("v"))["v"].tail(400).to_numpy()
    assert np.abs(full - late).max() <= 1e-11 * np.abs(full).max()


def test_prices_that_stand_still_have_no_strength() -> None:
    still = pl.DataFrame(dict.fromkeys(("high", "low", "close"), [50.0] * 60))
    for expression in (
        indicators.rsi(),
        indicators.z_score(),
        indicators.adx(),
        indicators.plus_di(),
        indicators.stochastic(),
    ):
        assert still.select(expression.alias("v"))["v"].null_count() == 60
    assert still.select(indicators.atr().alias("v"))["v"].drop_nulls().unique()[0] == 0


def test_short_histories_have_no_value_instead_of_an_error() -> None:
    for length in (0, 1, 5):
        frame = walk(10).head(length)
        assert frame.select(indicators.ema().alias("v"))["v"].null_count() == length


def test_the_macd_needs_its_fast_mean_to_be_the_shorter() -> None:
    with pytest.raises(ValueError, match="fast must be the shorter"):
        indicators.macd(CLOSE, 26, 12)
