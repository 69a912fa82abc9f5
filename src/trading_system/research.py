"""Strategies and bars for a person who tries things out, without a running system."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from trading_core import bars as bar_frame
from trading_core import lookahead
from trading_core.strategy import Strategy, StrategyError, find
from trading_system import plugins
from trading_system.config.settings import Settings
from trading_system.errors import Conflict, Invalid, NotFound

Made = TypeVar("Made")

RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?::(\d+))?")
MOST_RUNS = 1_000_000

TEMPLATE = '''"""Say in a sentence what it trades on."""

import polars as pl
from pydantic import Field

from trading_core.indicators import sma
from trading_core.strategy import Condition, Parameters, Rules, Strategy


class {title}Parameters(Parameters):
    """What can be told to it."""

    fast: int = Field(20, ge=1, le=5000, description="Bars of the fast average.")
    slow: int = Field(50, ge=2, le=5000, description="Bars of the slow average.")


class {title}(Strategy[{title}Parameters], name="{name}"):
    """Long while the fast average is above the slow one."""

    def warmup(self) -> int:
        return max(self.parameters.fast, self.parameters.slow)

    def indicators(self) -> dict[str, pl.Expr]:
        return {{
            "fast": sma(period=self.parameters.fast),
            "slow": sma(period=self.parameters.slow),
        }}

    def rules(self) -> Rules:
        return Rules(
            buy=(Condition("fast", ">", "slow"),),
            sell=(Condition("fast", "<", "slow"),),
        )
'''


def strategy_of(settings: Settings, name: str, values: dict[str, Any]) -> Strategy[Any]:
    """Return a strategy by name with parameters; what is not given has its default."""
    try:
        return _kind(settings, name).configured(values)
    except StrategyError as error:
        raise Invalid(str(error)) from error


def grid_of(
    settings: Settings, name: str, choices: dict[str, list[Any]]
) -> list[tuple[dict[str, Any], Strategy[Any]]]:
    """Return a strategy with every combination of parameters."""
    kind = _kind(settings, name)
    count = 1
    for values in choices.values():
        count *= len(values)
    if count > MOST_RUNS:
        raise Invalid(f"{count:,} runs are too many: at most {MOST_RUNS:,}.")
    combined = [
        dict(zip(choices, values, strict=True)) for values in product(*choices.values())
    ]
    try:
        return [(values, kind.configured(values)) for values in combined]
    except StrategyError as error:
        raise Invalid(str(error)) from error


def choices_of(words: Sequence[str]) -> dict[str, list[Any]]:
    """Return parameters from words such as `fast=5..20:5`, `slow=50,100` or `x=1`."""
    choices: dict[str, list[Any]] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not (name and sign and text):
            raise Invalid(f"{word!r} is no parameter: write name=value.")
        bounds = RANGE.fullmatch(text)
        if bounds is not None:
            first, last, step = (int(each or 1) for each in bounds.groups())
            choices[name] = list(range(first, last + 1, step)) if step else []
        else:
            choices[name] = [_value(each) for each in text.split(",")]
        if not choices[name]:
            raise Invalid(f"{word!r} names no value.")
    return choices


def values_of(words: Sequence[str]) -> dict[str, Any]:
    """Return parameters that have one value each."""
    choices = choices_of(words)
    for name, values in choices.items():
        if len(values) != 1:
            raise Invalid(f"{name} has {len(values)} values: one is needed here.")
    return {name: values[0] for name, values in choices.items()}


def checked(kind: Callable[..., Made], **values: Any) -> Made:
    """Return what is made of values; values that cannot be are the caller's fault."""
    try:
        return kind(**values)
    except ValueError as error:
        raise Invalid(str(error)) from error


def bars_of(file: Path) -> pl.DataFrame:
    """Return the bars of a Parquet or CSV file, sorted by symbol and time."""
    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    try:
        if file.suffix == ".csv":
            frame = pl.read_csv(file, try_parse_dates=True)
        else:
            frame = pl.read_parquet(file)
        good, problems = bar_frame.validate(frame)
    except (bar_frame.NotBars, pl.exceptions.PolarsError) as error:
        raise Invalid(f"{file}: {error}") from error
    wrong = [each for each in problems if each.rule != "unsorted"]
    if wrong or good.is_empty():
        what = wrong[0].message if wrong else "It has no bars."
        raise Invalid(f"{file}: {what}")
    return good


def peeks(
    strategy: Strategy[Any], bars: pl.DataFrame | None, cuts: int
) -> tuple[list[lookahead.Peek], pl.DataFrame]:
    """Return where a strategy looks ahead, and the bars on which it was asked."""
    if bars is None:
        bars = lookahead.walk(count=strategy.history + lookahead.BEYOND)
    bars = lookahead.sample(bars, strategy.history)
    try:
        return list(lookahead.peeks(strategy, bars, cuts)), bars
    except StrategyError as error:
        raise Invalid(str(error)) from error


def new_strategy(name: str, folder: Path) -> Path:
    """Write the file of a new strategy and return its path; none is written over."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Invalid(
            f"{name!r} is no name for a strategy: small letters, digits, underscores."
        )
    path = folder / f"{name}.py"
    title = "".join(part.capitalize() for part in name.split("_"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(TEMPLATE.format(name=name, title=title))
    except FileExistsError as error:
        raise Conflict(f"{path} is there already.") from error
    return path


def _kind(settings: Settings, name: str) -> type[Strategy[Any]]:
    try:
        return find(plugins.load(settings), name)
    except StrategyError as error:
        raise NotFound(str(error)) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
