"""What is committed in one turn of the event loop is kept in one piece."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from exchange_orders import far_order

from paper_exchange.exchange import Exchange

pytestmark = pytest.mark.unit

Build = Callable[..., Exchange]


def count_pieces(exchange: Exchange) -> list[int]:
    """Return a list that grows by one with every piece that the store keeps."""
    seen: list[int] = []
    keep = exchange.store.keep

    def counted(tape: list[tuple[int, bytes]]) -> None:
        seen.append(len(tape))
        keep(tape)

    exchange.store.keep = counted  # type: ignore[method-assign]
    return seen


def test_orders_of_one_turn_share_a_piece_that_their_answers_wait_for(
    build: Build, tmp_path: Path
) -> None:
    exchange = build()
    account = exchange.create_account("key", "secret", Decimal(100_000))
    pieces = count_pieces(exchange)
    tape = tmp_path / "one" / "tape.jsonl"
    before = len(tape.read_text().splitlines())

    async def place(number: int) -> int:
        exchange.submit(account, far_order(number))
        at_once = len(pieces)
        await exchange.journal.settled()
        return at_once

    async def place_all() -> list[int]:
        exchange.journal.gathers = True
        return await asyncio.gather(*(place(number) for number in range(5)))

    assert asyncio.run(place_all()) == [0] * 5
    assert len(pieces) == 1
    exchange.journal.gathers = False
    lines = [json.loads(line) for line in tape.read_text().splitlines()]
    assert len(lines) - before == pieces[0]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))


def test_whoever_reads_sees_what_is_not_kept_yet(build: Build) -> None:
    exchange = build()
    account = exchange.create_account("key", "secret", Decimal(100_000))

    async def place_and_look() -> None:
        exchange.journal.gathers = True
        placed = exchange.submit(account, far_order(1))
        assert exchange.store.is_taken(account.id, "order-1")
        assert not exchange.store.is_taken(account.id, "order-2")
        found = exchange.store.order_by_client_id(account.id, "order-1")
        assert found is not None and found.id == placed["id"]
        # Looking has written it, so there is nothing to wait for.
        await asyncio.wait_for(exchange.journal.settled(), 1)

    asyncio.run(place_and_look())
    exchange.journal.gathers = False


def test_nobody_is_answered_when_nothing_can_be_kept(build: Build) -> None:
    exchange = build()
    account = exchange.create_account("key", "secret", Decimal(100_000))
    listened: list[object] = []
    exchange.journal.listeners.append(listened.append)
    keep = exchange.store.keep

    def fail(tape: list[tuple[int, bytes]]) -> None:
        raise OSError("disk is full")

    async def place(number: int) -> None:
        exchange.submit(account, far_order(number))
        await exchange.journal.settled()

    async def place_all() -> list[BaseException | None]:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        exchange.journal.gathers = True
        exchange.store.keep = fail  # type: ignore[method-assign]
        return await asyncio.gather(
            *(place(number) for number in range(3)), return_exceptions=True
        )

    outcomes = asyncio.run(place_all())
    exchange.store.keep = keep  # type: ignore[method-assign]
    exchange.journal.gathers = False
    assert [str(outcome) for outcome in outcomes] == ["disk is full"] * 3
    assert listened == []
