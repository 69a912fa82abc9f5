"""How results are written: a table for people, tabs for pipes, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Write one JSON document.", show_default=False)
]


def show_rows(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool, document: Any = None
) -> None:
    """Write rows that all have the same keys; `document` is what JSON shows instead."""
    if as_json:
        show_document(list(rows) if document is None else document)
    elif sys.stdout.isatty():
        _table(rows)
    else:
        for row in _lines(rows):
            sys.stdout.write("\t".join(row) + "\n")


def show_document(document: Any) -> None:
    """Write one JSON document; money stays text."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def _table(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    header, *body = _lines(rows) or [[]]
    for name in header:
        numeric = bool(body) and all(
            _is_number(row[header.index(name)]) for row in body
        )
        table.add_column(name, justify="right" if numeric else "left")
    for row in body:
        table.add_row(*row)
    Console().print(table, markup=False)


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    if not rows:
        return []
    header = list(rows[0])
    return [header, *([_text(row.get(name)) for name in header] for row in rows)]


def _text(value: Any) -> str:
    return "" if value is None else str(value).replace("\t", " ").replace("\n", " ")


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return not text
    return True
