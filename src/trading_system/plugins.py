"""Finds strategies: packages named by entry points, and folders of the user's own.

A file is a strategy's registration. Each is read, checked for purity, hashed and
imported by itself, so that one bad file takes no other with it. This is no sandbox: a
plugin is its user's code. The check catches what would make a decision depend on more
than the bars: a clock, the network, a file, chance.
"""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, new_class
from typing import Any, NamedTuple

from trading_core.model import Fitted, Model
from trading_core.strategy import (
    Strategy,
    StrategyError,
    source_hash,
    strategies_in,
)
from trading_system.config.settings import Settings

GROUP = "trading_system.strategies"
BUNDLED = "trading_strategy.strategies"
"""Walked even in a checkout that was never installed and so has no entry points."""

MAY_IMPORT = frozenset(
    "__future__ abc bisect cmath collections dataclasses datetime decimal enum"
    " fractions functools heapq itertools math numba numpy operator polars polars_talib"
    " pydantic re statistics string trading_core types typing".split()
)
MAY_NOT_CALL = frozenset(
    "__import__ breakpoint compile eval exec input open print".split()
)
MAY_NOT_USE = frozenset("now utcnow today random environ".split())
FILE_VERBS = ("read_", "scan_", "sink_", "write_")

MODEL_SUFFIX = ".model.json"
"""How the file of a fitted model ends; it stands in a folder of strategies."""


class Impurity(NamedTuple):
    """A line of a strategy that reaches for more than the bars."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Plugin:
    """A strategy, the file it stands in and the hash of that file."""

    strategy: type[Strategy[Any]]
    path: Path
    source_hash: str
    """The hash of the file's text, and of the models that its strategy may ask."""

    @property
    def name(self) -> str:
        """The name that `strategies.yaml` uses."""
        return self.strategy.name

    @property
    def description(self) -> str:
        """The first line of what its author says about it."""
        return (self.strategy.__doc__ or "").strip().partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that could not be taken, and why."""

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Plugins:
    """Every strategy that was found, by name, and the files that had to be left."""

    found: dict[str, Plugin]
    faults: tuple[Fault, ...]


def load(settings: Settings) -> dict[str, type[Strategy[Any]]]:
    """Return every strategy by name; files that cannot be taken are left out."""
    return {
        name: plugin.strategy
        for name, plugin in discover(settings.strategy_dirs).found.items()
    }


def discover(directories: Sequence[Path] = ()) -> Plugins:
    """Return the strategies of all packages and directories, and what went wrong."""
    found: dict[str, Plugin] = {}
    faults: list[Fault] = []
    models = _models(directories, faults)
    for source in (*_in_packages(faults), *_in_directories(directories, faults)):
        try:
            plugins = source.plugins()
        except _Unusable as error:
            faults.append(Fault(source.path, str(error)))
            continue
        for each in plugins:
            plugin = _with_models(each, models.get(each.name, {}))
            if plugin.name in found:
                first = found[plugin.name].path
                problem = (
                    f"{plugin.name} is defined in {first} already; that one counts."
                )
                faults.append(Fault(plugin.path, problem))
            else:
                found[plugin.name] = plugin
    return Plugins(found, tuple(faults))


Fingerprint = tuple[tuple[str, int, int], ...]
"""Path, time of change and size of each file."""


def fingerprint(directories: Sequence[Path] = (), *others: Path) -> Fingerprint:
    """Return what tells whether a strategy, a model or another file has changed."""
    paths = list(others)
    for folder in (*_folders_of_packages(), *directories):
        paths += [*_files(folder), *sorted(folder.glob(f"*{MODEL_SUFFIX}"))]
    return tuple(_mark(path) for path in paths)


def models_in(directories: Sequence[Path]) -> tuple[dict[Path, Model], list[Fault]]:
    """Return the fitted models of folders by their files, and what went wrong."""
    found: dict[Path, Model] = {}
    faults: list[Fault] = []
    for directory in directories:
        for path in sorted(directory.glob(f"*{MODEL_SUFFIX}")):
            try:
                found[path] = Model.loaded(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, StrategyError) as error:
                faults.append(Fault(path, str(error)))
    return found, faults


def impurities(source: str) -> list[Impurity]:
    """Return what in a strategy's source is not a function of its bars."""
    found: list[Impurity] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += _imports(node.lineno, [alias.name for alias in names])
            case ast.ImportFrom(module=module, level=level):
                if level:
                    what = "imports a neighbour: a strategy is one file"
                    found.append(Impurity(node.lineno, what))
                else:
                    found += _imports(node.lineno, [module or ""])
            case ast.Call(func=ast.Name(id=name)) if name in MAY_NOT_CALL:
                found.append(Impurity(node.lineno, f"calls {name}()"))
            case ast.Attribute(attr=name) if name in MAY_NOT_USE:
                what = (
                    f"uses .{name}: the bars say what time it is, and nothing is drawn"
                )
                found.append(Impurity(node.lineno, what))
            case ast.Call(func=ast.Attribute(attr=name)) if name.startswith(FILE_VERBS):
                found.append(Impurity(node.lineno, f"calls .{name}(): no files"))
    return sorted(found)


class _Unusable(Exception):
    """Why a file gives no strategy."""


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    module: str | None
    """The module's name where a package holds it; a loose file gets one of ours."""

    def plugins(self) -> list[Plugin]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _Unusable(f"cannot be read: {error}.") from error
        try:
            impure = impurities(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = f"line {line}: " if line else ""
            raise _Unusable(f"{where}is not Python: {error}.") from error
        if impure:
            said = "; ".join(f"line {line} {what}" for line, what in impure)
            raise _Unusable(
                f"{said}. A strategy is a function of its bars; it may import "
                f"{', '.join(sorted(MAY_IMPORT - {'__future__'}))}."
            )
        digest = source_hash(text)
        strategies = strategies_in(self._imported(digest))
        if not strategies:
            raise _Unusable(
                "defines no strategy: a class that extends Strategy and has a name, "
                'such as class Mine(Strategy[MyParameters], name="mine").'
            )
        for strategy in strategies:
            _require_parameters(strategy)
        return [Plugin(strategy, self.path, digest) for strategy in strategies]

    def _imported(self, digest: str) -> ModuleType:
        try:
            if self.module is not None:
                module = importlib.import_module(self.module)
                if _IMPORTED.setdefault(self.module, digest) == digest:
                    return module
            # Named after its content: a changed file is another module.
            name = f"trading_plugin_{self.path.stem}_{digest[:12]}"
            return sys.modules.get(name) or _import_file(name, self.path)
        except (
            Exception,
            SystemExit,
        ) as error:  # whatever a user's file does at import
            raise _Unusable(
                f"cannot be imported: {type(error).__name__}: {error}"
            ) from error


_IMPORTED: dict[str, str] = {}
"""The hash that a package's module had when this process imported it."""


def _mark(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:  # it is gone, which is a change as well
        return str(path), 0, -1
    return str(path), status.st_mtime_ns, status.st_size


def _models(
    directories: Sequence[Path], faults: list[Fault]
) -> dict[str, dict[str, Model]]:
    """Return the models by the strategy that asks them, and by their names."""
    found, wrong = models_in(directories)
    faults += wrong
    models: dict[str, dict[str, Model]] = {}
    for path, model in found.items():
        named = models.setdefault(model.strategy, {})
        if model.name in named:
            problem = f"there is a model {model.name} already; that one counts."
            faults.append(Fault(path, problem))
        else:
            named[model.name] = model
    return models


def _with_models(plugin: Plugin, models: Mapping[str, Model]) -> Plugin:
    """Return a plugin whose strategy knows its models, and whose hash covers them."""
    kind = plugin.strategy
    if not models or not issubclass(kind, Fitted):
        return plugin
    knowing: type[Strategy[Any]] = new_class(
        kind.__name__,
        (kind,),
        {"name": kind.name, "version": kind.version},
        lambda namespace: namespace.update(
            models=dict(models), __doc__=kind.__doc__, __module__=kind.__module__
        ),
    )
    hashes = sorted(model.hash for model in models.values())
    digest = source_hash("\n".join([plugin.source_hash, *hashes]))
    return Plugin(knowing, plugin.path, digest)


def _import_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Pydantic looks up annotations in here.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:  # a half-imported module must not stay
        del sys.modules[name]
        raise
    return module


def _require_parameters(strategy: type[Strategy[Any]]) -> None:
    if not hasattr(strategy, "parameters_type"):
        raise _Unusable(
            f"{strategy.__name__} does not say its parameters: "
            "extend Strategy[MyParameters]."
        )


def _in_packages(faults: list[Fault]) -> Iterator[_Source]:
    for package, folders in _packages().items():
        if not folders:
            faults.append(Fault(Path(package), "there is no such package."))
        for folder in folders:
            for path in _files(folder):
                yield _Source(path, f"{package}.{path.stem}")


def _packages() -> dict[str, list[Path]]:
    """Return the packages that hold strategies, and the folders of each."""
    found: dict[str, list[Path]] = {}
    named = (entry.value for entry in entry_points(group=GROUP))
    for package in dict.fromkeys((BUNDLED, *named)):
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            spec = None
        places = spec.submodule_search_locations if spec else None
        found[package] = [Path(place) for place in places or ()]
    return found


@cache
def _folders_of_packages() -> tuple[Path, ...]:
    """Return the folders of packages as they were first found.

    Reading what is installed takes longer than a bar's decisions. What is installed
    while a process runs is taken up with the next file that changes, and watched from
    the next start.
    """
    return tuple(folder for folders in _packages().values() for folder in folders)


def _in_directories(
    directories: Iterable[Path], faults: list[Fault]
) -> Iterator[_Source]:
    for directory in directories:
        if not directory.is_dir():
            faults.append(
                Fault(directory, "is no folder; correct STRATEGY_DIRS or make it.")
            )
            continue
        for path in _files(directory):
            yield _Source(path.resolve(), None)


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.glob("*.py") if not path.name.startswith(("_", "."))
    )


def _imports(line: int, names: Iterable[str]) -> list[Impurity]:
    return [
        Impurity(line, f"imports {name}")
        for name in names
        if name.partition(".")[0] not in MAY_IMPORT
    ]
