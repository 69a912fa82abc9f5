"""The shapes of the broker's answers: what is tolerated, and what is a fault."""

from decimal import Decimal
from typing import Any

import pytest

from trading_execution.adapters.alpaca_contract import shapes
from trading_execution.domain.contract import ENTRIES, Shape, faults_of

POSITION = {
    "symbol": "KO",
    "qty": "3",
    "side": "long",
    "avg_entry_price": Decimal("61.5"),
    "current_price": None,
}
POSITIONS = next(shape for shape in shapes() if shape.name == "positions")


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        ([], ()),
        ([POSITION], ()),
        ([{**POSITION, "brand_new": {"since": "today"}}], ()),
        ([{**POSITION, "current_price": "60.1"}], ()),
        ([{k: v for k, v in POSITION.items() if k != "qty"}], ("qty is missing",)),
        ([{**POSITION, "qty": None}], ("qty is missing",)),
        ([{**POSITION, "side": 5}], ("side is a number, not text",)),
        ([{**POSITION, "qty": "NaN"}], ("qty is a text, not number",)),
        ([{**POSITION, "qty": True}], ("qty is true or false, not number",)),
        ([{**POSITION, "current_price": []}], ("current_price is a list, not number",)),
        ([{**POSITION, "side": 5}] * 3, ("side is a number, not text",)),
        ({"positions": []}, ("a list is expected, not an object",)),
        (["KO"], ("an object is expected, not a text",)),
    ],
)
def test_what_is_read_must_be_there_and_nothing_else_matters(
    answer: Any, faults: tuple[str, ...]
) -> None:
    assert faults_of(POSITIONS, answer) == faults


@pytest.mark.parametrize(
    ("said", "faults"),
    [
        ("2026-09-14T14:00:00.123456789Z", ()),
        ("2026-09-14T10:00:00-04:00", ()),
        ("2026-09-14T10:00:00", ("timestamp is a text, not instant",)),
        ("noon", ("timestamp is a text, not instant",)),
    ],
)
def test_an_instant_has_a_zone(said: str, faults: tuple[str, ...]) -> None:
    shape = Shape("clock", "/v2/clock", {"timestamp": "instant"}, (ENTRIES,))
    assert faults_of(shape, {"timestamp": said}) == faults


def test_no_shape_stops_a_cancellation() -> None:
    stopped = {what for shape in shapes() for what in shape.stops}
    assert stopped == {"entries", "reconciliation"}
