"""What a tab is sent: only what changed, numbered so that a loss shows."""

from decimal import Decimal
from typing import Any

import pytest
from fake_services import NOW, FakeServices, empty, settings, trading

from trading_system.contracts.system import EventView
from trading_system.vocabulary import TradingMode, new_id
from trading_web.announcements import announce
from trading_web.cells import Cell
from trading_web.desk import Desk
from trading_web.events import EventReader
from trading_web.stream import QUEUE, Connection
from trading_web.topics import TOPICS, Reading

pytestmark = pytest.mark.unit


def event(seq: int, topic: str, **payload: Any) -> EventView:
    return EventView(
        seq=seq,
        topic=topic,
        key="x",
        payload=payload,
        producer="test",
        occurred_at=NOW,
    )


def filled(seq: int, symbol: str = "AAPL", side: str = "buy") -> EventView:
    return event(
        seq,
        "execution.order_filled",
        side=side,
        symbol=symbol,
        fill_quantity="40",
        price="231.38",
        order_id=str(new_id()),
    )


def reading(**values: str) -> Reading:
    cells = {name: Cell(text) for name, text in values.items()}
    return Reading(cells, "as of 10:31:04 ET", None)


async def frames(connection: Connection) -> list[dict[str, Any]]:
    return [await connection.queue.get() for _ in range(connection.queue.qsize())]


async def test_a_tab_gets_everything_once_and_then_what_changed():
    tab = Connection(frozenset({"portfolio"}))
    tab.show("portfolio", reading(equity="$1.00", cash="$1.00"))
    tab.show("portfolio", reading(equity="$2.00", cash="$1.00"))
    first, second = await frames(tab)
    assert set(first["v"]) == {"equity", "cash"}
    assert second["v"] == {"equity": ["$2.00", "", ""]}
    assert (first["seq"], second["seq"]) == (1, 2)
    assert not {"content", "payload"} & (first.keys() | second.keys())


async def test_a_frame_that_finds_no_room_leaves_a_gap_in_the_numbers():
    tab = Connection(frozenset({"events"}))
    for _ in range(QUEUE + 3):
        tab.put("events", {"t": "event"})
    numbers = [frame["seq"] for frame in await frames(tab)]
    tab.put("events", {"t": "event"})
    (late,) = await frames(tab)
    assert numbers == list(range(1, QUEUE + 1))
    assert late["seq"] == QUEUE + 4


def test_fills_are_said_aloud_and_prices_are_not():
    frames = announce([filled(1), event(2, "execution.account_updated")])
    by_group = {frame.get("group"): frame for frame in frames}
    assert by_group["orders"]["say"] == "Bought 40 AAPL at 231.38"
    assert "say" not in by_group["positions"]
    assert {"t": "chart", "id": "equity"} in frames


def test_many_fills_at_once_are_one_sentence():
    (frame,) = announce([filled(1), filled(2, "MSFT"), filled(3, "XOM", "sell")])
    assert frame["say"] == "Sold 40 XOM at 231.38 (2 more)"


@pytest.mark.parametrize(
    "fact",
    [
        event(
            1,
            "execution.order_closed",
            status="rejected",
            symbol="AAPL",
            reason="insufficient buying power",
            order_id=str(new_id()),
        ),
        event(1, "risk.trading_state_changed", state="HALTED", reason="drill"),
        event(
            1, "notification.alert_raised", severity="critical", title="Feed is late"
        ),
    ],
)
def test_what_cannot_wait_is_urgent(fact):
    (frame,) = announce([fact])
    assert frame["urgent"] is True
    assert frame["say"]


def test_a_quiet_alert_and_a_canceled_order_are_not_said():
    quiet = event(1, "notification.alert_raised", severity="info", title="x")
    canceled = event(2, "execution.order_closed", status="canceled")
    assert all("say" not in frame for frame in announce([quiet, canceled]))


def test_the_log_is_followed_from_where_it_stood_and_through_any_service():
    fake = empty()
    fake.events = [filled(1)]
    reader = EventReader(fake.over_http(settings()))
    assert reader.read() == []
    fake.events.append(filled(2))
    fake.down |= {"ingestion", "strategy"}
    assert [e.seq for e in reader.read()] == [2]
    assert reader.read() == []


def desk_on(fake: FakeServices) -> Desk:
    return Desk(fake.over_http(settings()), TradingMode.SIMULATED)


@pytest.mark.parametrize("topic", list(TOPICS))
def test_a_topic_keeps_its_last_values_and_says_why_they_are_old(topic):
    fake = trading()
    desk = desk_on(fake)
    fresh = TOPICS[topic](desk)
    fake.down |= {"execution", "risk"}
    stale = TOPICS[topic](desk)
    desk.close()
    assert fresh.problem is None
    assert stale.problem is not None and "does not answer" in stale.problem
    if topic == "portfolio":
        assert stale.cells == fresh.cells


def test_the_totals_of_the_positions_are_their_sums():
    fake = trading()
    desk = desk_on(fake)
    cells = TOPICS["portfolio"](desk).cells
    positions = desk.services.execution.positions()
    desk.close()
    total = sum((p.market_value or Decimal(0) for p in positions), Decimal(0))
    assert cells["positions.value"].text == f"${total:,.2f}"
