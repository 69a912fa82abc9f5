from decimal import Decimal

import pytest
from pydantic import SecretStr

from trading_system.redaction import one_line, plain_value, redactor, secrets_of

pytestmark = pytest.mark.unit

SECRET = "s3cr3t-Value/42"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"'authorization': 'Basic {SECRET}'",
        f"postgresql://owner:{SECRET.replace('/', '%2F')}@127.0.0.1/t",
        f"redis://:{SECRET.replace('/', '-')}@127.0.0.1:6379/0",
        f"APCA-API-SECRET-KEY: {SECRET}",
        f'{{"password": "{SECRET}"}}',
        f"GET /login?token={SECRET}&next=/",
        f"ALPACA_SECRET_KEY={SECRET}",
        f"{{'SMTP_PASSWORD': b'{SECRET}'}}",
        f"service_token: {SECRET}",
        f"Cookie: {SECRET}",
    ],
)
def test_whatever_looks_like_a_secret_is_hidden(text: str) -> None:
    hidden = redactor([])(text)

    assert "***" in hidden
    assert "s3cr3t" not in hidden


def test_an_alpaca_key_is_known_by_its_look() -> None:
    assert redactor([])("key PKABCDEFGHIJKLMNOPQR used") == "key *** used"


def test_a_known_secret_is_hidden_wherever_it_stands() -> None:
    redact = redactor(["abcdef", "abcdefgh"])

    assert redact("xxabcdefghyy abcdef") == "xx***yy ***"


def test_a_very_short_secret_does_not_eat_ordinary_text() -> None:
    assert redactor(["a"])("a bar of AAPL") == "a bar of AAPL"


@pytest.mark.parametrize(
    "text",
    [
        "AAPL 101.25 at 2026-11-25T15:00:00+00:00",
        "execution.order_filled 7f1c 12 handled in 3.2 ms",
        "http://127.0.0.1:8003/orders?after=12",
        "the token bucket is empty",
        "tokenizer: fine",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redactor([])(text) == text


def test_secrets_are_found_among_settings() -> None:
    values = {
        "key": SecretStr("one-secret"),
        "empty": SecretStr(""),
        "postgres_url": "postgresql://u:p%40ss@h/t",
        "level": "INFO",
    }

    assert secrets_of(values) == {"one-secret", "p%40ss", "p@ss"}


@pytest.mark.parametrize(
    "text",
    [
        "first\nsecond",
        "first\rsecond",
        "\x1b[31mred\x1b[0m",
        "a\x00b",
        "a\x9bb",
        "a\u2028b",
        "a\u202eb",
    ],
)
def test_a_message_stays_one_line_without_codes(text: str) -> None:
    written = one_line(text)

    assert written.isprintable()
    assert "\\" in written


def test_letters_of_every_language_stay() -> None:
    assert one_line("Zürich 東京 naïve €") == "Zürich 東京 naïve €"


def test_values_become_what_json_can_hold() -> None:
    redact = redactor([])

    assert plain_value("price", Decimal("1.50"), redact) == "1.50"
    assert plain_value("nan", float("nan"), redact) == "nan"
    assert plain_value("flag", True, redact) is True
    assert plain_value("password", "abc", redact) == "***"
    assert plain_value("key", SecretStr("abc"), redact) == "***"
    assert plain_value(
        "request",
        {"headers": {"Authorization": "x"}, "lines": ("a\nb", None)},
        redact,
    ) == {"headers": {"Authorization": "***"}, "lines": ["a\\nb", None]}
