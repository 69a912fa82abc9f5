"""Indicators as Polars expressions over the bars of one symbol.

Every value equals TA-Lib's to 1e-9 from its first bar on; until then it is null, where
TA-Lib has NaN. A value that does not exist is null as well: TA-Lib calls the RSI of a
price that stood still 0, which reads as a crash.

A rolling indicator knows its `period` bars and nothing before. A smoothed one (`ema`,
`rsi`, `atr`, `macd`, `adx`) remembers all bars since its first: two histories agree on
it only after as many bars as `ema_settles` or `wilder_settles` say, and a strategy that
uses one needs them as its warm-up.
"""

import math

import polars as pl

CLOSE = pl.col("close")
HIGH = pl.col("high")
LOW = pl.col("low")
VOLUME = pl.col("volume")

FORGOTTEN = 1e-12
"""Weight below which bars of long ago no longer move a comparison."""

STILL = 1e-12
"""Share of a price below which a range or a deviation is rounding."""


def sma(value: pl.Expr = CLOSE, period: int = 20) -> pl.Expr:
    """Return the mean of the last `period` values."""
    return value.rolling_mean(period)


def ema(value: pl.Expr = CLOSE, period: int = 20) -> pl.Expr:
    """Return the exponential mean that begins as the mean of its first `period`."""
    return _smoothed(value, period, 2 / (period + 1))


def wilder(value: pl.Expr, period: int) -> pl.Expr:
    """Return Wilder's mean: exponential with a weight of 1/period for the newest."""
    return _smoothed(value, period, 1 / period)


def ema_settles(period: int) -> int:
    """Return the bars after which an `ema` has forgotten where it began."""
    return period + _forgotten(2 / (period + 1))


def wilder_settles(period: int) -> int:
    """Return the bars after which an `rsi` or `atr` has forgotten where it began."""
    return 1 + period + _forgotten(1 / period)


def change_rate(value: pl.Expr = CLOSE, period: int = 10) -> pl.Expr:
    """Return the change over `period` bars as a share: 0.02 for 2 % (TA-Lib's ROCP)."""
    return value / value.shift(period) - 1


def deviation(value: pl.Expr = CLOSE, period: int = 20) -> pl.Expr:
    """Return the standard deviation of the population of the last `period` values."""
    return value.rolling_std(period, ddof=0)


def z_score(value: pl.Expr = CLOSE, period: int = 20) -> pl.Expr:
    """Return how many deviations a value stands from its mean; null when all stood."""
    mean, spread = sma(value, period), deviation(value, period)
    return pl.when(spread > STILL * mean.abs()).then((value - mean) / spread)


def bollinger_upper(
    value: pl.Expr = CLOSE, period: int = 20, deviations: float = 2.0
) -> pl.Expr:
    """Return the mean plus so many deviations; the middle band is `sma`."""
    return sma(value, period) + deviations * deviation(value, period)


def bollinger_lower(
    value: pl.Expr = CLOSE, period: int = 20, deviations: float = 2.0
) -> pl.Expr:
    """Return the mean less so many deviations."""
    return bollinger_upper(value, period, -deviations)


def donchian_high(period: int = 20, value: pl.Expr = HIGH) -> pl.Expr:
    """Return the highest high of the `period` bars before this one."""
    return value.rolling_max(period).shift(1)


def donchian_low(period: int = 20, value: pl.Expr = LOW) -> pl.Expr:
    """Return the lowest low of the `period` bars before this one."""
    return value.rolling_min(period).shift(1)


def rsi(value: pl.Expr = CLOSE, period: int = 14) -> pl.Expr:
    """Return Wilder's relative strength index, 0 to 100."""
    change = value.diff()
    gain = wilder(change.clip(lower_bound=0), period)
    loss = wilder((-change).clip(lower_bound=0), period)
    return pl.when(gain + loss > STILL * value.abs()).then(100 * gain / (gain + loss))


def true_range() -> pl.Expr:
    """Return the range of a bar, with the close before it; null for the first bar."""
    before = CLOSE.shift(1)
    # The maximum of horizontals skips nulls, and the first bar has none before it.
    return pl.when(before.is_not_null()).then(
        pl.max_horizontal(HIGH, before) - pl.min_horizontal(LOW, before)
    )


def atr(period: int = 14) -> pl.Expr:
    """Return Wilder's mean of the true range, in dollars."""
    return wilder(true_range(), period)


def macd(value: pl.Expr = CLOSE, fast: int = 12, slow: int = 26) -> pl.Expr:
    """Return the fast exponential mean less the slow one.

    Both begin at the same bar, as in TA-Lib, whose tables leave out the bars on which
    there is no signal line yet; these have the value here.
    """
    late = slow - fast
    if late < 1:
        raise ValueError(f"fast is {fast} and slow {slow}: fast must be the shorter.")
    return _smoothed(value, fast, 2 / (fast + 1), late) - ema(value, slow)


def macd_signal(
    value: pl.Expr = CLOSE, fast: int = 12, slow: int = 26, signal: int = 9
) -> pl.Expr:
    """Return the signal line: the exponential mean of `macd`."""
    return ema(macd(value, fast, slow), signal)


def plus_di(period: int = 14) -> pl.Expr:
    """Return Wilder's positive directional indicator, 0 to 100."""
    return _directional(HIGH.diff(), -LOW.diff(), period)


def minus_di(period: int = 14) -> pl.Expr:
    """Return Wilder's negative directional indicator, 0 to 100."""
    return _directional(-LOW.diff(), HIGH.diff(), period)


def adx(period: int = 14) -> pl.Expr:
    """Return Wilder's average directional index, 0 to 100."""
    plus, minus = plus_di(period), minus_di(period)
    strength = pl.when(plus + minus > STILL).then(
        100 * (plus - minus).abs() / (plus + minus)
    )
    return wilder(strength, period)


def on_balance_volume() -> pl.Expr:
    """Return the running sum of volume, added on rising and taken off on falling bars.

    The first bar's volume begins it, as in TA-Lib.
    """
    return (VOLUME * CLOSE.diff().sign().fill_null(1.0)).cum_sum()


def stochastic(period: int = 14) -> pl.Expr:
    """Return where the close stands in the range of `period` bars: 0 low, 100 high."""
    lowest, highest = LOW.rolling_min(period), HIGH.rolling_max(period)
    return pl.when(highest > lowest).then(100 * (CLOSE - lowest) / (highest - lowest))


def _forgotten(alpha: float) -> int:
    """Return the bars until the weight of a beginning is below `FORGOTTEN`."""
    return 0 if alpha >= 1 else math.ceil(math.log(FORGOTTEN) / math.log(1 - alpha))


def _smoothed(value: pl.Expr, period: int, alpha: float, late: int = 0) -> pl.Expr:
    """Return an exponential mean that begins as a plain mean of `period` values.

    It begins `late` values later than it could.
    """
    return _begun(value, value.rolling_mean(period), period + late, alpha)


def _begun(value: pl.Expr, first: pl.Expr, values: int, alpha: float) -> pl.Expr:
    """Return an exponential mean with the value `first` at the given count of values.

    Nulls at the front of a column are not counted.
    """
    count = value.cum_count()
    seeded = (
        pl.when(value.is_null() | (count < values))
        .then(None)
        .when(count == values)
        .then(first)
        .otherwise(value)
    )
    return seeded.ewm_mean(alpha=alpha, adjust=False, ignore_nulls=True)


def _directional(toward: pl.Expr, against: pl.Expr, period: int) -> pl.Expr:
    """Return how much of the true range is movement in one direction, 0 to 100."""
    moved = (
        pl.when(toward.is_null())
        .then(None)
        .when((toward > against) & (toward > 0))
        .then(toward)
        .otherwise(0.0)
    )
    reach = _directional_mean(true_range(), period)
    share = 100 * _directional_mean(moved, period) / reach
    first = CLOSE.cum_count() > period
    return pl.when(first & (reach > STILL * CLOSE)).then(share)


def _directional_mean(value: pl.Expr, period: int) -> pl.Expr:
    """Return Wilder's sum over `period`; TA-Lib begins it with one value less."""
    if period == 1:
        return value
    first = value.rolling_sum(period - 1) / period
    return _begun(value, first, period - 1, 1 / period)
