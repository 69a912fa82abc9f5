"""Addresses as people write them, checked and brought into one spelling."""

import ipaddress
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator


def web_address(value: str) -> str:
    """Return an HTTP address without a slash at its end."""
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("must be an address like http://127.0.0.1:8000")
    return value.rstrip("/")


def prefect_address(value: str) -> str:
    """Return the server's address without the `/api` that Prefect's own tools add."""
    return web_address(value).removesuffix("/api").rstrip("/")


def encrypted_postgres(value: str) -> str:
    """Return the URL as SQLAlchemy spells it, encrypted where it leaves the machine."""
    if not value:
        return value
    scheme, separator, rest = value.partition("://")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg2"):
        raise ValueError("must begin with postgresql://")
    value = "postgresql" + separator + rest
    parts = urlsplit(value)
    options = parse_qs(parts.query)
    host = parts.hostname or next(iter(options.get("host", [])), "")
    if is_here(host):
        return value
    mode = next(iter(options.get("sslmode", [])), None)
    if mode is None:
        return value + ("&" if parts.query else "?") + "sslmode=require"
    if mode not in ("require", "verify-ca", "verify-full"):
        raise ValueError(
            f"sslmode={mode} may send data to {host} unencrypted: write sslmode=require"
        )
    return value


def encrypted_redis(value: str) -> str:
    """Refuse a connection that would leave the machine unencrypted."""
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError("must begin with redis:// or rediss://")
    if parts.scheme == "redis" and not is_here(parts.hostname or ""):
        raise ValueError(
            f"would send data to {parts.hostname} unencrypted: write rediss://"
        )
    return value


def is_here(host: str) -> bool:
    """Say whether a host is this machine: loopback, or a socket in a folder."""
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


WebAddress = Annotated[str, AfterValidator(web_address)]
PrefectAddress = Annotated[str, AfterValidator(prefect_address)]
PostgresAddress = Annotated[str, AfterValidator(encrypted_postgres)]
RedisAddress = Annotated[str, AfterValidator(encrypted_redis)]
