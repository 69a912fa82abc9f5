"""`config/strategies.yaml`: what runs, with which parameters and limits.

Whatever is wrong in it is said with the file's name, the line and, for a misspelt
name, what was probably meant; nothing in it is ignored.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trading_system.config.names import did_you_mean
from trading_system.errors import Misconfigured

Parameters = TypeVar("Parameters", bound=BaseModel)

Share = Annotated[Decimal, Field(gt=0, le=1)]
"""A part of the whole: 0.05 is five percent."""


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RiskLimits(_Block):
    """What one strategy may lose before it may no longer enter."""

    max_drawdown: Share | None = Field(
        None, description="Share of its peak that the strategy may give back."
    )
    max_daily_loss: Share | None = Field(
        None, description="Share of the account that it may lose in one session."
    )


class StrategyBlock(_Block):
    """One strategy as the file names it; its own class checks the parameters."""

    name: str = Field(min_length=1, description="The name its class declares.")
    enabled: bool = Field(True, strict=True, description="Whether it runs.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Values of its parameters."
    )
    risk_limits: RiskLimits = Field(
        default_factory=RiskLimits, description="Limits that hold for it alone."
    )


class _Document(_Block):
    strategies: tuple[StrategyBlock, ...]


@dataclass(frozen=True)
class StrategiesFile:
    """The file's blocks in their order, and where each of its words stands."""

    path: Path
    strategies: tuple[StrategyBlock, ...]
    _root: yaml.Node

    @property
    def enabled(self) -> tuple[StrategyBlock, ...]:
        """The strategies that run."""
        return tuple(block for block in self.strategies if block.enabled)

    def block(self, name: str) -> StrategyBlock | None:
        """Return the block of a strategy, if the file has one."""
        return next((block for block in self.strategies if block.name == name), None)

    def parameters(self, block: StrategyBlock, kind: type[Parameters]) -> Parameters:
        """Return a strategy's parameters, checked by its own class."""
        place = ("strategies", self.strategies.index(block), "parameters")
        try:
            return kind.model_validate(block.parameters)
        except ValidationError as error:
            owner = f"a parameter of {block.name}"
            raise Misconfigured(
                _report(self.path, self._root, error, kind, place, owner)
            ) from error

    def refuse_unknown(self, known: Sequence[str]) -> None:
        """Refuse strategies that no plugin declares."""
        problems = [
            f"{self._where(index)}: there is no strategy {block.name}: "
            + _hint(block.name, known)
            for index, block in enumerate(self.strategies)
            if block.name not in known
        ]
        if problems:
            raise Misconfigured("\n".join(problems))

    def _where(self, index: int) -> str:
        return _where(self.path, self._root, ("strategies", index, "name"))


def load(path: Path) -> StrategiesFile:
    """Read the file; refuse what is wrong in it, a line a problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"The strategies file {path} cannot be read: {error}."
        ) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misconfigured(
            f"{path}, line {line}: this is not YAML: {error.problem}."
        ) from error
    if root is None:
        raise Misconfigured(f"{path} is empty: it needs `strategies:` and a list.")
    if repeated := list(_repeated_keys(path, root)):
        raise Misconfigured("\n".join(repeated))
    try:
        document = _Document.model_validate(content)
    except ValidationError as error:
        raise Misconfigured(
            _report(path, root, error, _Document, (), "a word of this file")
        ) from error
    file = StrategiesFile(path, document.strategies, root)
    _refuse_twins(file)
    return file


def _refuse_twins(file: StrategiesFile) -> None:
    names = [block.name for block in file.strategies]
    for name, count in Counter(names).items():
        if count > 1:
            second = names.index(name, names.index(name) + 1)
            raise Misconfigured(f"{file._where(second)}: {name} has a block already.")


def _repeated_keys(path: Path, node: yaml.Node) -> Iterator[str]:
    """YAML takes the last of two equal keys in silence; we do not."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                yield f"{path}, line {line}: {key.value} is there twice."
            seen.add(key.value)
            yield from _repeated_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(path, item)


def _report(
    path: Path,
    root: yaml.Node,
    error: ValidationError,
    kind: type[BaseModel],
    prefix: tuple[int | str, ...],
    owner: str,
) -> str:
    lines = []
    for problem in error.errors():
        inside = problem["loc"]
        where = _where(path, root, (*prefix, *inside))
        name = str(inside[-1]) if inside else "the file"
        if problem["type"] == "extra_forbidden":
            fields = list(_model_at(kind, inside[:-1]).model_fields)
            what = f"{name} is not {owner}: {_hint(name, fields)}"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            what = f"{name}: {message[0].lower()}{message[1:]}."
        lines.append(f"{where}: {what}")
    return "\n".join(lines)


def _hint(name: str, known: Sequence[str]) -> str:
    meant = did_you_mean(name, known)
    if meant:
        return f"did you mean {meant}?"
    return f"known are {', '.join(sorted(known))}." if known else "nothing is known."


def _model_at(kind: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model that a place inside a document belongs to."""
    models: tuple[tuple[str, type[BaseModel]], ...] = (
        ("risk_limits", RiskLimits),
        ("strategies", StrategyBlock),
    )
    return next((model for name, model in models if name in place), kind)


def _where(path: Path, root: yaml.Node, place: tuple[int | str, ...]) -> str:
    """Return file and line of a place, or of the nearest thing around it."""
    node, line = root, root.start_mark.line
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = [pair for pair in node.value if pair[0].value == step]
            if not found:
                break
            key, node = found[-1]
            line = key.start_mark.line
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
    return f"{path}, line {line + 1}"
