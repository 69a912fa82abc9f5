"""Log messages without what differs between them, so that like counts with like."""

import re
from collections import Counter
from collections.abc import Iterable

MOST = 10

_VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I), "<id>"),
    (re.compile(r"https?://\S+"), "<address>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.I), "<address>"),
    (re.compile(r"\d+(\.\d+)?"), "<n>"),
)


def pattern(message: str) -> str:
    """Return the first line of a message with its numbers and ids left out."""
    line = message.strip().splitlines()[0] if message.strip() else ""
    for varying, word in _VARYING:
        line = varying.sub(word, line)
    return line[:200]


def commonest(messages: Iterable[str]) -> list[dict[str, str | int]]:
    """Return the commonest patterns with their counts, most frequent first."""
    counted = Counter(pattern(message) for message in messages)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [{"pattern": text, "count": count} for text, count in ranked[:MOST]]
