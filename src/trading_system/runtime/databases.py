"""Databases and roles on a PostgreSQL server, ours or the user's own."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import encrypt_password

from trading_system.runtime import urls
from trading_system.runtime.faults import DependencyDown, WrongConfiguration
from trading_system.runtime.ports import SERVICES

OWNER = "trading_owner"
PREFECT_ROLE = "trading_prefect"
LEAST_POSTGRES = 15


def role_of(service: str) -> str:
    """Return the name of a service's login role."""
    return f"trading_{service}"


SERVICE_ROLES = tuple(role_of(service) for service in SERVICES)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Open a connection in which every statement commits by itself."""
    connection = psycopg2.connect(
        url, connect_timeout=10, application_name="trading up"
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def can_log_in(url: str) -> bool:
    """Return whether the server behind the URL lets us in."""
    try:
        with connected(url):
            return True
    except psycopg2.OperationalError:
        return False


def ensure_owner(superuser: str, password: str) -> None:
    """Create the owner of our databases, who may make databases and roles."""
    with connected(superuser) as connection, connection.cursor() as cursor:
        _ensure_role(cursor, OWNER, password)
        cursor.execute(
            sql.SQL("alter role {} createdb createrole").format(sql.Identifier(OWNER))
        )


def ensure_roles(owner: str, passwords: Mapping[str, str]) -> None:
    """Create each login role of a service, or give it the password it should have."""
    with connected(owner) as connection, connection.cursor() as cursor:
        for role, password in passwords.items():
            _ensure_role(cursor, role, password)


def ensure_database(owner: str, name: str, role: str | None = None) -> None:
    """Create a database, owned by a role or by the one who asks."""
    with connected(owner) as connection, connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if cursor.fetchone() is not None:
            return
        statement = sql.SQL("create database {} template template0").format(
            sql.Identifier(name)
        )
        if role is not None:
            # A database can only be given to a role that the giver is a member of.
            cursor.execute(
                sql.SQL("grant {} to current_user").format(sql.Identifier(role))
            )
            statement += sql.SQL(" owner {}").format(sql.Identifier(role))
        cursor.execute(statement)


def drop_database(owner: str, name: str, patience: float = 30.0) -> None:
    """Remove a database and whoever is connected to it, if it is there."""
    statement = sql.SQL("drop database if exists {} with (force)")
    deadline = time.monotonic() + patience
    with connected(owner) as connection, connection.cursor() as cursor:
        while True:
            try:
                cursor.execute(statement.format(sql.Identifier(name)))
                return
            except psycopg2.errors.InsufficientPrivilege:
                # The server's own vacuum is in it, which only a superuser may end.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def admit_roles(database: str, roles: Iterable[str]) -> None:
    """Let the roles connect to a database, and nobody make tables in `public`."""
    with connected(database) as connection, connection.cursor() as cursor:
        name = sql.Identifier(urls.database_of(database))
        cursor.execute(sql.SQL("revoke all on database {} from public").format(name))
        cursor.execute("revoke all on schema public from public")
        for role in roles:
            cursor.execute(
                sql.SQL("grant connect on database {} to {}").format(
                    name, sql.Identifier(role)
                )
            )


def require_server(url: str) -> None:
    """Refuse a server that does not answer, does not know us, or is too old.

    A database that is not there yet is no reason to refuse: it can be made.
    """
    try:
        with connected(url) as connection:
            version = connection.server_version // 10000
    except psycopg2.OperationalError as error:
        said = str(error).strip().splitlines()[-1].strip()
        if f'database "{urls.database_of(url)}" does not exist' in said:
            return
        raise DependencyDown(
            f"PostgreSQL does not answer at {urls.shown(url)}: {said}.",
            remedy="Check POSTGRES_URL and that the server runs, or remove that "
            "setting to use the built-in server.",
        ) from error
    if version < LEAST_POSTGRES:
        raise WrongConfiguration(
            f"The server at {urls.shown(url)} is PostgreSQL {version}.",
            remedy=f"PostgreSQL {LEAST_POSTGRES} or newer is needed.",
        )


def ensure_named_database(url: str) -> None:
    """Create the database that a URL names when its owner may, else say how."""
    name = urls.database_of(url)
    if can_log_in(url):
        return
    try:
        ensure_database(urls.with_database(url, "postgres"), name)
    except psycopg2.Error as error:
        raise WrongConfiguration(
            f"The database {name} does not exist at {urls.shown(url)}, and its role "
            "may not create it.",
            remedy=f"Create it as an administrator: createdb {name}.",
        ) from error


def may_create_roles(owner: str) -> bool:
    """Return whether the role behind the URL may create roles."""
    with connected(owner) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select rolcreaterole or rolsuper from pg_roles"
            " where rolname = current_user"
        )
        row = cursor.fetchone()
        return bool(row and row[0])


def roles_script(owner: str, passwords: Mapping[str, str]) -> str:
    """Return the SQL with which an administrator makes the roles.

    It holds SCRAM verifiers and no passwords.
    """
    lines = []
    name = urls.database_of(owner)
    with connected(owner) as connection:
        for role, password in passwords.items():
            verifier = encrypt_password(password, role, connection, "scram-sha-256")
            lines.append(f"create role {role} login password '{verifier}';")
            lines.append(f'grant connect on database "{name}" to {role};')
    return "\n".join(lines) + "\n"


def _ensure_role(cursor: Cursor, role: str, password: str) -> None:
    cursor.execute("select 1 from pg_roles where rolname = %s", (role,))
    verb = sql.SQL("create" if cursor.fetchone() is None else "alter")
    # The verifier and not the password: a statement may end in the server's log.
    verifier = encrypt_password(password, role, cursor, "scram-sha-256")
    cursor.execute(
        sql.SQL("{} role {} login password {}").format(
            verb, sql.Identifier(role), sql.Literal(verifier)
        )
    )
