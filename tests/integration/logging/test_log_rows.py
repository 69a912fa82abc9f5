import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from loguru import logger
from pydantic import SecretStr

from trading_system.config.settings import Settings
from trading_system.log_rows import LogRows
from trading_system.logging import configure, correlated, performance

pytestmark = pytest.mark.integration

CORRELATION = UUID("6f0d1b0e-3f0a-5c5e-9d57-7a3a6f7b2c11")
SECRET = "hunter2-hunter2"
NOBODY = "postgresql://u:p@127.0.0.1:1/none?connect_timeout=1"


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    yield
    logger.remove()
    logger.configure(extra={}, patcher=lambda record: None)


def settings(tmp_path: Path, url: str) -> Settings:
    return Settings(
        trading_data_dir=tmp_path, postgres_url=url, session_secret=SecretStr(SECRET)
    )


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())
    finally:
        connection.close()


def test_a_service_writes_its_messages_and_timings_as_rows(
    database_url: str, service_database_url: Callable[[str], str], tmp_path: Path
) -> None:
    url = service_database_url("execution")
    rows = LogRows(url)
    configure("execution", settings(tmp_path, url), rows=rows, console=False)

    with correlated(CORRELATION):
        logger.bind(symbol="AAPL", at=float("nan")).warning("refused by {}", SECRET)
        with performance("submit_order"):
            pass
    logger.info("one\x00two\nthree")
    logger.debug("unseen")
    rows.stop()

    messages = rows_of(
        database_url,
        "select service, level, message, correlation_id::text, extra->>'symbol', "
        "extra->>'at', timestamp > now() - interval '1 hour' "
        "from logging.system_logs order by log_id",
    )
    assert messages == [
        (
            "execution",
            "WARNING",
            "refused by ***",
            str(CORRELATION),
            "AAPL",
            "nan",
            True,
        ),
        ("execution", "INFO", "one\\x00two\\nthree", None, None, None, True),
    ]
    ((service, operation, correlation, took),) = rows_of(
        database_url,
        "select service, operation, correlation_id::text, execution_time_ms >= 0 "
        "from logging.performance_logs",
    )
    assert (service, operation) == ("execution", "submit_order")
    assert (correlation, took) == (str(CORRELATION), True)
    assert rows.dropped == 0


def test_logging_never_waits_for_a_database_that_is_away(tmp_path: Path) -> None:
    rows = LogRows(NOBODY, capacity=50)
    configure("risk", settings(tmp_path, NOBODY), rows=rows, console=False)

    for number in range(1000):
        logger.info("message {}", number)
    rows.stop()

    # What is not in the queue or in the writer's hands was dropped, and counted.
    assert rows.dropped >= 1000 - 50 - 500
    lines = (tmp_path / "logs" / "risk.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum("message " in line for line in lines) == 1000


def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(
    database_url: str, tmp_path: Path
) -> None:
    rows = LogRows(database_url)
    configure("analytics", settings(tmp_path, database_url), rows=rows, console=False)

    logger.info("before")
    with logger.contextualize(correlation_id="no uuid at all"):
        logger.info("refused")
    logger.info("after")
    rows.stop()

    assert rows.dropped == 1
    found = rows_of(
        database_url,
        "select message from logging.system_logs where service = 'analytics' "
        "and message in ('before', 'refused', 'after') order by log_id",
    )
    assert found == [("before",), ("after",)]


def test_what_was_dropped_is_said_when_the_database_is_back(
    database_url: str, tmp_path: Path
) -> None:
    rows = LogRows(database_url, capacity=10)
    configure("strategy", settings(tmp_path, database_url), rows=rows, console=False)
    busy = psycopg2.connect(database_url)
    with busy, busy.cursor() as cursor:
        cursor.execute("lock table logging.system_logs in access exclusive mode")
        # At most one batch is in the writer's hands and ten records in the queue.
        for number in range(1000):
            logger.info("message {}", number)
    busy.close()
    assert rows.dropped >= 1000 - 500 - 10

    deadline = time.monotonic() + 60
    said: list[tuple[Any, ...]] = []
    while not said and time.monotonic() < deadline:
        said = rows_of(
            database_url,
            "select message from logging.system_logs where service = 'strategy' "
            "and message like '%dropped%'",
        )
    rows.stop()

    assert said and "log rows were dropped" in said[0][0]
