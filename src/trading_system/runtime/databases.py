"""Databases and roles on a PostgreSQL server, ours or the user's own."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL

from trading_system.runtime.ports import SERVICES

OWNER = "trading_owner"
PREFECT_ROLE = "trading_prefect"


def role_of(service: str) -> str:
    """Return the name of a service's login role."""
    return f"trading_{service}"


SERVICE_ROLES = tuple(role_of(service) for service in SERVICES)


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """Open a connection in which every statement commits by itself."""
    connection = psycopg2.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False),
        connect_timeout=10,
        application_name="trading up",
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def ensure_owner(superuser: URL, password: str) -> None:
    """Create the owner of our databases, who may make databases and roles."""
    with connected(superuser) as connection, connection.cursor() as cursor:
        _ensure_role(cursor, OWNER, password)
        cursor.execute(
            sql.SQL("alter role {} createdb createrole").format(sql.Identifier(OWNER))
        )


def ensure_roles(owner: URL, passwords: Mapping[str, str]) -> None:
    """Create each login role of a service, or give it the password it should have."""
    with connected(owner) as connection, connection.cursor() as cursor:
        for role, password in passwords.items():
            _ensure_role(cursor, role, password)


def ensure_database(owner: URL, name: str, role: str | None = None) -> None:
    """Create a database, owned by a role or by the one who asks."""
    with connected(owner) as connection, connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if cursor.fetchone() is not None:
            return
        statement = sql.SQL("create database {}").format(sql.Identifier(name))
        if role is not None:
            # A database can only be given to a role that the giver is a member of.
            cursor.execute(
                sql.SQL("grant {} to current_user").format(sql.Identifier(role))
            )
            statement += sql.SQL(" owner {}").format(sql.Identifier(role))
        cursor.execute(statement)


def admit_roles(database: URL, roles: Iterable[str]) -> None:
    """Let the roles connect to a database, and nobody make tables in `public`."""
    with connected(database) as connection, connection.cursor() as cursor:
        name = sql.Identifier(str(database.database))
        cursor.execute(sql.SQL("revoke all on database {} from public").format(name))
        cursor.execute("revoke all on schema public from public")
        for role in roles:
            cursor.execute(
                sql.SQL("grant connect on database {} to {}").format(
                    name, sql.Identifier(role)
                )
            )


def _ensure_role(
    cursor: "psycopg2.extensions.cursor", role: str, password: str
) -> None:
    cursor.execute("select 1 from pg_roles where rolname = %s", (role,))
    verb = "create" if cursor.fetchone() is None else "alter"
    cursor.execute(
        sql.SQL(verb + " role {} login password {}").format(
            sql.Identifier(role), sql.Literal(password)
        )
    )
