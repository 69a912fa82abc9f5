"""What the processes write on their consoles."""

import sys
import time
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from trading_system.cli import installation
from trading_system.cli.installation import DataDir
from trading_system.errors import NotFound

CONSOLE = ".console.log"
# Enough for the last lines, however large the file.
TAIL = 1_000_000


def add_to(app: typer.Typer) -> None:
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
    where = installation.place(data_dir).logs
    files = sorted(where.glob(f"{service or '*'}{CONSOLE}"))
    if not files:
        known = [name_of(file) for file in sorted(where.glob(f"*{CONSOLE}"))]
        raise NotFound(
            f"There are no logs of {service or 'anything'} in {where}.",
            remedy=f"There are some of: {', '.join(known)}." if known else None,
        )
    named = len(files) > 1
    opened = [(name_of(file) if named else "", file.open("rb")) for file in files]
    try:
        for name, file in opened:
            for line in last_lines(file, lines):
                _write(name, line)
        while follow:
            if not any([_copy_new(name, file) for name, file in opened]):
                time.sleep(0.2)
    finally:
        for _, file in opened:
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


def _copy_new(name: str, file: BinaryIO) -> bool:
    position = file.tell()
    # The supervisor may have cut the beginning off.
    file.seek(min(position, file.seek(0, 2)))
    new = file.read().splitlines()
    for line in new:
        _write(name, line)
    return bool(new)


def _write(name: str, line: bytes) -> None:
    text = line.decode(errors="replace")
    sys.stdout.write(f"{name:<13} {text}\n" if name else f"{text}\n")
    sys.stdout.flush()
