"""How results are written: a table for people, tabs for pipes, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Console
from rich.table import Table

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Write one JSON document.", show_default=False)
]

NEW_YORK = ZoneInfo("America/New_York")

Row = Mapping[str, Any]


def show_rows(rows: Sequence[Row], *, as_json: bool, document: Any = None) -> None:
    """Write rows that all have the same keys; `document` is what JSON shows instead.

    People read New York's time, programs UTC.
    """
    if as_json:
        show_document(list(rows) if document is None else document)
    elif sys.stdout.isatty():
        _table(rows)
    else:
        for row in _lines(rows, _for_programs):
            sys.stdout.write("\t".join(row) + "\n")


def show_views(
    views: Sequence[BaseModel], columns: Sequence[str], *, as_json: bool
) -> None:
    """Write some columns of what a service answered; JSON has them all."""
    rows = [{name: getattr(view, name) for name in columns} for view in views]
    if as_json or rows or not sys.stdout.isatty():
        show_rows(rows, as_json=as_json, document=list(views))
    else:
        sys.stdout.write("None.\n")


def show_document(document: Any) -> None:
    """Write one JSON document, with the keys and the spelling of the services."""
    sys.stdout.write(json.dumps(to_jsonable_python(document), indent=2) + "\n")


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
        return f"{value.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} ET"
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
