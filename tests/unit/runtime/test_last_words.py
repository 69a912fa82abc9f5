import pytest

from trading_system.runtime.last_words import last_line, reason

pytestmark = pytest.mark.unit

TRACEBACK = "Traceback (most recent call last):\n  File x\n{error}: {text}\n"
MISCONFIGURED = "trading_system.errors.Misconfigured"


def logged(error: str, text: str) -> bytes:
    """What uvicorn writes when an app fails in its start, a log line an entry."""
    entry = TRACEBACK.format(error=error, text=text).replace("\n", "\\n")
    return (
        f"ready\nERROR {entry}\nERROR Application startup failed. Exiting.\n".encode()
    )


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line(b"one\ntwo.\n\n  \n") == "two"
    assert last_line(b"") == "no output"


def test_what_a_person_can_put_right_is_said_without_a_traceback() -> None:
    text = "strategies.yaml, line 4: lookback is not a parameter"
    assert reason(logged(MISCONFIGURED, text)) == (text, True)
    plain = TRACEBACK.format(error=MISCONFIGURED, text=text).encode()
    assert reason(plain) == (text, True)


def test_another_failure_of_a_start_is_no_misconfiguration() -> None:
    said, refused = reason(logged("psycopg2.OperationalError", "no route"))
    assert (said, refused) == ("psycopg2.OperationalError: no route", False)
    assert reason(b"no such market\n") == ("no such market", False)
    assert reason(b"") == ("no output", False)
