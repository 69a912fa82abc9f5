"""`trading events`, through a service over HTTP, on a log with a poison event in it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from events_about_nothing import Ticked, effects, write_effect
from fastapi import APIRouter
from sqlalchemy import text
from typer.testing import CliRunner

from trading_system.cli import app as commands
from trading_system.cli import installation
from trading_system.clients import Services
from trading_system.clock import monotonic, sleep, utc_now
from trading_system.config.settings import Settings
from trading_system.database import Database, Transaction
from trading_system.messaging import EventHandlers, log_end
from trading_system.models import ConsumerCursor
from trading_system.personal_tokens import new_token, token_hash
from trading_system.runtime.ports import free_port
from trading_system.service import create_app
from trading_system.vocabulary import ServiceName, new_id

pytestmark = pytest.mark.integration

ADMIN, READER = new_token(), new_token()


@dataclass
class Bench:
    """A service that reads the log, and a person who types."""

    database: Database[Transaction]
    url: str
    poison: set[tuple[str, int]] = field(default_factory=set)
    token: str = ADMIN

    def publish(self, name: str, *counts: int, **more: Any) -> None:
        for count in counts:
            with self.database.transaction() as tx:
                tx.publish(Ticked(name=name, count=count, **more))

    def handle(self, event: Ticked, tx: Transaction) -> None:
        write_effect(event, tx)
        if (event.name, event.count) in self.poison:
            raise ValueError("cannot be")

    def run(self, *words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(commands, ["events", *words, "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if done.stdout else done.stderr

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = monotonic() + 120
        while not holds():
            assert monotonic() < deadline, "it did not come to pass"
            sleep(0.02)

    def letters(self) -> list[tuple[int, str]]:
        found = self.run("dead", "list", "--consumer", "analytics")
        return [(letter["seq"], letter["status"]) for letter in found]

    def sql(self, statement: str, **values: Any) -> Any:
        with self.database.transaction() as tx:
            result = tx.session.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def park(self) -> None:
        """Let the poison event use up its attempts."""
        self.until(lambda: bool(self.letters()))
        while self.letters()[0][1] != "parked":
            self.sql("update shared.dead_letters set next_attempt_at = now()")
            sleep(0.02)

    def audited(self) -> list[tuple[str, str, str]]:
        rows = self.sql(
            "select operation, user_id, reason from shared.audit_log"
            " where table_name in ('shared.dead_letters', 'shared.consumers')"
            " and at > now() - interval '10 minutes' order by audit_id"
        )
        return [tuple(row) for row in rows]


@pytest.fixture
def bench(
    database: Database[Transaction],
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    port = free_port()
    made = Bench(database, f"http://127.0.0.1:{port}")
    with database.transaction() as tx:
        # The log is never emptied: begin at its present end.
        tx.session.add(ConsumerCursor(consumer="analytics", last_seq=log_end(tx)))
    on = EventHandlers[Transaction](ServiceName.ANALYTICS)
    on(Ticked)(made.handle)
    app = create_app(
        ServiceName.ANALYTICS,
        Settings(
            postgres_url=database_url,
            redis_url=redis_url,
            trading_data_dir=tmp_path,
            service_token_hashes={
                token_hash(ADMIN): {"caller": "cli", "scopes": ["admin"]},
                token_hash(READER): {"caller": "reader", "scopes": ["read"]},
            },
        ),
        APIRouter(),
        on=on,
        transaction=Transaction,
    )
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)

    @contextmanager
    def services(data_dir: Path | None) -> Iterator[Services]:
        asking = Settings(
            service_urls=dict.fromkeys(ServiceName, made.url), service_token=made.token
        )
        with Services(asking, acting_for="ann") as found:
            yield found

    monkeypatch.setattr(installation, "services", services)
    thread.start()
    made.until(lambda: server.started)
    yield made
    server.should_exit = True
    thread.join(20)


def test_events_are_found_by_topic_chain_and_time(bench: Bench) -> None:
    chain = new_id()
    bench.publish("a", 0, 1)
    began = utc_now()
    bench.publish("b", 2, correlation_id=chain)
    newest = bench.run("list", "--topic", "test.ticked", "--limit", "3")
    assert [event["payload"]["count"] for event in newest] == [2, 1, 0]
    first = newest[-1]["seq"]
    after = bench.run("list", "--after", str(first))
    assert [event["seq"] for event in after] == [first + 1, first + 2]
    (found,) = bench.run("list", "--correlation-id", str(chain))
    assert (found["key"], found["correlation_id"]) == ("b", str(chain))
    assert bench.run("list", "--since", began.isoformat()) == [found]
    assert found in bench.run("list", "--since", "5m")
    assert bench.run("list", "--topic", "test.nothing") == []
    for word in ("yesterday", "2026-03-02T14:30"):
        assert "is no time" in bench.run("list", "--since", word, code=2)


def test_an_event_says_who_has_handled_it(bench: Bench) -> None:
    bench.publish("a", 0)
    bench.until(lambda: bool(effects(bench.database)))
    (event,) = bench.run("list", "--limit", "1")
    shown = bench.run("show", str(event["seq"]))
    assert (shown["payload"]["name"], shown["payload"]["count"]) == ("a", 0)
    assert [(h["consumer"], h["status"]) for h in shown["handling"]] == [
        ("analytics", "handled")
    ]
    assert bench.run("show", shown["event_id"]) == shown
    for nothing in ("999999999", str(new_id()), "nonsense"):
        assert "There is no event" in bench.run("show", nothing, code=7)


def test_a_consumer_that_is_held_up_says_how_late_it_is(bench: Bench) -> None:
    with bench.database.transaction() as tx:
        # As long as somebody holds its cursor it reads nothing.
        tx.session.execute(text("select * from shared.consumers for update"))
        bench.publish("a", 0, 1, 2)
        late = bench.run("consumers")[0]
        assert (late["consumer"], late["behind"], late["aside"]) == ("analytics", 3, 0)
        assert late["lag_seconds"] > 0 and late["end"] - late["position"] == 3
    bench.until(lambda: bench.run("consumers")[0]["behind"] == 0)
    caught_up = bench.run("consumers")[0]
    assert (caught_up["lag_seconds"], caught_up["position"]) == (0, caught_up["end"])


def test_a_parked_event_is_attempted_again_when_a_person_says_so(bench: Bench) -> None:
    bench.poison = {("a", 0)}
    bench.publish("a", 0, 1)
    bench.park()
    (first, status), (_, behind) = bench.letters()
    assert (status, behind) == ("parked", "held")
    letter, held = bench.run("dead", "list")[:2]
    shown = bench.run("dead", "show", letter["event_id"], "--consumer", "analytics")
    assert shown["payload"]["count"] == 0 and "cannot be" in shown["last_error"]
    why = ("--consumer", "analytics", "--reason", "mended")
    assert "waits behind" in bench.run("dead", "retry", held["event_id"], *why, code=8)
    bench.poison.clear()
    bench.run("dead", "retry", letter["event_id"], *why)
    bench.until(lambda: len(effects(bench.database)) == 2)
    assert effects(bench.database) == [("a", 0), ("a", 1)]
    assert bench.letters() == []
    assert bench.audited()[-1] == ("RETRY", "ann", "mended")
    assert "replayed already" in bench.run(
        "dead", "retry", letter["event_id"], *why, code=8
    )
    assert bench.run("show", str(first))["handling"][0]["status"] == "replayed"


def test_a_discarded_event_is_gone_for_good_and_frees_its_key(bench: Bench) -> None:
    bench.poison = {("a", 0)}
    bench.publish("a", 0, 1)
    bench.park()
    letter = bench.run("dead", "list")[0]
    why = ("--consumer", "analytics", "--reason", "nobody needs it")
    assert "no terminal" in bench.run(
        "dead", "discard", letter["event_id"], *why, code=2
    )
    bench.run("dead", "discard", letter["event_id"], *why, "--yes")
    bench.until(lambda: effects(bench.database) == [("a", 1)])
    assert bench.audited()[-1] == ("DISCARD", "ann", "nobody needs it")
    decided = bench.run("dead", "list", "--consumer", "analytics", "--decided")
    assert [(one["status"], one["decided_by"]) for one in decided][0] == (
        "discarded",
        "ann",
    )
    bench.poison.clear()
    (again,) = bench.run(
        *("replay", "--consumer", "analytics", "--from", str(letter["seq"])),
        *("--reason", "to see", "--yes"),
    )
    assert (again["examined"], again["to_handle"]) == (2, 0)
    bench.publish("b", 5)
    bench.until(lambda: ("b", 5) in effects(bench.database))
    assert effects(bench.database) == [("a", 1), ("b", 5)]


def test_a_replay_handles_what_was_missed_and_nothing_twice(bench: Bench) -> None:
    bench.publish("a", 0, 1, 2)
    bench.until(lambda: len(effects(bench.database)) == 3)
    events = bench.run("list", "--limit", "3")
    missed, first = events[1], str(events[-1]["seq"])
    # As after a restore: one effect, and the note of it, are not there any more.
    bench.sql("delete from public.effects where count = 1")
    bench.sql("delete from shared.inbox where seq = :seq", seq=missed["seq"])
    asked = ("replay", "--consumer", "analytics", "--from", first, "--reason", "backup")
    (counted,) = bench.run(*asked, "--dry-run")
    assert counted["dry_run"] and counted["to_handle"] == 1
    assert (counted["examined"], counted["handled"]) == (3, 2)
    assert bench.run("consumers")[0]["behind"] == 0
    assert "no terminal" in bench.run(*asked, code=2)
    bench.run(*asked, "--yes")
    bench.until(lambda: len(effects(bench.database)) == 3)
    bench.until(lambda: bench.run("consumers")[0]["behind"] == 0)
    assert sorted(effects(bench.database)) == [("a", 0), ("a", 1), ("a", 2)]
    assert bench.audited()[-1] == ("REPLAY", "ann", "backup")
    assert "reason" in bench.run(*asked[:-1], "x", "--yes", code=2)
    beyond = ("replay", "--consumer", "analytics", "--from", "99999999")
    assert "nothing to replay" in bench.run(
        *beyond, "--reason", "backup", "--yes", code=8
    )


def test_a_paused_consumer_goes_on_when_a_person_says_so(bench: Bench) -> None:
    resume = ("resume", "--consumer", "analytics", "--reason", "updated", "--yes")
    assert "is not paused" in bench.run(*resume, code=8)
    bench.sql("update shared.consumers set paused = true, paused_reason = 'newer'")
    bench.publish("a", 0)
    assert bench.run("consumers")[0]["paused_reason"] == "newer"
    assert effects(bench.database) == []
    bench.run(*resume)
    bench.until(lambda: effects(bench.database) == [("a", 0)])
    assert bench.audited()[-1] == ("RESUME", "ann", "updated")


def test_who_may_only_read_decides_nothing(bench: Bench) -> None:
    bench.publish("a", 0)
    bench.token = READER
    assert bench.run("consumers")[0]["consumer"] == "analytics"
    asked = ("--consumer", "analytics", "--reason", "curious", "--yes")
    for words in (
        ("replay", "--from", "1", *asked),
        ("resume", *asked),
        ("dead", "discard", str(new_id()), *asked),
        ("dead", "retry", str(new_id()), *asked[:-1]),
    ):
        done = CliRunner().invoke(commands, ["events", *words])
        assert done.exit_code != 0 and "it needs `admin`" in done.output
