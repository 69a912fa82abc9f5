"""Servers of the user's own that no setting of ours names."""

import os
from urllib.parse import urlsplit

from dotenv import dotenv_values

from trading_system.config.addresses import encrypted_postgres, is_here
from trading_system.config.settings import Settings, env_file
from trading_system.runtime.faults import WrongConfiguration


def prefect_of_the_user(settings: Settings) -> str | None:
    """Return the Prefect server on another machine, if the settings name one."""
    host = urlsplit(settings.prefect_api_url).hostname or ""
    return None if is_here(host) else settings.prefect_api_url


def prefect_database_url() -> str:
    """Return the database that PREFECT_DATABASE_URL names for Prefect, if any."""
    file = env_file()
    written = dotenv_values(file, encoding="utf-8") if file else {}
    name = "PREFECT_DATABASE_URL"
    try:
        return encrypted_postgres(os.environ.get(name) or written.get(name) or "")
    except ValueError as error:
        raise WrongConfiguration(
            f"{name} {error}.",
            remedy="Write postgresql://user:password@host:port/prefect.",
        ) from None
