"""What a strategy is: parameters, indicators, and rules that are data.

A strategy names its indicators as Polars expressions and its rules as `Condition`s
between them. From these come the signals and, for every symbol and bar, a decision that
tells each value it looked at, also when the answer was no.

Conditions compare by `comparison.holds`: the rounding of a rolling sum never decides a
trade.
"""

import hashlib
import json
from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from types import ModuleType
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin

import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trading_core import exit_rules
from trading_core.comparison import Operator, holds
from trading_core.exit_rules import ExitRules

RuleSide = Literal["buy", "sell"]

RESERVED = frozenset(
    "symbol timestamp open high low close volume signal score warm reason "
    "indicators conditions weight reduce_only group exit".split()
)

LEG = {
    "weight": pl.lit(1.0),
    "reduce_only": pl.lit(False),
    "group": pl.lit(None, dtype=pl.String),
}
"""What a signal asks beyond its side, where a strategy does not say."""

CONDITION = pl.Struct(
    {
        "side": pl.String(),
        "left": pl.String(),
        "operator": pl.String(),
        "right": pl.String(),
        "left_value": pl.Float64(),
        "right_value": pl.Float64(),
        "passed": pl.Boolean(),
    }
)


class StrategyError(ValueError):
    """A strategy is unknown, ill-defined, or was given parameters it cannot use."""


class Parameters(BaseModel):
    """What every strategy can be told; a strategy's own parameters extend it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_position_size: float = Field(
        0.1, gt=0, le=1, description="Share of equity that one position may take."
    )
    allow_short: bool = Field(
        False, description="Whether a sell signal may open a short position."
    )
    exit_stop: float = Field(
        0.0, ge=0, lt=1, description="Leave this far below the entry: 0.05 for 5 %."
    )
    exit_target: float = Field(
        0.0, ge=0, description="Leave this far above the entry: 0.1 for 10 %."
    )
    exit_trail: float = Field(
        0.0, ge=0, lt=1, description="Leave this far below the best since the entry."
    )
    exit_bars: int = Field(
        0, ge=0, le=5000, description="Leave after so many bars; 0 for no such rule."
    )
    exit_session_end: bool = Field(
        False, description="Leave in the last hour of a session, and enter no more."
    )

    @property
    def exits(self) -> ExitRules | None:
        """The rules that end a position whatever the signals say, if one is on."""
        rules = ExitRules(
            self.exit_stop,
            self.exit_target,
            self.exit_trail,
            self.exit_bars,
            self.exit_session_end,
        )
        return rules if rules.any else None


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a rule: an indicator against a number or another indicator.

    `label` names the number, as a parameter is called.
    """

    left: str
    operator: Operator
    right: float | str
    label: str = ""

    def passed(self) -> pl.Expr:
        """Whether it holds, by the dead band; False where a side has no number."""
        return holds(pl.col(self.left), self.operator, self.right_value())

    def right_value(self) -> pl.Expr:
        """The number or indicator it compares with."""
        return pl.col(self.right) if isinstance(self.right, str) else pl.lit(self.right)

    @property
    def right_name(self) -> str:
        """How the right side is called in explanations."""
        return self.right if isinstance(self.right, str) else self.label


@dataclass(frozen=True, slots=True)
class Rules:
    """When to buy and when to sell: a side holds when all its conditions do.

    A side without conditions never holds; when both hold there is no signal.
    """

    buy: tuple[Condition, ...] = ()
    sell: tuple[Condition, ...] = ()

    def sides(self) -> list[tuple[RuleSide, Condition]]:
        """Every condition with its side, buy first."""
        sides: list[tuple[RuleSide, Condition]] = [("buy", c) for c in self.buy]
        return sides + [("sell", c) for c in self.sell]


P = TypeVar("P", bound=Parameters)


class Strategy(ABC, Generic[P]):
    """Base of all strategies: `class Momentum(Strategy[MomentumParameters], name="…")`.

    Write `warmup`, `indicators` and `rules`, and `across` for a strategy that compares
    symbols; override `side` where conditions between indicators cannot say it, and
    then `explanation`. `fold.Fold` remembers, `model.Fitted` asks a fitted model.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = ""
    parameters_type: ClassVar[type[Parameters]]

    def __init_subclass__(cls, name: str = "", version: str = "1") -> None:
        super().__init_subclass__()
        cls.name, cls.version = name, version
        for base in getattr(cls, "__orig_bases__", ()):
            arguments = get_args(base)
            origin = get_origin(base)
            if (
                isinstance(origin, type)
                and issubclass(origin, Strategy)
                and isinstance(arguments[0], type)
            ):
                cls.parameters_type = arguments[0]

    def __init__(self, parameters: P) -> None:
        self.parameters = parameters

    @classmethod
    def configured(cls, values: Mapping[str, Any]) -> "Strategy[P]":
        """Return the strategy with parameters from a mapping, as the YAML file has it.

        An unknown parameter is an error that names the likely one.
        """
        known = list(cls.parameters_type.model_fields)
        for key in values:
            if key not in known:
                raise StrategyError(
                    f"{cls.name} has no parameter {key!r}."
                    f"{did_you_mean(key, known)} It has: {', '.join(known)}."
                )
        try:
            parameters = cls.parameters_type.model_validate(dict(values))
        except ValidationError as error:
            said = "; ".join(
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
                for one in error.errors()
            )
            raise StrategyError(f"{cls.name}: {said}.") from error
        return cls(parameters)  # type: ignore[arg-type]

    @property
    def parameters_hash(self) -> str:
        """A hash of name, version and parameters: the same rule has the same hash."""
        content = self.parameters.model_dump(mode="json")
        text = json.dumps([self.name, self.version, content], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def warmup(self) -> int:
        """Bars of a symbol, the decided one included, before its signals count."""
        return 1

    @property
    def history(self) -> int:
        """Bars of a symbol before a decision counts: the warm-up, and what the exit
        rules look back on."""
        exits = self.parameters.exits
        return max(self.warmup(), 1) + (exits.memory if exits else 0)

    @property
    def compares_symbols(self) -> bool:
        """Whether a decision on one symbol looks at the bars of others."""
        return bool(self.across())

    def indicators(self) -> dict[str, pl.Expr]:
        """Expressions over the bars of one symbol; a later one may use earlier ones."""
        return {}

    def across(self) -> dict[str, pl.Expr]:
        """Expressions over all symbols at one time, such as ranks of an indicator."""
        return {}

    def rules(self) -> Rules:
        """The conditions for buying and for selling."""
        return Rules()

    def legs(self) -> dict[str, pl.Expr]:
        """Expressions for what a signal asks beyond its side; each may be left out.

        `weight` is the part of `max_position_size` that is wanted (above 0, at most 1),
        `reduce_only` whether the signal only closes what is open on the other side, and
        `group` the name that the legs of one position share.
        """
        return {}

    def explanation(self) -> pl.Expr | None:
        """Why a bar was decided as it was, for rules that are no conditions."""
        return None

    def score(self) -> pl.Expr:
        """How strongly a bar speaks, for ranking: by default the first indicator."""
        names = list(self.indicators())
        return pl.col(names[0]) if names else pl.lit(None, dtype=pl.Float64)

    def derived(self) -> tuple[str, ...]:
        """Names of the indicators that `derive` computes where no expression can."""
        return ()

    def derive(self, bars: pl.DataFrame) -> Mapping[str, npt.NDArray[Any]]:
        """Return the `derived` indicators of bars by symbol and time, a value a bar.

        The bars have the columns of `indicators` already.
        """
        raise StrategyError(f"{self.name} derives {self.derived()} without `derive`.")

    def with_indicators(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        """Return the bars with a column for each indicator.

        Those of a symbol first, those that are derived, then those across the symbols
        of a time.
        """
        bars = self._with(bars, "symbol", self.indicators())
        if names := self.derived():
            ordered = bars.sort("symbol", "timestamp").collect()
            columns = self.derive(ordered)
            if set(columns) != set(names):
                raise StrategyError(
                    f"{self.name}: derive() returned {', '.join(sorted(columns))} "
                    f"instead of {', '.join(sorted(names))}."
                )
            for name, values in columns.items():
                if len(values) != ordered.height:
                    raise StrategyError(
                        f"{self.name}: derive() returned {len(values)} values of {name}"
                        f" for {ordered.height} bars; it must keep every bar."
                    )
            bars = ordered.lazy().with_columns(
                pl.Series(name, columns[name], dtype=pl.Float64, nan_to_null=True)
                for name in names
            )
        return self._with(bars, "timestamp", self.across())

    def _with(
        self, bars: pl.LazyFrame, over: str, expressions: Mapping[str, pl.Expr]
    ) -> pl.LazyFrame:
        for name, expression in expressions.items():
            if name in RESERVED:
                raise StrategyError(
                    f"{self.name}: indicator {name} hides a bar column."
                )
            value = expression.cast(pl.Float64).over(over)
            bars = bars.with_columns(value.alias(name))
        return bars

    def side(self) -> pl.Expr:
        """1 where a bar asks to buy, -1 to sell, 0 neither: by default by `rules`."""
        rules = self.rules()
        return signal(buy=_all_of(rules.buy), sell=_all_of(rules.sell))

    def signals(self, bars: pl.LazyFrame) -> pl.LazyFrame:
        """Return the bars with `signal`: 1 buy, -1 sell, 0 neither."""
        return self.with_indicators(bars).with_columns(signal=self.side())

    def asked(self, bars: pl.LazyFrame | pl.DataFrame) -> pl.LazyFrame:
        """Return the bars by symbol and time with what is asked at each.

        Beside the indicators: `signal`, `weight`, `reduce_only`, `group`, `warm`, the
        count `_seen` of the symbol's bars, and `exit`: which exit rule ended the
        position, if one did. Before the warm-up the signal is 0.
        """
        ordered = bars.lazy().sort("symbol", "timestamp")
        frame = self.signals(ordered)
        if type(self).signals is not Strategy.signals:
            self._require_bars(frame, ordered)
            # The author's frame may be in another order, and lack the indicators.
            frame = self.with_indicators(frame).sort("symbol", "timestamp")
        frame = frame.with_columns(
            pl.col("signal").fill_null(0).cast(pl.Int8),
            _seen=pl.int_range(1, pl.len() + 1).over("symbol"),
            **LEG | self.legs(),
            exit=pl.lit(None, dtype=pl.String),
        ).with_columns(warm=pl.col("_seen") >= self.history)
        if exits := self.parameters.exits:
            frame = exit_rules.applied(frame, exits, self.parameters.allow_short)
        return frame.with_columns(
            signal=pl.when("warm").then("signal").otherwise(pl.lit(0, dtype=pl.Int8))
        )

    def decide(
        self, bars: pl.LazyFrame | pl.DataFrame, at: datetime | None = None
    ) -> pl.DataFrame:
        """Return one decision a symbol and bar, sorted by symbol and time.

        With `at` only those of the bars that start then; the others are looked at.
        Columns: symbol, timestamp, close, warm, signal, score, indicators (struct),
        conditions (list of struct `CONDITION`), reason, weight, reduce_only, group. A
        bar before the warm-up has signal 0.
        """
        names = [*self.indicators(), *self.derived(), *self.across()]
        conditions = self.rules().sides()
        asked = self.asked(bars)
        if at is not None:
            asked = asked.filter(pl.col("timestamp") == at)
        decided = (
            asked.with_columns(score=self.score().cast(pl.Float64))
            .select(
                "symbol",
                "timestamp",
                "close",
                "warm",
                "signal",
                "score",
                _struct_of(names).alias("indicators"),
                _list_of(conditions).alias("conditions"),
                self._reason(conditions).alias("reason"),
                *LEG,
            )
            .collect()
        )
        self._require_signals(decided)
        return decided

    def _reason(self, conditions: list[tuple[RuleSide, Condition]]) -> pl.Expr:
        needed = self.history
        short = pl.format("Not enough history: {} of {} bars.", "_seen", pl.lit(needed))
        told = self.explanation()
        if told is None:
            bought, sold, neither = (
                _text("Buy: ", conditions, "buy", " and "),
                _text("Sell: ", conditions, "sell", " and "),
                _text("No signal: ", conditions, None, "; "),
            )
            told = (
                pl.when(pl.col("signal") == 1)
                .then(bought)
                .when(pl.col("signal") == -1)
                .then(sold)
                .otherwise(neither)
            )
        if self.parameters.exits:
            told = pl.when(pl.col("exit").is_not_null()).then("exit").otherwise(told)
        return pl.when(~pl.col("warm")).then(short).otherwise(told)

    def _require_signals(self, decided: pl.DataFrame) -> None:
        wrong = decided.filter(~pl.col("signal").is_in([-1, 0, 1]))
        if not wrong.is_empty():
            raise StrategyError(
                f"{self.name}: signal must be -1, 0 or 1, found {wrong['signal'][0]} "
                f"for {wrong['symbol'][0]} at {wrong['timestamp'][0]}."
            )

    def _require_bars(self, frame: pl.LazyFrame, bars: pl.LazyFrame) -> None:
        """Refuse what an author's `signals` made of the bars, unless it keeps them."""
        if not isinstance(frame, pl.LazyFrame):
            raise StrategyError(
                f"{self.name}: signals() returned {type(frame).__name__} instead of a "
                "LazyFrame; return bars.with_columns(signal=...)."
            )
        names = frame.collect_schema().names()
        lost = [n for n in (*bars.collect_schema().names(), "signal") if n not in names]
        if lost:
            raise StrategyError(
                f"{self.name}: signals() left out the column {', '.join(lost)}; return "
                "bars.with_columns(signal=...)."
            )
        key = ["symbol", "timestamp"]
        given, kept = pl.collect_all([bars.select(key), frame.select(key)])
        for what, one, other in (("left out", given, kept), ("made up", kept, given)):
            odd = one.join(other, on=key, how="anti").sort(key)
            if not odd.is_empty():
                symbol, time = odd.row(0)
                raise StrategyError(
                    f"{self.name}: signals() {what} the bar of {symbol} at {time}: "
                    f"{kept.height} signals for {given.height} bars; it must keep "
                    "every bar."
                )
        if kept.height != given.height:
            symbol, time = kept.filter(kept.is_duplicated()).sort(key).row(0)
            raise StrategyError(
                f"{self.name}: signals() gave the bar of {symbol} at {time} twice: "
                f"{kept.height} signals for {given.height} bars; it must keep every "
                "bar."
            )


def signal(buy: pl.Expr, sell: pl.Expr) -> pl.Expr:
    """Return 1 where only buy holds, -1 where only sell does, else 0."""
    buys, sells = buy.fill_null(False), sell.fill_null(False)
    return buys.cast(pl.Int8) - sells.cast(pl.Int8)


def strategies_in(module: ModuleType) -> list[type[Strategy[Any]]]:
    """Return the named strategies that a module defines itself, by name."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.name
        and value.__module__ == module.__name__
    ]
    return sorted(found, key=lambda strategy: strategy.name)


def registry(modules: Iterable[ModuleType]) -> dict[str, type[Strategy[Any]]]:
    """Return the strategies of modules by name; a name given twice is an error."""
    by_name: dict[str, type[Strategy[Any]]] = {}
    for module in modules:
        for strategy in strategies_in(module):
            if strategy.name in by_name:
                other = by_name[strategy.name].__module__
                raise StrategyError(
                    f"{strategy.name} is defined by {other} and {module.__name__}."
                )
            by_name[strategy.name] = strategy
    return by_name


def find(
    strategies: Mapping[str, type[Strategy[Any]]], name: str
) -> type[Strategy[Any]]:
    """Return the strategy of a name; an unknown one is an error that suggests."""
    if name not in strategies:
        known = sorted(strategies)
        raise StrategyError(
            f"No strategy is called {name!r}.{did_you_mean(name, known)} "
            f"There are: {', '.join(known) or 'none'}."
        )
    return strategies[name]


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known name, or nothing."""
    nearest = get_close_matches(given, list(known), n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def source_hash(source: str) -> str:
    """Return the hash of a strategy's source text, the same on every system."""
    text = "\n".join(source.splitlines())
    return hashlib.sha256(text.encode()).hexdigest()


def _all_of(conditions: tuple[Condition, ...]) -> pl.Expr:
    if not conditions:
        return pl.lit(False)
    return pl.all_horizontal(condition.passed() for condition in conditions)


def _struct_of(names: list[str]) -> pl.Expr:
    if not names:
        return pl.lit(None, dtype=pl.Struct({}))
    return pl.struct(names)


def _list_of(conditions: list[tuple[RuleSide, Condition]]) -> pl.Expr:
    if not conditions:
        return pl.lit([], dtype=pl.List(CONDITION))
    return pl.concat_list(
        pl.struct(
            side=pl.lit(side),
            left=pl.lit(condition.left),
            operator=pl.lit(condition.operator),
            right=pl.lit(condition.right_name),
            left_value=pl.col(condition.left),
            right_value=condition.right_value().cast(pl.Float64),
            passed=condition.passed(),
        )
        for side, condition in conditions
    )


def _text(
    prefix: str,
    conditions: list[tuple[RuleSide, Condition]],
    side: RuleSide | None,
    joint: str,
) -> pl.Expr:
    """Return a sentence over the conditions of a side, or over all of them for None."""
    parts = [
        _part(condition, of if side is None else None)
        for of, condition in conditions
        if side is None or of == side
    ]
    if not parts:
        return pl.lit(f"{prefix}the strategy's own rule.")
    return pl.format("{}{}.", pl.lit(prefix), pl.concat_str(parts, separator=joint))


def _part(condition: Condition, side: RuleSide | None) -> pl.Expr:
    """Return "momentum 0.031 > threshold 0.02", or what a side would have needed."""
    left = _number(pl.col(condition.left))
    right = pl.concat_str(
        pl.lit(f"{condition.right_name} " if condition.right_name else ""),
        _number(condition.right_value()),
    )
    if side is None:
        return pl.format(
            "{} {} {} {}",
            pl.lit(condition.left),
            left,
            pl.lit(condition.operator),
            right,
        )
    verdict = pl.when(condition.passed()).then(pl.lit("has")).otherwise(pl.lit("needs"))
    return pl.format(
        "{} {} {} {} {} (it is {})",
        pl.lit(side),
        verdict,
        pl.lit(condition.left),
        pl.lit(condition.operator),
        right,
        left,
    )


def _number(value: pl.Expr) -> pl.Expr:
    return value.round_sig_figs(6).cast(pl.String).fill_null("missing")
