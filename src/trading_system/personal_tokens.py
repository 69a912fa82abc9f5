"""Tokens that a person made for a program of their own: hashes, and what they may do.

They stand in a file of the data directory, which each service reads when it is shown
one: what is made or revoked holds at once.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from trading_system.errors import Misconfigured

READ, TRADE, RISK, ADMIN = "read", "trade", "risk", "admin"
SCOPES = (READ, TRADE, RISK, ADMIN)


class PersonalToken(BaseModel):
    """One token: never itself, only its hash."""

    model_config = ConfigDict(frozen=True)

    name: str
    hash: str
    scopes: frozenset[str]
    created_at: datetime


_tokens = TypeAdapter(dict[str, PersonalToken])


def new_token() -> str:
    """Return a fresh bearer token."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def file_in(data_dir: Path) -> Path:
    """Return the file in which the tokens of an installation stand."""
    return data_dir / "tokens.json"


def read(file: Path) -> Mapping[str, PersonalToken]:
    """Return the tokens by their names."""
    try:
        return _tokens.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise Misconfigured(
            f"{file} is damaged.",
            remedy="Restore it, or remove it and make the tokens again.",
        ) from error


def written(tokens: Mapping[str, PersonalToken]) -> str:
    """Return the text of a file of tokens."""
    return json.dumps(_tokens.dump_python(dict(tokens), mode="json"), indent=2)


def of_hash(file: Path, digest: str) -> PersonalToken | None:
    """Return the token that has a hash, if the file knows one."""
    return next((each for each in read(file).values() if each.hash == digest), None)
