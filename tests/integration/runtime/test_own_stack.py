"""The whole stack on the machine's own PostgreSQL and Redis, as the design has it."""

import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from reserved_ports import reserved_ports
from shell import Shell

from trading_system.runtime import databases, run_file, urls

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(400)]

DATABASES = ("trading_system", "prefect")


@pytest.fixture(params=["createdb createrole", "nocreatedb nocreaterole"])
def shell(
    request: pytest.FixtureRequest,
    administrator_url: str,
    own_redis_url: str,
    tmp_path: Path,
) -> Iterator[Shell]:
    """A shell with the two addresses set, for a role with some rights or none."""
    may_make_them = request.param.startswith("createdb")
    made = DATABASES[:1] if may_make_them else DATABASES
    with databases.connected(administrator_url) as connection:
        cursor = connection.cursor()
        cursor.execute(
            f"create role home login nosuperuser {request.param} password 'pw'"
        )
        for name in made:
            cursor.execute(f"create database {name} owner home")
    home = urls.with_user(administrator_url, "home", "pw")
    variables = {
        "POSTGRES_URL": urls.with_database(home, "trading_system"),
        "REDIS_URL": own_redis_url,
        "DATABASE_ROLES": "on" if may_make_them else "off",
    }
    shell = Shell(tmp_path / "data", variables)
    try:
        yield shell
    finally:
        shell("down")
        with databases.connected(administrator_url) as connection:
            cursor = connection.cursor()
            for name in DATABASES:
                cursor.execute(f"drop database if exists {name} with (force)")
            for role in (*databases.SERVICE_ROLES, databases.PREFECT_ROLE, "home"):
                cursor.execute(f"drop role if exists {role}")


def test_an_hour_is_traded_on_servers_of_ones_own(shell: Shell) -> None:
    with reserved_ports() as base:
        started = shell("up", "--detach", "--speed", "60", "--port-base", str(base))
        assert started.returncode == 0, started.stderr
        run = run_file.read(shell.data / "run.json")
        assert run is not None
        assert {"postgres", "valkey"}.isdisjoint(child.name for child in run.children)
        filled: list[dict[str, Any]] = []
        deadline = time.monotonic() + 180
        while not filled and time.monotonic() < deadline:
            time.sleep(2)
            orders = shell.json("orders")
            filled = [o for o in orders if Decimal(o["filled_quantity"])]
        assert filled and shell.json("positions")
        books = shell("doctor", "--books")
        assert books.returncode == 0, books.stdout
        assert shell("down").returncode == 0
    left = [child.name for child in run.children if child.process() is not None]
    assert not left
    assert not os.path.exists(shell.data / "postgres")
