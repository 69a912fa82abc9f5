"""How results are written: a table for people, tabs for pipes, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Console
from rich.table import Table

from trading_system.cli import manner

NEW_YORK = ZoneInfo("America/New_York")

Row = Mapping[str, Any]


def show_rows(rows: Sequence[Row], *, document: Any = None) -> None:
    """Write rows that all have the same keys; `document` is what JSON shows instead.

    People read New York's time, programs UTC.
    """
    if is_json():
        show_document(list(rows) if document is None else document)
    elif sys.stdout.isatty():
        _table(rows)
    else:
        for row in _lines(rows, _for_programs):
            sys.stdout.write("\t".join(row) + "\n")


def show_views(views: Sequence[BaseModel], columns: Sequence[str]) -> None:
    """Write some columns of what a service answered; JSON has them all."""
    rows = [{name: getattr(view, name) for name in columns} for view in views]
    if is_json() or rows or not sys.stdout.isatty():
        show_rows(rows, document=list(views))
    else:
        sys.stdout.write("None.\n")


def show_text(text: str, **document: Any) -> None:
    """Write a text, or what JSON shows instead."""
    if is_json():
        show_document(document)
    else:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def is_json() -> bool:
    """Say whether a program reads the result as JSON."""
    asked = manner.current()
    return asked.json or asked.ndjson


def show_document(document: Any) -> None:
    """Write JSON with the keys and the spelling of the services.

    It is one document, or each of a list on a line of its own.
    """
    plain = to_jsonable_python(document)
    if not manner.current().ndjson:
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
    else:
        for each in plain if isinstance(plain, list) else [plain]:
            sys.stdout.write(json.dumps(each) + "\n")
    sys.stdout.flush()


def _table(rows: Sequence[Row]) -> None:
    header, *body = _lines(rows, _for_people) or [[]]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for place, name in enumerate(header):
        numeric = all(isinstance(row[name], int | float | Decimal) for row in rows)
        table.add_column(
            name.replace("_", " "),
            justify="right" if numeric else "left",
            no_wrap=place == 0,
        )
    for row in body:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console().print(table)


def _lines(rows: Sequence[Row], cell: Any) -> list[list[str]]:
    if not rows:
        return []
    header = list(rows[0])
    return [header, *([cell(row.get(name)) for name in header] for row in rows)]


def _for_people(value: Any) -> str:
    if isinstance(value, datetime):
        in_utc = manner.current().utc
        zone, name = (UTC, "UTC") if in_utc else (NEW_YORK, "ET")
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S} {name}"
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return "–" if value is None else str(value)


def _for_programs(value: Any) -> str:
    if value is None:
        return ""
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return " ".join(text.split())
