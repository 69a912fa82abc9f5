"""What an event means on a page: which sections change, and what is said aloud."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from trading_system.contracts.system import EventView
from trading_web import formats

GROUPS: Final = {
    "execution.position_changed": "positions",
    "execution.account_updated": "positions",
    "execution.reconciliation_completed": "system",
    "notification.alert_raised": "alerts",
    "ingestion.bars_ingested": "bars",
    "risk.order_approved": "orders",
    "risk.order_denied": "orders",
}
"""Topics whose group is not their speaker's."""

SPEAKERS: Final = {
    "execution": "orders",
    "strategy": "strategies",
    "risk": "risk",
    "ingestion": "system",
    "analytics": "performance",
    "notification": "alerts",
}


def group_of(topic: str) -> str:
    """Return the group of sections that an event's topic concerns."""
    return GROUPS.get(topic) or SPEAKERS.get(topic.partition(".")[0], "system")


def announce(events: Iterable[EventView]) -> list[dict[str, Any]]:
    """Return one frame a group, with the words for what people should hear of."""
    said: dict[str, list[tuple[str, str | None, bool]]] = defaultdict(list)
    groups: dict[str, None] = {}
    for event in events:
        group = group_of(event.topic)
        groups[group] = None
        words = _words(event.topic, event.payload)
        if words is not None:
            said[group].append(words)
    frames = [_frame(group, said[group]) for group in groups]
    if "bars" in groups:
        frames.append({"t": "chart", "id": "bars"})
    if "positions" in groups:
        frames.append({"t": "chart", "id": "equity"})
    return frames


def _frame(group: str, said: list[tuple[str, str | None, bool]]) -> dict[str, Any]:
    frame: dict[str, Any] = {"t": "event", "kind": group, "group": group}
    if not said:
        return frame
    urgent = [words for words in said if words[2]]
    text, link, is_urgent = (urgent or said)[-1]
    if len(said) > 1:
        text = f"{text} ({len(said) - 1} more)"
    return frame | {"say": text, "link": link, "urgent": is_urgent}


def _words(topic: str, fact: dict[str, Any]) -> tuple[str, str | None, bool] | None:
    match topic:
        case "execution.order_filled":
            verb = "Bought" if fact["side"] == "buy" else "Sold"
            amount = formats.quantity(Decimal(fact["fill_quantity"]))
            at = formats.price(Decimal(fact["price"]))
            link = f"/explain/order/{fact['order_id']}"
            return f"{verb} {amount} {fact['symbol']} at {at}", link, False
        case "execution.order_closed" if fact["status"] == "rejected":
            link = f"/explain/order/{fact['order_id']}"
            text = f"The broker rejected {fact['symbol']}: {fact['reason']}"
            return text, link, True
        case "risk.trading_state_changed":
            state = formats.words(fact["state"].lower())
            return f"Trading is now {state}: {fact['reason']}", "/halt", True
        case "notification.alert_raised" if fact["severity"] == "critical":
            return fact["title"], fact.get("link") or "/system", True
    return None
