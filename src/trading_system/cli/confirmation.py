"""Questions before something is done that cannot be undone."""

import sys
from typing import Annotated

import typer

from trading_system.errors import Invalid

Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask.", show_default=False)
]


def require(question: str, yes: bool) -> None:
    """Ask; without a terminal only `--yes` will do."""
    if not yes and not typer.confirm(_with_terminal(question), err=True):
        raise Invalid("Nothing was done.")


def require_word(word: str, yes: bool) -> None:
    """Have a word typed, for what increases risk."""
    if yes:
        return
    typed = typer.prompt(_with_terminal(f"Type {word} to go on"), err=True)
    if typed.strip().lower() != word:
        raise Invalid("Nothing was done.")


def _with_terminal(question: str) -> str:
    if not sys.stdin.isatty():
        raise Invalid(
            "This asks before it acts, and there is no terminal to ask at.",
            remedy="Add --yes.",
        )
    return question
