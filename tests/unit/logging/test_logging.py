import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from loguru import logger
from pydantic import SecretStr

from trading_system.config.settings import Settings
from trading_system.logging import configure, correlated, performance
from trading_system.vocabulary import TradingMode

if TYPE_CHECKING:
    from loguru import Message

pytestmark = pytest.mark.unit

SECRET = "hunter2-hunter2"
CORRELATION = UUID("6f0d1b0e-3f0a-5c5e-9d57-7a3a6f7b2c11")


class FakeRows:
    """Keeps what a sink of rows is given."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def write(self, message: "Message") -> None:
        self.records.append(message.record)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        trading_data_dir=tmp_path,
        trading_mode=TradingMode.SIMULATED,
        alpaca_api_key=SecretStr("PKTESTTESTTESTTESTTE"),
        alpaca_secret_key=SecretStr(SECRET),
        postgres_url="postgresql://u:db-password@localhost/t",
        log_level="INFO",
    )


def lines(settings: Settings, service: str = "execution") -> list[dict[str, Any]]:
    text = (settings.log_dir / f"{service}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_service_writes_one_json_object_a_line(settings: Settings) -> None:
    configure("execution", settings, console=False)

    with correlated(CORRELATION):
        logger.bind(symbol="AAPL").info("filled {} <b>of</b> {{}}", 3)

    (line,) = lines(settings)
    assert line["service"] == "execution"
    assert line["level"] == "INFO"
    assert line["message"] == "filled 3 <b>of</b> {}"
    assert line["correlation_id"] == str(CORRELATION)
    assert line["symbol"] == "AAPL"
    assert line["timestamp"].endswith("+00:00")
    assert "test_a_service_writes_one_json_object_a_line" in line["where"]


def test_outside_a_chain_there_is_no_correlation(settings: Settings) -> None:
    configure("execution", settings, console=False)
    with correlated(CORRELATION):
        pass

    logger.info("idle")

    assert lines(settings)[0]["correlation_id"] is None


def test_no_sink_shows_a_secret(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = FakeRows()
    configure("execution", settings, rows=rows)

    def fail() -> None:
        key_in_a_local = SECRET
        raise RuntimeError(f"refused: {key_in_a_local} at u:db-password@localhost")

    try:
        fail()
    except RuntimeError:
        logger.bind(api_key="abc", note=SECRET).exception("it failed: {}", SECRET)
    logger.info("Authorization: Bearer {}", "abcdefgh12345")
    logging.getLogger("uvicorn.error").error("key %s", SECRET)

    written = (settings.log_dir / "execution.jsonl").read_text(encoding="utf-8")
    console = capsys.readouterr().err
    stored = repr([dict(record, elapsed=0) for record in rows.records])
    for text in (written, console, stored):
        assert "it failed" in text
        assert "RuntimeError" in text
        for secret in (SECRET, "db-password", "abcdefgh12345"):
            assert secret not in text
    assert lines(settings)[0]["api_key"] == "***"


def test_a_traceback_tells_where_and_no_values(settings: Settings) -> None:
    configure("execution", settings, console=False)

    try:
        os.environ["missing\nkey"]
    except KeyError:
        logger.exception("lookup failed")

    (line,) = lines(settings)
    assert "test_a_traceback_tells_where_and_no_values" in "".join(line["exception"])
    assert all("\n" not in text for text in line["exception"])


def test_a_message_cannot_pose_as_two(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("execution", settings)

    logger.info("symbol {}", "X\n2026-01-01 CRITICAL all is lost \x1b[2J")
    try:
        raise ValueError("X\n2026-01-01 CRITICAL all is lost")
    except ValueError:
        logger.exception("refused")

    assert len(lines(settings)) == 2
    console = capsys.readouterr().err
    assert "\x1b[2J" not in console
    assert not any(line.startswith("2026-01-01") for line in console.splitlines())


def test_messages_below_the_level_are_left_out(settings: Settings) -> None:
    configure("execution", settings, console=False)

    logger.debug("unseen")
    logger.warning("seen")

    assert [line["message"] for line in lines(settings)] == ["seen"]


def test_the_standard_library_logs_through_the_same_sinks(settings: Settings) -> None:
    configure("execution", settings, console=False)

    logging.getLogger("some.library").warning("from %s", "outside")
    logging.getLogger("httpx").info("HTTP Request: GET http://h/?token=1")

    (line,) = lines(settings)
    assert line["message"] == "from outside"
    assert line["level"] == "WARNING"


def test_a_timing_goes_to_the_file_and_the_rows_and_not_to_the_console(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = FakeRows()
    configure("execution", settings, rows=rows)

    with correlated(CORRELATION), performance("submit_order"):
        pass

    (line,) = lines(settings)
    assert line["operation"] == "submit_order"
    assert line["execution_time_ms"] >= 0
    assert rows.records[0]["extra"]["correlation_id"] == CORRELATION
    assert capsys.readouterr().err == ""


def test_a_timing_is_a_row_even_when_only_warnings_are_logged(
    settings: Settings,
) -> None:
    rows = FakeRows()
    quiet = settings.model_copy(update={"log_level": "WARNING"})
    configure("execution", quiet, rows=rows, console=False)

    @performance("calculate")
    def calculate() -> int:
        return 7

    assert calculate() == 7
    assert [r["extra"]["operation"] for r in rows.records] == ["calculate"]
    assert lines(settings) == []


def test_a_timing_is_logged_when_the_work_fails(settings: Settings) -> None:
    configure("execution", settings, console=False)

    with pytest.raises(RuntimeError), performance("fetch"):
        raise RuntimeError

    assert lines(settings)[0]["operation"] == "fetch"


def test_files_turn_over_daily_and_are_kept_as_long_as_settings_say(
    settings: Settings,
) -> None:
    folder = settings.log_dir
    folder.mkdir(parents=True)
    yesterday = folder / "execution.jsonl"
    yesterday.write_text("{}\n", encoding="utf-8")
    outdated = folder / "execution.2020-01-01_00-00-00_000000.jsonl"
    outdated.write_text("{}\n", encoding="utf-8")
    others = folder / "risk.2020-01-01_00-00-00_000000.jsonl"
    others.write_text("{}\n", encoding="utf-8")
    long_ago(yesterday, days=1)
    long_ago(outdated, days=settings.log_retention_days + 1)
    long_ago(others, days=settings.log_retention_days + 1)

    configure("execution", settings, console=False)
    logger.info("today")

    assert [line["message"] for line in lines(settings)] == ["today"]
    assert not outdated.exists()
    assert others.exists()
    assert len(list(folder.glob("execution.*.jsonl"))) == 1


def long_ago(path: Path, days: int) -> None:
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))
