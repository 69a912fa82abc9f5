"""Databases and roles for one stack, made or checked before anything uses them."""

from dataclasses import dataclass

import psycopg2

from trading_system.runtime import databases, urls
from trading_system.runtime.databases import OWNER, PREFECT_ROLE, SERVICE_ROLES
from trading_system.runtime.faults import WrongConfiguration
from trading_system.runtime.postgres import PostgresServer
from trading_system.runtime.secrets import Secrets

DATABASE = "trading_system"
PREFECT_DATABASE = "prefect"


@dataclass(frozen=True)
class Databases:
    """Where the two databases are, and who signs in to them.

    `server` is the built-in PostgreSQL; without it `given` names the owner's database
    on a server of the user's own. `prefect_given` names Prefect's database there.
    """

    secrets: Secrets
    server: PostgresServer | None
    given: str = ""
    prefect_given: str = ""
    with_roles: bool = True

    @property
    def owner_url(self) -> str:
        """The `trading_system` database for the role that owns it."""
        if self.server is None:
            return self.given
        password = self.secrets.role_password(OWNER)
        return urls.postgres(OWNER, password, self.server.port, DATABASE)

    @property
    def prefect_url(self) -> str:
        """Prefect's database for the role that Prefect signs in with."""
        if self.prefect_given:
            return self.prefect_given
        url = urls.with_database(self.owner_url, PREFECT_DATABASE)
        if not self.with_roles:
            return url
        password = self.secrets.role_password(PREFECT_ROLE)
        return urls.with_user(url, PREFECT_ROLE, password)

    def require(self) -> None:
        """Refuse a server of the user's own that cannot be used."""
        if self.server is None:
            databases.require_server(self.given)

    def make(self) -> None:
        """Make what is missing: the owner, the databases, the roles."""
        if self.server is None:
            databases.ensure_named_database(self.given)
        else:
            root = self.server.url()
            if not databases.can_log_in(root):
                raise WrongConfiguration(
                    f"The database in {self.server.data} does not know the password "
                    "in secrets.json.",
                    remedy="Restore secrets.json from a backup, or choose another "
                    "place with --data-dir.",
                )
            databases.ensure_owner(root, self.secrets.role_password(OWNER))
            databases.ensure_database(
                urls.with_database(self.owner_url, "postgres"), DATABASE
            )
        if self.with_roles:
            self._make_roles()
        self._make_prefect_database()

    def role_passwords(self) -> dict[str, str]:
        """Return the roles that sign in, with their passwords."""
        return {
            role: self.secrets.role_password(role)
            for role in (*SERVICE_ROLES, PREFECT_ROLE)
        }

    def _make_roles(self) -> None:
        passwords = self.role_passwords()
        if databases.may_create_roles(self.owner_url):
            databases.ensure_roles(self.owner_url, passwords)
            databases.admit_roles(self.owner_url, SERVICE_ROLES)
            return
        for role in SERVICE_ROLES:
            url = urls.with_user(self.owner_url, role, passwords[role])
            if not databases.can_log_in(url):
                raise WrongConfiguration(
                    f"The role of POSTGRES_URL may not create roles, and {role} "
                    "cannot sign in.",
                    remedy="Have an administrator run the output of `trading database "
                    "roles --sql`, or set DATABASE_ROLES=off to use one role for all.",
                )

    def _make_prefect_database(self) -> None:
        if databases.can_log_in(self.prefect_url):
            return
        name = urls.database_of(self.prefect_url)
        role = PREFECT_ROLE if self.with_roles and not self.prefect_given else None
        try:
            databases.ensure_database(self.owner_url, name, role)
        except psycopg2.Error as error:
            raise WrongConfiguration(
                f"The database {name} for Prefect does not exist, and the role of "
                "POSTGRES_URL may not create it.",
                remedy=f"Have an administrator run `createdb {name}`, or name another "
                "database in PREFECT_DATABASE_URL.",
            ) from error
        databases.admit_roles(urls.with_database(self.owner_url, name), ())
