"""What may be written down: no secrets, and one line that cannot pose as two."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

HIDDEN = "***"

_SECRET_NAMES = (
    r"(?:password|passwd|pwd|secret(?:[_-]?key)?|api[_-]?key|access[_-]?key|"
    r"apca-api-(?:key-id|secret-key)|(?:[a-z]+[_-])?token|authorization|cookie|"
    r"session[_-]?secret|nonce)"
)
# Each with words of which one must be in the text, in small letters: looking for those
# costs a tenth of trying every pattern, and hardly any record has one.
_PATTERNS = (
    # Header and token: "Authorization: Bearer abc", "bearer abc".
    (
        ("bearer", "basic"),
        re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"),
        rf"\1 {HIDDEN}",
    ),
    # The password of an address: "redis://:abc@host".
    (("://",), re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@"), rf"\1:{HIDDEN}@"),
    # name=value, "name": "value", name: value.
    (
        ("pass", "pwd", "secret", "key", "token", "authoriz", "cookie", "nonce"),
        re.compile(
            rf"(?i)((?<![a-z]){_SECRET_NAMES}[\"']?\s*[:=]\s*[bu]?[\"']?)"
            r"(?!\*\*\*|bearer\b|basic\b)[^\s\"',;&}\])]+"
        ),
        rf"\1{HIDDEN}",
    ),
    # Alpaca's key ids, which look like nothing else.
    (("pk", "ak", "ck"), re.compile(r"\b(?:PK|AK|CK)[A-Z0-9]{16,30}\b"), HIDDEN),
)
_NAMED_LIKE_A_SECRET = re.compile(rf"(?i)^(?:.*[_-])?{_SECRET_NAMES}$")

# Control characters, line separators and marks that turn the direction of text.
_ESCAPED = {
    code: ascii(chr(code))[1:-1]
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}
_SHORTEST_SECRET = 6

Redact = Callable[[str], str]


def redactor(secrets: Iterable[str]) -> Redact:
    """Return a function that hides these secrets and whatever looks like one."""
    # Longest first: a secret may be the beginning of another.
    known = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len)[::-1]

    def redact(text: str) -> str:
        for secret in known:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        small = text.lower()
        for words, pattern, replacement in _PATTERNS:
            if any(word in small for word in words):
                text = pattern.sub(replacement, text)
        return text

    return redact


def secrets_of(values: Mapping[str, Any]) -> set[str]:
    """Return every secret among settings: hidden strings, passwords in addresses."""
    found = set()
    for value in values.values():
        if isinstance(value, SecretStr):
            found.add(value.get_secret_value())
        elif isinstance(value, str) and "://" in value:
            password = urlsplit(value).password or ""
            found |= {password, unquote(password)}
    return found - {""}


def one_line(text: str) -> str:
    """Return text with control characters written out: no new line, no ANSI code."""
    return text.translate(_ESCAPED)


def plain_value(name: str, value: Any, redact: Redact) -> Any:
    """Return a value as JSON can hold it, without secrets and control characters."""
    if isinstance(value, SecretStr) or _NAMED_LIKE_A_SECRET.match(name):
        return HIDDEN
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # JSON has no NaN, and PostgreSQL refuses what calls itself so.
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, Mapping):
        return {
            one_line(redact(str(key))): plain_value(str(key), item, redact)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_value("", item, redact) for item in value]
    return one_line(redact(str(value)))
