"""What was kept outlives the process, whether the database has it or not."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from exchange_orders import far_order

from paper_exchange import store
from paper_exchange.exchange import Exchange
from paper_exchange.redo import HEAD, Redo
from paper_exchange.store import Store
from paper_exchange.tape import Tape

pytestmark = pytest.mark.unit

Build = Callable[..., Exchange]


def in_database(directory: Path) -> int:
    """Return how many orders the database of a killed exchange has."""
    file = directory / "exchange.sqlite"
    with sqlite3.connect(file) as connection:
        count: int = connection.execute("select count(*) from orders").fetchone()[0]
    connection.close()
    return count


def killed(directory: Path, to: Path) -> Path:
    """Return the files as a process leaves them that is killed now."""
    shutil.copytree(directory, to)
    return to


def reopened(directory: Path) -> tuple[Store, list[int]]:
    """Return the store that a successor finds, and the numbers on its tape."""
    found = Store(directory / "exchange.sqlite")
    Tape(directory / "tape.jsonl", found.unflushed_tape()).close()
    lines = (directory / "tape.jsonl").read_text().splitlines()
    return found, [json.loads(line)["sequence"] for line in lines]


def test_what_the_database_does_not_have_is_found_by_the_next_process(
    build: Build, tmp_path: Path
) -> None:
    exchange = build("one")
    account = exchange.create_account("key", "secret", Decimal(100_000))
    placed = [exchange.submit(account, far_order(number))["id"] for number in range(3)]
    copy = killed(tmp_path / "one", tmp_path / "copy")
    assert in_database(copy) == 0
    found, lines = reopened(copy)
    assert [one.id for one in found.open_orders()] == placed
    assert found.is_taken(account.id, "order-2")
    assert not found.is_taken(account.id, "order-3")
    assert lines == list(range(1, len(lines) + 1))
    found.close()
    assert in_database(copy) == 3
    assert (copy / "exchange.redo").stat().st_size == 0


def test_tape_lines_that_were_kept_and_not_written_are_written(
    build: Build, tmp_path: Path
) -> None:
    exchange = build("one")
    account = exchange.create_account("key", "secret", Decimal(100_000))
    exchange.submit(account, far_order(1))
    copy = killed(tmp_path / "one", tmp_path / "copy")
    tape = (copy / "tape.jsonl").read_bytes()
    # The last piece has two lines: one is torn, and one is lost.
    lines = tape.splitlines(keepends=True)
    (copy / "tape.jsonl").write_bytes(b"".join(lines[:-2]) + lines[-2][:50])
    found, _ = reopened(copy)
    found.close()
    assert (copy / "tape.jsonl").read_bytes() == tape


def test_the_database_takes_what_was_kept_before_it_grows_long(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 20_000)
    exchange = build("one")
    account = exchange.create_account("key", "secret", Decimal(100_000))
    for number in range(25):
        exchange.submit(account, far_order(number))
    copy = killed(tmp_path / "one", tmp_path / "copy")
    assert 5 <= in_database(copy) < 25
    assert (copy / "exchange.redo").stat().st_size < 25_000
    found, _ = reopened(copy)
    assert len(list(found.open_orders())) == 25
    found.close()


def test_a_process_killed_between_database_and_file_finds_everything_once(
    build: Build, tmp_path: Path
) -> None:
    exchange = build("one")
    account = exchange.create_account("key", "secret", Decimal(100_000))
    for number in range(4):
        body = far_order(number) | {"type": "market"}
        del body["limit_price"]
        exchange.journal.now = exchange.sessions.days[3].open + number
        exchange.submit(account, body)
    redo = (tmp_path / "one" / "exchange.redo").read_bytes()
    before = exchange.store.activities(account.id, (), None, None, True, 100, None)
    copy = killed(tmp_path / "one", tmp_path / "copy")
    assert in_database(copy) == 4
    (copy / "exchange.redo").write_bytes(redo)
    found, _ = reopened(copy)
    after = found.activities(account.id, (), None, None, True, 100, None)
    assert before == after and before
    found.close()
    assert in_database(copy) == 4


def test_a_torn_piece_is_no_piece_and_hides_none_that_come(tmp_path: Path) -> None:
    file = tmp_path / "exchange.redo"
    redo = Redo(file)
    pieces = [("a", 1, b"x" * 100), ("b", 2, b"y" * 100)]
    for piece in pieces:
        redo.add(piece)
    redo.close()
    whole = file.read_bytes()
    first = HEAD.size + HEAD.unpack_from(whole)[0]
    for length in range(first, len(whole)):
        file.write_bytes(whole[:length])
        torn = Redo(file)
        assert list(torn.pieces()) == pieces[:1]
        torn.close()
    file.write_bytes(whole[:-1] + b"?")
    damaged = Redo(file)
    assert list(damaged.pieces()) == pieces[:1]
    damaged.close()


def test_a_store_begins_behind_no_torn_piece(tmp_path: Path) -> None:
    (tmp_path / "exchange.redo").write_bytes(b"torn")
    found = Store(tmp_path / "exchange.sqlite")
    assert (tmp_path / "exchange.redo").stat().st_size == 0
    found.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "exchange.redo").symlink_to("/dev/full")
    redo = Redo(tmp_path / "exchange.redo")
    with pytest.raises(OSError):
        redo.add("piece")
    redo.close()
