"""Passwords and tokens of one installation, in `secrets.json` of its data directory."""

import hashlib
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from trading_system.runtime.data_directory import write_whole
from trading_system.runtime.databases import OWNER, PREFECT_ROLE, role_of
from trading_system.runtime.faults import WrongConfiguration
from trading_system.runtime.ports import SERVICES

READ = ("read",)
EVERYTHING = ("read", "trade", "risk", "admin")

# Each kind of caller has a token of its own, so that a log says who asked.
SCOPES_OF_CALLERS: dict[str, tuple[str, ...]] = {
    "gateway": EVERYTHING,
    "cli": EVERYTHING,
    "flows": ("read", "trade", "risk"),
    "conductor": ("read", "trade", "risk"),
    **dict.fromkeys(SERVICES, READ),
}


def _random() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(32))


def _role_passwords() -> dict[str, SecretStr]:
    roles = [OWNER, PREFECT_ROLE, *map(role_of, SERVICES)]
    return {role: _random() for role in roles}


def _tokens() -> dict[str, SecretStr]:
    return {caller: _random() for caller in SCOPES_OF_CALLERS}


class Secrets(BaseModel):
    """Everything that must stay secret and is made by us, not given to us."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    postgres: SecretStr = Field(default_factory=_random)
    roles: dict[str, SecretStr] = Field(default_factory=_role_passwords)
    valkey: SecretStr = Field(default_factory=_random)
    prefect: SecretStr = Field(default_factory=_random)
    tokens: dict[str, SecretStr] = Field(default_factory=_tokens)
    exchange_key: SecretStr = Field(default_factory=_random)
    exchange_secret: SecretStr = Field(default_factory=_random)
    exchange_control: SecretStr = Field(default_factory=_random)
    session: SecretStr = Field(default_factory=_random)
    salt: SecretStr = Field(default_factory=_random)

    @classmethod
    def open(cls, file: Path) -> Self:
        """Read the secrets, making those that are not there yet."""
        known = _read(file) if file.exists() else {}
        try:
            found = cls.model_validate(known)
        except ValidationError as error:
            raise _unreadable(file) from error
        complete = found.model_copy(
            update={
                "roles": _role_passwords() | found.roles,
                "tokens": _tokens() | found.tokens,
            }
        )
        text = json.dumps(_revealed(complete), indent=2)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            write_whole(file, text)
        return complete

    @property
    def prefect_auth(self) -> str:
        """What Prefect calls its auth string: user and password."""
        return f"admin:{self.prefect.get_secret_value()}"

    def role_password(self, role: str) -> str:
        """Return the password of a database role."""
        return self.roles[role].get_secret_value()

    def token(self, caller: str) -> str:
        """Return the bearer token of a caller."""
        return self.tokens[caller].get_secret_value()

    def token_hashes(self) -> str:
        """Return what a service needs to know callers by: hashes, never tokens."""
        return json.dumps(
            {
                hashlib.sha256(self.token(caller).encode()).hexdigest(): {
                    "caller": caller,
                    "scopes": list(scopes),
                }
                for caller, scopes in SCOPES_OF_CALLERS.items()
            }
        )


def _read(file: Path) -> object:
    if sys.platform != "win32" and file.stat().st_mode & 0o077:
        os.chmod(file, 0o600)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unreadable(file) from error


def _unreadable(file: Path) -> WrongConfiguration:
    return WrongConfiguration(
        f"{file} is damaged.",
        remedy="Restore it from a backup: without it the databases cannot be opened.",
    )


def _revealed(model: Secrets) -> dict[str, object]:
    def reveal(value: object) -> object:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        if isinstance(value, dict):
            return {key: reveal(part) for key, part in value.items()}
        return value

    return {name: reveal(getattr(model, name)) for name in Secrets.model_fields}
