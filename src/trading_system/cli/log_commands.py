"""What the processes write on their consoles."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from trading_system.cli import installation, manner
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import is_json, show_document
from trading_system.errors import Invalid, NotFound

CONSOLE = ".console.log"
# Enough for the last lines, however large the file.
TAIL = 1_000_000


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.command()(logs)


def logs(
    service: Annotated[
        str | None, typer.Argument(help="One process; without it, all of them.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Last lines of each to show.")
    ] = 20,
    data_dir: DataDir = None,
) -> None:
    """Show what the processes write.

    Example: `trading logs -f execution`.
    """
    if follow and manner.current().json:
        raise Invalid("What goes on is not one document.", remedy="Use --ndjson.")
    where = installation.place(data_dir).logs
    files = sorted(where.glob(f"{service or '*'}{CONSOLE}"))
    if not files:
        known = [name_of(file) for file in sorted(where.glob(f"*{CONSOLE}"))]
        raise NotFound(
            f"There are no logs of {service or 'anything'} in {where}.",
            remedy=f"There are some of: {', '.join(known)}." if known else None,
        )
    opened = {name_of(file): file.open("rb") for file in files}
    try:
        _show({name: last_lines(file, lines) for name, file in opened.items()})
        while follow:
            new = {name: _new_lines(file) for name, file in opened.items()}
            if any(new.values()):
                _show(new)
            else:
                time.sleep(0.2)
    finally:
        for file in opened.values():
            file.close()


def name_of(file: Path) -> str:
    """Return the process whose console log a file is."""
    return file.name.removesuffix(CONSOLE)


def last_lines(file: BinaryIO, count: int) -> list[bytes]:
    """Return the last lines of a file, and leave it at its end."""
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL))
    found = file.read().splitlines()
    return found[-count:] if count else []


def _new_lines(file: BinaryIO) -> list[bytes]:
    position = file.tell()
    # The supervisor may have cut the beginning off.
    file.seek(min(position, file.seek(0, 2)))
    return file.read().splitlines()


def _show(written: Mapping[str, list[bytes]]) -> None:
    entries = [
        {"process": name, "line": line.decode(errors="replace")}
        for name, lines in written.items()
        for line in lines
    ]
    if is_json():
        show_document(entries)
        return
    for entry in entries:
        name = f"{entry['process']:<13} " if len(written) > 1 else ""
        sys.stdout.write(f"{name}{entry['line']}\n")
    sys.stdout.flush()
