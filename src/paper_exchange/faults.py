"""Faults on demand: what a broker does on its worst day, by count, chance or order."""

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import orjson

from paper_exchange import numbers
from paper_exchange.errors import ApiError, invalid
from trading_core.matching import Fill

BEFORE = frozenset(
    ("429", "429_without_headers", "500", "502_html", "503", "duplicate_id")
)
AROUND = frozenset(("hang_before_accepting", "hang_after_accepting"))
AFTER = frozenset(
    (
        "504_after_accepting",
        "reset",
        "truncated",
        "missing_field",
        "unknown_field",
        "retyped_field",
    )
)
STREAM = frozenset(
    (
        "stream_drop",
        "stream_duplicate",
        "stream_delay",
        "stream_mute",
        "stream_reorder",
        "stream_replay",
        "stream_half_open",
    )
)
REFUSALS = frozenset(("stream_refuse", "stream_refuse_second"))
# These act on what is read, and on how orders fill.
OTHERS = frozenset(("stale", "partial_storm"))
KINDS = BEFORE | AROUND | AFTER | STREAM | REFUSALS | OTHERS
NO_REQUEST = STREAM | REFUSALS | {"partial_storm"}
LONGEST_SECONDS = 600
MOST_PIECES = 100


@dataclass(slots=True)
class Fault:
    """One fault and when it strikes; without a count it strikes until it is removed."""

    kind: str
    method: str | None = None
    path: str = "/v2/"
    count: int | None = None
    probability: float = 1.0
    client_order_id: str | None = None
    seconds: float = 2.0
    field: str = "status"
    pieces: int = 10

    def record(self) -> dict[str, Any]:
        """Return it as it is answered."""
        return asdict(self)


def read(body: Any) -> Fault:
    """Return the fault that a control request describes."""
    kind = body.get("kind") if isinstance(body, dict) else None
    # A list cannot be looked up in a set: that would be an error of its own.
    if not isinstance(kind, str) or kind not in KINDS:
        raise invalid(f"kind must be one of {', '.join(sorted(KINDS))}")
    unknown = set(body) - set(Fault.__dataclass_fields__)
    if unknown:
        raise invalid(f"unknown keys: {', '.join(sorted(map(str, unknown)))}")
    for name in ("method", "path", "client_order_id", "field"):
        if not isinstance(body.get(name, ""), str):
            raise invalid(f"{name} must be a text")
    count = body.get("count")
    if count is not None and (type(count) is not int or count < 1):
        raise invalid("count must be a whole number above 0")
    pieces = body.get("pieces", 2)
    if type(pieces) is not int or not 2 <= pieces <= MOST_PIECES:
        raise invalid(f"pieces must be a whole number from 2 to {MOST_PIECES}")
    probability = numbers.read("probability", body.get("probability", 1))
    seconds = numbers.read("seconds", body.get("seconds", 2))
    if probability is None or not 0 < probability <= 1:
        raise invalid("probability must be above 0 and at most 1")
    if seconds is None or not 0 <= seconds <= LONGEST_SECONDS:
        raise invalid(f"seconds must be from 0 to {LONGEST_SECONDS}")
    fault = Fault(**body)
    fault.probability, fault.seconds = float(probability), float(seconds)
    return fault


class Faults:
    """The faults in force; their chances are drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.active: list[Fault] = []
        # Who is told of each fault that strikes, and of what it struck.
        self.note: Callable[[dict[str, Any]], None] = lambda _: None

    def for_request(
        self, method: str, path: str, order: Callable[[], str | None]
    ) -> Fault | None:
        """Return the fault that strikes a request, and count it.

        `order` says the `client_order_id` of the order that the request is about.
        """
        for fault in self.active:
            if fault.kind in NO_REQUEST or not path.startswith(fault.path):
                continue
            if fault.kind == "stale" and method != "GET":
                continue
            if fault.method is not None and fault.method != method:
                continue
            wanted = fault.client_order_id
            if wanted is not None and wanted != order():
                continue
            if self._strikes(fault, f"{method} {path}"):
                return fault
        return None

    def for_event(self, client_order_id: str) -> Fault | None:
        """Return the fault that strikes an event of the order stream, and count it."""
        for fault in self.active:
            if fault.kind not in STREAM or fault.path not in ("/v2/", "/stream"):
                continue
            if fault.client_order_id not in (None, client_order_id):
                continue
            if self._strikes(fault, f"event of {client_order_id}"):
                return fault
        return None

    def for_prices(self, feed: str) -> Fault | None:
        """Return the fault that strikes a batch of the market's stream."""
        for fault in self.active:
            if fault.kind in STREAM and fault.path == f"/v2/{feed}":
                if self._strikes(fault, f"prices of {feed}"):
                    return fault
        return None

    def refuses_stream(self, path: str, is_second: bool) -> bool:
        """Whether a new stream connection is turned away."""
        return any(
            fault.kind in REFUSALS
            and path.startswith(fault.path if fault.path != "/v2/" else "/")
            and (is_second or fault.kind == "stream_refuse")
            and self._strikes(fault, f"connection to {path}")
            for fault in list(self.active)
        )

    def executions(self, client_order_id: str, fill: Fill) -> list[Fill]:
        """Return the executions in which a fill comes: one, or a storm of them."""
        for fault in self.active:
            if fault.kind != "partial_storm":
                continue
            if fault.client_order_id not in (None, client_order_id):
                continue
            if self._strikes(fault, f"fill of {client_order_id}"):
                return in_pieces(fill, fault.pieces)
        return [fill]

    def _strikes(self, fault: Fault, struck: str) -> bool:
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        if fault.count is not None:
            fault.count -= 1
            if not fault.count:
                self.active = [one for one in self.active if one is not fault]
        self.note({"struck": struck, **told(fault)})
        return True


def told(fault: Fault) -> dict[str, Any]:
    """Return a fault as the tape tells it; a line's own `kind` says what it is of."""
    record = fault.record()
    return {"fault": record.pop("kind"), **record}


def in_pieces(fill: Fill, most: int) -> list[Fill]:
    """Return a fill as several of at least one share each; the last takes the rest."""
    count = max(1, min(most, int(fill.quantity)))
    each = Decimal(int(fill.quantity) // count)
    if count == 1:
        return [fill]
    last = fill.quantity - each * (count - 1)
    pieces = [replace(fill, quantity=each) for _ in range(count - 1)]
    return [*pieces, replace(fill, quantity=last)]


def client_order_id(body: bytes) -> str | None:
    """Return the client's id of the order that a body asks for, or None."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    found = content.get("client_order_id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None


def refusal(kind: str) -> tuple[int, bytes, bytes]:
    """Return status, content type and body of a request that is refused outright."""
    if kind == "502_html":
        page = b"<html><head><title>502 Bad Gateway</title></head></html>"
        return 502, b"text/html", page
    errors = {
        "429": ApiError(429, 42910000, "rate limit exceeded"),
        "429_without_headers": ApiError(429, 42910000, "too many requests."),
        "500": ApiError(500, 50010000, "internal server error occurred"),
        "503": ApiError(503, 50310000, "service unavailable"),
        "504_after_accepting": ApiError(504, 50410000, "gateway timeout"),
        "duplicate_id": ApiError(422, 40010001, "client_order_id must be unique"),
    }
    error = errors[kind]
    return error.status, b"application/json", orjson.dumps(error.body())


def damaged(fault: Fault, answer: bytes) -> bytes:
    """Return an answer as a fault leaves it."""
    if fault.kind == "truncated":
        return answer[: len(answer) // 2]
    try:
        content = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return answer
    rows = content if isinstance(content, list) else [content]
    for row in rows:
        if not isinstance(row, dict):
            continue
        if fault.kind == "missing_field":
            row.pop(fault.field, None)
        elif fault.kind == "unknown_field":
            row["brand_new_field"] = {"since": "today"}
        elif fault.kind == "retyped_field":
            row[fault.field] = 12345
    return orjson.dumps(content)
