"""Logging: one set-up for every process, every sink behind the same redaction.

`from loguru import logger` is all a module needs; the process calls `configure` once.
A correlation id set with `correlated` follows everything that is logged inside.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, time
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import orjson
from loguru import logger

from trading_system.clock import monotonic
from trading_system.config.settings import Settings
from trading_system.redaction import (
    Redact,
    one_line,
    plain_value,
    redactor,
    secrets_of,
)

if TYPE_CHECKING:
    from loguru import Message, Record

# Their INFO lines repeat addresses, and addresses may hold tokens.
_TALKATIVE = (
    "httpx",
    "httpcore",
    "urllib3",
    "websockets",
    "asyncio",
    "alembic",
    "sqlalchemy",
    "numba",
    "uvicorn.access",
)
# Parts that have a place of their own; what begins with "_" is made for one sink.
_OWN = ("correlation_id", "service")


class Rows(Protocol):
    """Where log records become rows; see `trading_system.log_rows`."""

    def write(self, message: "Message") -> None:
        """Take a record; never wait."""


def configure(
    service: str,
    settings: Settings,
    *,
    rows: Rows | None = None,
    console: bool = True,
    file: bool = True,
) -> None:
    """Send what this process logs to the console, its JSON file and, given, to rows."""
    redact = redactor(secrets_of(dict(settings)))
    common: dict[str, Any] = {
        "level": settings.log_level,
        # A traceback with values would print the secrets among them.
        "diagnose": False,
        "backtrace": False,
    }
    logger.remove()
    logger.configure(
        extra={"service": service, "correlation_id": None}, patcher=_cleaner(redact)
    )
    if console and sys.stderr is not None:
        logger.add(sys.stderr, format=_for_people, filter=_is_no_timing, **common)
    if file:
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        logger.add(
            settings.log_dir / f"{service}.jsonl",
            format=_as_json,
            rotation=time(tzinfo=UTC),
            retention=f"{settings.log_retention_days} days",
            encoding="utf-8",
            **common,
        )
    if rows is not None:
        # Timings are rows of their own, whatever the level of the messages.
        level = min(logger.level(settings.log_level).no, logger.level("INFO").no)
        logger.add(rows, format=_message_only, **{**common, "level": level})
    _intercept_standard_logging(settings.log_level)


def correlated(correlation_id: UUID | None) -> AbstractContextManager[None]:
    """Mark everything that is logged inside with the id of the bar it came from."""
    return logger.contextualize(correlation_id=correlation_id)


@contextmanager
def performance(operation: str) -> Iterator[None]:
    """Log how long something took; a `with` block, or a decorator of a function."""
    began = monotonic()
    try:
        yield
    finally:
        took = round((monotonic() - began) * 1000, 3)
        logger.bind(operation=operation, execution_time_ms=took).info(
            "{} took {} ms", operation, took
        )


def is_timing(record: "Record") -> bool:
    """Say whether a record was made by `performance`."""
    return "execution_time_ms" in record["extra"]


def details(record: "Record") -> dict[str, Any]:
    """Return what a record holds beside its message."""
    extra = {name: value for name, value in record["extra"].items() if name not in _OWN}
    extra.pop("json", None)
    place = f"{record['name']}:{record['function']}:{record['line']}"
    return {"where": place, **extra}


def _cleaner(redact: Redact) -> Any:
    def clean(record: "Record") -> None:
        """Leave nothing in a record that a sink may not show."""
        record["message"] = one_line(redact(record["message"]))
        extra = record["extra"]
        for name in extra.keys() - {"correlation_id"}:
            extra[name] = plain_value(name, extra[name], redact)
        failure = record["exception"]
        if failure is not None:
            lines = traceback.format_exception(
                failure.type, failure.value, failure.traceback
            )
            text = redact("".join(lines))
            extra["exception"] = [one_line(line) for line in text.splitlines()]
            # No sink formats it again, with what the text above leaves out.
            record["exception"] = None

    return clean


def _for_people(record: "Record") -> str:
    lines = record["extra"].get("exception", [])
    # Indented, so that a line of an exception cannot pose as a record.
    record["extra"]["_trace"] = "".join(f"\n    | {line}" for line in lines)
    known = record["extra"]["correlation_id"]
    record["extra"]["_mark"] = f" [{str(known)[:8]}]" if known else ""
    return (
        "{time:YYYY-MM-DD HH:mm:ss.SSS!UTC}Z <level>{level: <8}</level> "
        "{extra[service]}{extra[_mark]} {message}{extra[_trace]}\n"
    )


def _as_json(record: "Record") -> str:
    known = record["extra"]["correlation_id"]
    line = {
        "timestamp": record["time"].astimezone(UTC).isoformat(timespec="microseconds"),
        "level": record["level"].name,
        "service": record["extra"]["service"],
        "message": record["message"],
        "correlation_id": None if known is None else str(known),
        **details(record),
    }
    record["extra"]["_json"] = orjson.dumps(line, default=str).decode()
    return "{extra[_json]}\n"


def _message_only(record: "Record") -> str:
    return "{message}"


def _is_no_timing(record: "Record") -> bool:
    return not is_timing(record)


class _ToLoguru(logging.Handler):
    """Hands the records of the standard library's logging to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame, depth = logging.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
        logger.opt(depth=depth, exception=record.exc_info).log(
            level, "{}", record.getMessage()
        )


def _intercept_standard_logging(level: str) -> None:
    logging.basicConfig(handlers=[_ToLoguru()], level=level, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
