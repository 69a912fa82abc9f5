"""A strategy's parameters as a form: typed fields out, typed values in."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from trading_web import formats

WORDS: Final = {"true": True, "false": False}


class Field(NamedTuple):
    """One parameter: how it is asked for, and what is in force."""

    name: str
    label: str
    hint: str
    kind: str
    value: Any
    default: Any
    least: float | None
    most: float | None


def fields_of(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[Field]:
    """Return a field a parameter, from the JSON schema of the strategy."""
    known: Mapping[str, Any] = schema.get("properties", {})
    fields = []
    for name, value in values.items():
        said: Mapping[str, Any] = known.get(name, {})
        fields.append(
            Field(
                name=name,
                label=formats.words(name),
                hint=said.get("description", ""),
                kind=said.get("type") or _kind(value),
                value=value,
                default=said.get("default"),
                least=said.get("minimum", said.get("exclusiveMinimum")),
                most=said.get("maximum", said.get("exclusiveMaximum")),
            )
        )
    return fields


def values_of(
    fields: list[Field], form: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Return what a form says and what is wrong with it; the service judges bounds."""
    values: dict[str, Any] = {}
    faults = []
    for field in fields:
        text = form.get(field.name)
        if text is None:
            continue
        try:
            values[field.name] = _typed(field.kind, text.strip())
        except (ValueError, KeyError):
            faults.append(f"{field.label}: {text!r} is not a {field.kind}.")
    return values, faults


def _typed(kind: str, text: str) -> Any:
    if kind == "integer":
        return int(text)
    if kind == "number":
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    return WORDS[text] if kind == "boolean" else text


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"
