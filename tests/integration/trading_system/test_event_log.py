"""The event log under writers, readers, poison, and the death of each."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import events_about_nothing
import pytest
import redis
from events_about_nothing import Ticked, effects, write_effect
from loguru import logger
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from trading_system import event_log
from trading_system.clock import monotonic, utc_now
from trading_system.consumer import Consumer
from trading_system.database import Database, Transaction
from trading_system.doorbell import Doorbell
from trading_system.event import Event
from trading_system.messaging import EventHandlers, log_end
from trading_system.models import ConsumerCursor, DeadLetter
from trading_system.runtime.ports import free_port
from trading_system.runtime.valkey import ValkeyServer
from trading_system.vocabulary import ServiceName

if TYPE_CHECKING:
    from loguru import Message

pytestmark = pytest.mark.integration

SUPPORT = str(Path(events_about_nothing.__file__).parent)


class Chimed(Event, topic="test.chimed"):
    """Something else that happened."""

    @property
    def key(self) -> str:
        return "chime"


def handlers(
    handle: Callable[[Ticked, Transaction], None] = write_effect, together: bool = False
) -> EventHandlers[Transaction]:
    """Return handlers that take each event alone, or those that came together."""
    on = EventHandlers[Transaction](ServiceName.ANALYTICS)

    def handle_all(events: list[Ticked], tx: Transaction) -> None:
        for event in events:
            handle(event, tx)

    on.many(Ticked)(handle_all) if together else on(Ticked)(handle)
    return on


def publish(database: Database[Transaction], name: str, count: int) -> None:
    with database.transaction() as tx:
        tx.publish(Ticked(name=name, count=count))


def drain(consumer: Consumer[Transaction]) -> None:
    while consumer.consume():
        pass


def start_of_log(database: Database[Transaction]) -> None:
    """Let the consumer begin at the present end, as the log is never emptied."""
    with database.transaction() as tx:
        tx.session.add(ConsumerCursor(consumer="analytics", last_seq=log_end(tx)))


def wait_until(holds: "object", seconds: float = 20) -> None:
    deadline = monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def kill(server: ValkeyServer) -> None:
    with redis.Redis.from_url(server.url()) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)


def test_a_cursor_skips_no_event_of_concurrent_writers_and_keeps_each_keys_order(
    database: Database[Transaction],
) -> None:
    start_of_log(database)
    writers, each = 8, 100

    def write(number: int) -> None:
        dice = random.Random(number)
        for count in range(each):
            with database.transaction() as tx:
                tx.publish(Ticked(name=f"w{number}", count=count))
                tx.session.flush()
                # The rest of the business transaction: without sequencing at commit,
                # a cursor passes over what commits late.
                time.sleep(dice.random() * 0.003)

    consumer = Consumer(database, handlers())
    consumer.start()
    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(effects(database)) >= writers * each)
    consumer.stop()
    by_writer = defaultdict(list)
    for name, count in effects(database):
        by_writer[name].append(count)
    assert by_writer == {f"w{n}": list(range(each)) for n in range(writers)}


@pytest.mark.parametrize("together", [False, True])
def test_what_is_handled_is_timed_under_its_topic(
    database: Database[Transaction], together: bool
) -> None:
    start_of_log(database)
    with database.transaction() as tx:
        for count in range(3):
            tx.publish(Ticked(name="timed", count=count))
    timings: list[tuple[str, bool]] = []

    def note(message: "Message") -> None:
        extra = message.record["extra"]
        if "execution_time_ms" in extra:
            timings.append((extra["operation"], extra["execution_time_ms"] >= 0))

    sink = logger.add(note, level="INFO")
    try:
        drain(Consumer(database, handlers(together=together)))
    finally:
        logger.remove(sink)
    assert timings == [("handle test.ticked", True)] * (1 if together else 3)


def test_an_event_of_a_transaction_that_fails_was_never_published(
    database: Database[Transaction],
) -> None:
    start_of_log(database)
    with pytest.raises(ZeroDivisionError):
        with database.transaction() as tx:
            tx.publish(Ticked(name="never", count=1))
            tx.session.flush()
            1 / 0
    drain(Consumer(database, handlers()))
    assert effects(database) == []


def test_a_consumer_killed_in_mid_batch_repeats_nothing_and_skips_nothing(
    database: Database[Transaction], database_url: str
) -> None:
    start_of_log(database)
    for count in range(60):
        publish(database, "k", count)
    program = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {SUPPORT!r})\n"
        "from events_about_nothing import Ticked, write_effect\n"
        "from trading_system.consumer import Consumer\n"
        "from trading_system.database import Database, Transaction\n"
        "from trading_system.messaging import EventHandlers\n"
        "from trading_system.vocabulary import ServiceName\n"
        "import trading_system.consumer as c\n"
        "c.BATCH = 20\n"
        "on = EventHandlers[Transaction](ServiceName.ANALYTICS)\n"
        "@on(Ticked)\n"
        "def handle(event, tx):\n"
        "    write_effect(event, tx)\n"
        "    if event.count == 30:\n"
        "        tx.session.flush()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "database = Database.connect(os.environ['URL'], Transaction)\n"
        "consumer = Consumer(database, on)\n"
        "while consumer.consume(): pass\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "URL": database_url},
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert [count for _, count in effects(database)] == list(range(20))
    drain(Consumer(database, handlers()))
    assert [count for _, count in effects(database)] == list(range(60))


@pytest.mark.parametrize("together", [False, True])
def test_a_poison_event_holds_its_own_key_only_and_is_parked_after_its_attempts(
    database: Database[Transaction], together: bool
) -> None:
    start_of_log(database)
    poisonous = True

    def handle(event: Ticked, tx: Transaction) -> None:
        write_effect(event, tx)
        if event.name == "bad" and event.count == 0 and poisonous:
            raise ValueError("cannot be")

    consumer = Consumer(database, handlers(handle, together))
    for count in range(3):
        publish(database, "bad", count)
        publish(database, "good", count)
    drain(consumer)
    assert effects(database) == [("good", n) for n in range(3)]
    for _ in range(5):
        with database.transaction() as tx:
            tx.session.query(DeadLetter).update({"next_attempt_at": utc_now()})
        drain(consumer)
    with database.read_only() as tx:
        letters = tx.session.query(DeadLetter).order_by(DeadLetter.seq).all()
    assert [letter.status for letter in letters] == ["parked", "held", "held"]
    assert letters[0].attempts == 6
    assert "ValueError: cannot be" in (letters[0].last_error or "")

    poisonous = False
    with database.transaction() as tx:
        event_log.retry(tx, "analytics", letters[0].event_id, "a person", "mended")
    drain(consumer)
    assert effects(database)[3:] == [("bad", n) for n in range(3)]


@pytest.mark.parametrize("together", [False, True])
def test_an_event_of_newer_code_pauses_the_consumer_and_is_not_lost(
    database: Database[Transaction], together: bool
) -> None:
    start_of_log(database)
    publish(database, "a", 0)
    with database.transaction() as tx:
        tx.session.execute(
            text(
                "insert into shared.event_staging (event_id, topic, key, payload,"
                " schema_version) values (gen_random_uuid(), 'test.ticked', 'a',"
                ' \'{"name": "a", "count": 1}\', 99)'
            )
        )
    publish(database, "a", 2)
    drain(Consumer(database, handlers(together=together)))
    assert effects(database) == [("a", 0)]
    with database.read_only() as tx:
        cursor = tx.session.get_one(ConsumerCursor, "analytics")
        assert cursor.paused and "newer code" in (cursor.paused_reason or "")
        assert log_end(tx) - cursor.last_seq == 2


def test_what_came_together_is_committed_before_the_next_kind_is_begun(
    database: Database[Transaction],
) -> None:
    start_of_log(database)
    batches: list[int] = []
    seen: list[list[tuple[str, int]]] = []
    on = EventHandlers[Transaction](ServiceName.ANALYTICS)

    @on.many(Ticked)
    def handle(events: list[Ticked], tx: Transaction) -> None:
        batches.append(len(events))
        for event in events:
            write_effect(event, tx)

    @on(Chimed)
    def look(event: Chimed, tx: Transaction) -> None:
        seen.append(effects(database))

    with database.transaction() as tx:
        for count in range(3):
            tx.publish(Ticked(name="a", count=count))
        tx.publish(Chimed())
        tx.publish(Ticked(name="a", count=3))
    drain(Consumer(database, on))
    assert batches == [3, 1]
    assert seen == [[("a", 0), ("a", 1), ("a", 2)]]


def test_two_instances_of_a_service_handle_each_event_once(
    database: Database[Transaction],
) -> None:
    start_of_log(database)
    consumers = [Consumer(database, handlers()) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    for count in range(150):
        publish(database, f"n{count % 5}", count)
        if count % 10 == 0:
            for consumer in consumers:
                consumer.ring()
    wait_until(lambda: len(effects(database)) >= 150)
    for consumer in consumers:
        consumer.stop()
    assert sorted(count for _, count in effects(database)) == list(range(150))


def test_killing_valkey_in_mid_run_loses_no_event(
    database: Database[Transaction], tmp_path: Path
) -> None:
    start_of_log(database)
    server = ValkeyServer(tmp_path / "valkey", free_port(), "secret")
    with server.running(tmp_path / "valkey.log"):
        bell = Doorbell(server.url())
        database.committed.append(bell.ring)
        consumer = Consumer(database, handlers())
        bell.listen(lambda topics: consumer.ring())
        consumer.start()
        for count in range(100):
            publish(database, "v", count)
            if count == 40:
                kill(server)
        wait_until(lambda: len(effects(database)) >= 100)
        consumer.stop()
        bell.stop()
        database.committed.remove(bell.ring)
    assert [count for _, count in effects(database)] == list(range(100))


def test_the_log_refuses_to_be_changed(database: Database[Transaction]) -> None:
    publish(database, "a", 0)
    for statement in (
        "update shared.events set key = 'b'",
        "delete from shared.events",
        "truncate shared.events",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            with database.transaction() as tx:
                tx.session.execute(text(statement))


def test_a_read_only_transaction_cannot_write(database: Database[Transaction]) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"):
        with database.read_only() as tx:
            tx.session.execute(text("insert into public.effects (name) values ('x')"))


def test_the_audit_chain_shows_a_change_that_a_superuser_made(
    database: Database[Transaction],
) -> None:
    for number in range(3):
        with database.transaction() as tx:
            tx.audit(
                user_id="someone",
                table_name="test",
                operation="INSERT",
                new_values={"number": number},
                reason="because",
            )
    with database.read_only() as tx:
        assert tx.session.scalar(text("select shared.verify_audit()")) is None
        changed = tx.session.scalar(
            text(
                "select position from shared.audit_chain"
                " join shared.audit_log using (audit_id)"
                " where new_values = '{\"number\": 1}'"
            )
        )
    with database.transaction() as tx:
        tx.session.execute(
            text("alter table shared.audit_log disable trigger append_only")
        )
        tx.session.execute(
            text(
                "update shared.audit_log set new_values = '{\"number\": 99}'"
                " where new_values = '{\"number\": 1}'"
            )
        )
        tx.session.execute(
            text("alter table shared.audit_log enable trigger append_only")
        )
    with database.read_only() as tx:
        assert tx.session.scalar(text("select shared.verify_audit()")) == changed
