"""What the broker's answers must look like, and what a change of them stops."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

ENTRIES = "entries"
RECONCILIATION = "reconciliation"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is read of one endpoint's answers, and what cannot go on without it.

    `fields` names the kind of each field that is read; a `?` lets it be absent or null.
    Whatever else an answer holds is nobody's business. Cancellations need no answer's
    content, so that nothing stops them.
    """

    name: str
    path: str
    fields: Mapping[str, str]
    stops: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    many: bool = False
    status: int = 200


@dataclass(frozen=True, slots=True)
class Examined:
    """One endpoint's answer against its shape; no faults when it is as it was."""

    shape: Shape
    faults: tuple[str, ...]


def faults_of(shape: Shape, body: Any) -> tuple[str, ...]:
    """Return what an answer lacks or has otherwise than its shape, each once."""
    rows = body if shape.many else [body]
    if not isinstance(rows, list):
        return (f"a list is expected, not {_kind(body)}",)
    found: dict[str, None] = {}
    for row in rows:
        if not isinstance(row, dict):
            return (f"an object is expected, not {_kind(row)}",)
        for name, kind in shape.fields.items():
            if fault := _fault(row, name, kind):
                found[fault] = None
    return tuple(found)


def _fault(row: Mapping[str, Any], name: str, kind: str) -> str | None:
    wanted, optional = kind.removesuffix("?"), kind.endswith("?")
    value = row.get(name)
    if value is None:
        return None if optional else f"{name} is missing"
    if _IS[wanted](value) or (optional and value == ""):
        return None
    return f"{name} is {_kind(value)}, not {wanted}"


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return False
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _is_instant(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value).tzinfo)
    except ValueError:
        return False


_IS: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str) and bool(value),
    "number": _is_number,
    "instant": _is_instant,
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return names.get(type(value), "nothing" if value is None else "a number")
