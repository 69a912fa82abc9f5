"""Pages that are written from the code: settings, strategies file, events, parameters.

`python -m trading_system.documentation` in a checkout; a test compares.
"""

import json
import re
from importlib import import_module
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Any

from pydantic.fields import FieldInfo

from trading_core.strategy import Parameters
from trading_system import plugins
from trading_system.config.settings import Settings
from trading_system.config.strategies import RiskLimits, StrategyBlock
from trading_system.event import Event
from trading_system.vocabulary import ServiceName

_HEAD = """\
# Copy this file to .env and take away the `#` before what you change.
# Written by `python -m trading_system.documentation`: change the settings, not this.
"""

_PAGE = """\
# Configuration

The environment says *where* things are; `config/strategies.yaml` says *what* runs.

Settings are environment variables. They can also stand in a file `.env` in the
directory where `trading` is started (`TRADING_ENV_FILE` names another file); the
environment goes before the file. A name that looks like one of these and is none is an
error, with the name that was probably meant. `.env.example` lists them all with their
defaults.

`trading up` needs none of them.
"""

_STRATEGIES = """\
## config/strategies.yaml

A list `strategies` with a block for each. A misspelt word in it is an error that names
the line. `STRATEGIES_FILE` names another file.

```yaml
{example}```
"""

_EVENTS = """\
# Events

A service tells what became true, in the transaction that makes it true. Events are kept
in `shared.events` in the order of their commits; a service handles each exactly once.
The dashboard follows all of them.

The fields of each stand in `src/trading_system/contracts`, a module per speaker.
"""

_BEGIN, _END = "<!-- parameters -->", "<!-- end of parameters -->"

_BETWEEN = """\
`trading up` gives these to the processes it starts, each its own. They belong into no
file.
"""


def env_example() -> str:
    """Return the text of `.env.example`."""
    parts = [_HEAD]
    for group, fields in _groups():
        if group == "Between processes":
            continue
        parts.append(f"# {group} {'-' * (76 - len(group))}\n")
        for name, field in fields:
            words = fill(_plain(field), 86, initial_indent="# ", subsequent_indent="# ")
            parts.append(f"{words}\n#{name.upper()}={_example(field)}\n")
    return "\n".join(parts)


def configuration_page(strategies_file: Path) -> str:
    """Return the text of `docs/configuration.md`."""
    parts = [_PAGE]
    for group, fields in _groups():
        parts.append(f"## {group}\n")
        if group == "Between processes":
            parts.append(_BETWEEN)
        for name, field in fields:
            default = _example(field)
            said = f"Default: `{default}`." if default else "No default."
            # A default that is worked out is told by the description.
            if "Default:" in (field.description or ""):
                said = ""
            parts.append(f"### {name.upper()}\n")
            parts.append(f"{field.description} {said}".strip() + "\n")
    example = strategies_file.read_text(encoding="utf-8")
    parts.append(_STRATEGIES.format(example=example))
    parts.append(_table("Word of a block", StrategyBlock.model_fields))
    parts.append(_table("Word of `risk_limits`", RiskLimits.model_fields))
    return "\n".join(parts)


def events_page(root: Path) -> str:
    """Return the text of `docs/events.md`: who says what, and who hears it."""
    hearers = _hearers(root)
    parts = [_EVENTS]
    for service in ServiceName:
        parts.append(f"## {service.capitalize()}\n")
        rows = ["| Event | Says | Heard by |", "|---|---|---|"]
        for event in _events(service):
            says = " ".join((event.__doc__ or "").split("\n\n")[0].split())
            heard = ", ".join(hearers.get(event.__name__, [])) or "no service"
            rows.append(f"| `{event.topic}` | {says} | {heard} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def strategy_pages(folder: Path) -> dict[Path, str]:
    """Return the pages of the bundled strategies, with the parameters of each.

    The table stands between two marks; the rest of a page is its author's. The page of
    all strategies has the parameters that each of them takes.
    """
    shared = Parameters.model_fields
    found = {folder.with_suffix(".md"): dict(shared)}
    for plugin in plugins.discover().found.values():
        fields = plugin.strategy.parameters_type.model_fields
        found[folder / f"{plugin.path.stem}.md"] = {
            name: field
            for name, field in fields.items()
            if name not in shared or field.default != shared[name].default
        }
    return {path: _with_parameters(path, fields) for path, fields in found.items()}


def _with_parameters(path: Path, fields: dict[str, FieldInfo]) -> str:
    before, _, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    table = _table("Parameter", fields) if fields else "It has none of its own.\n"
    return f"{before}{_BEGIN}\n\n{table}\n{_END}{after}"


def pages(root: Path) -> dict[Path, str]:
    """Return every file that is written from the code, with its text."""
    return strategy_pages(root / "docs" / "strategies") | {
        root / ".env.example": env_example(),
        root
        / "docs"
        / "configuration.md": configuration_page(root / "config" / "strategies.yaml"),
        root / "docs" / "events.md": events_page(root),
    }


def _events(service: str) -> list[type[Event]]:
    contract = import_module(f"trading_system.contracts.{service}")
    return [
        thing
        for thing in vars(contract).values()
        if isinstance(thing, type)
        and issubclass(thing, Event)
        and thing.__module__ == contract.__name__
        and getattr(thing, "topic", None)
    ]


def _hearers(root: Path) -> dict[str, list[str]]:
    """Read from the handlers which services hear an event; nothing is imported."""
    heard: dict[str, list[str]] = {}
    for service in ServiceName:
        handlers = root / "services" / f"trading_{service}" / "handlers.py"
        if handlers.is_file():
            text = handlers.read_text(encoding="utf-8")
            for event in re.findall(r"^\s*@on(?:\.many)?\((\w+)\)", text, re.M):
                heard.setdefault(event, []).append(service)
    return heard


def _groups() -> list[tuple[str, list[tuple[str, FieldInfo]]]]:
    fields = Settings.model_fields.items()
    return [
        (group, list(members))
        for group, members in groupby(fields, lambda item: _group(item[1]))
    ]


def _group(field: FieldInfo) -> str:
    extra: Any = field.json_schema_extra
    return str(extra["group"])


def _plain(field: FieldInfo) -> str:
    return (field.description or "").replace("`", "")


def _example(field: FieldInfo) -> str:
    """Return a default as it is written in the environment; empty when worked out."""
    if field.default_factory is dict:
        return "{}"
    if field.default_factory is not None or not isinstance(field.default, str | int):
        return ""
    return str(getattr(field.default, "value", field.default))


def _table(head: str, fields: dict[str, FieldInfo]) -> str:
    rows = [
        f"| `{name}` | {field.description} | {_default_in_yaml(field)} |"
        for name, field in fields.items()
    ]
    return "\n".join(
        [f"| {head} | What it says | Default |", "|---|---|---|", *rows, ""]
    )


def _default_in_yaml(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    if field.default_factory is not None or field.default is None:
        return "none"
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    for path, text in pages(Path(__file__).resolve().parents[2]).items():
        path.write_text(text, encoding="utf-8", newline="\n")
