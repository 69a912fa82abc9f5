"""Commands about tokens with which programs of one's own ask the services."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from trading_system import personal_tokens
from trading_system.cli import installation, manner
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer
from trading_system.cli.output import is_json, show_document, show_rows, show_text
from trading_system.clock import utc_now
from trading_system.errors import Conflict, Invalid, NotFound
from trading_system.personal_tokens import PersonalToken
from trading_system.runtime.data_directory import write_whole

token = Typer(help="Tokens for programs of your own that ask the services.")


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Scope(StrEnum):
    """What a token may do."""

    READ = personal_tokens.READ
    TRADE = personal_tokens.TRADE
    RISK = personal_tokens.RISK
    ADMIN = personal_tokens.ADMIN


Name = Annotated[str, typer.Argument(help="What it is called, here and in logs.")]


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(token, name="token", no_args_is_help=True)


@token.command("create")
def create(
    name: Name,
    scope: Annotated[
        list[Scope], typer.Option(help="What it may do; may be repeated.")
    ] = [
        Scope.READ
    ],  # noqa: B006 - typer copies it
    data_dir: DataDir = None,
) -> None:
    """Make a token and show it, this once. The services accept it from now on.

    Example: `trading token create notebook --scope read --scope trade`.
    """
    if not NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is no name for a token.",
            remedy="Use letters, digits, dots, dashes and underscores, 64 at the most.",
        )
    file = _file(data_dir)
    known = personal_tokens.read(file)
    if name in known:
        raise Conflict(
            f"There is a token {name} already.",
            remedy=f"Choose another name, or `trading token revoke {name}` first.",
        )
    secret = personal_tokens.new_token()
    made = PersonalToken(
        name=name,
        hash=personal_tokens.token_hash(secret),
        # Whoever may change something may look at it.
        scopes=frozenset({str(Scope.READ), *map(str, scope)}),
        created_at=utc_now(),
    )
    write_whole(file, personal_tokens.written({**known, name: made}))
    show_text(secret, token=secret, **_row(made))
    manner.say("It is not shown again: only its hash is kept.")


@token.command("list")
def list_tokens(data_dir: DataDir = None) -> None:
    """Show which tokens there are, and what they may do.

    Example: `trading token list`.
    """
    known = personal_tokens.read(_file(data_dir))
    show_rows([_row(known[name]) for name in sorted(known)])


@token.command("revoke")
def revoke(name: Name, data_dir: DataDir = None) -> None:
    """Make a token worthless at once.

    Example: `trading token revoke notebook`.
    """
    file = _file(data_dir)
    left = dict(personal_tokens.read(file))
    if left.pop(name, None) is None:
        raise NotFound(
            f"There is no token {name}.", remedy="`trading token list` shows them."
        )
    write_whole(file, personal_tokens.written(left))
    manner.say(f"{name} is revoked")
    if is_json():
        show_document({"name": name, "state": "revoked"})


def _file(data_dir: Path | None) -> Path:
    place = installation.place(data_dir)
    place.create()
    return personal_tokens.file_in(place.root)


def _row(found: PersonalToken) -> dict[str, Any]:
    return {
        "name": found.name,
        "scopes": " ".join(s for s in personal_tokens.SCOPES if s in found.scopes),
        "created_at": found.created_at,
    }
