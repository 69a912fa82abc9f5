"""Whose process answers: a stack takes no other program for its own."""

import http.server
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from reserved_ports import reserved_ports
from supervised import SLEEPS, supervisor_of

from trading_system.runtime import probe
from trading_system.runtime.component import Component
from trading_system.runtime.data_directory import DataDirectory
from trading_system.runtime.faults import DependencyDown, ExitCode, PortInUse

pytestmark = pytest.mark.integration

APP = textwrap.dedent("""
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"well"})
    """)


class Well(http.server.BaseHTTPRequestHandler):
    """Says that all is well, whoever asks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def stranger() -> Iterator[int]:
    """Another program that answers everything with 200, and its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Well) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def directory(place: Path) -> DataDirectory:
    found = DataDirectory(place)
    found.create()
    (place / "tiny.py").write_text(APP)
    return found


def answering(port: int, *, patience: float = 60.0, code: str = "") -> Component:
    url = f"http://127.0.0.1:{port}"
    program = ("-c", code) if code else ("-m", "uvicorn", "tiny:app")
    options = () if code else ("--port", str(port))
    return Component(
        "service",
        (sys.executable, *program, *options),
        {},
        url=url,
        health=f"{url}/health/ready",
        patience=patience,
    )


async def test_two_stacks_side_by_side_know_their_own(tmp_path: Path) -> None:
    with reserved_ports() as first, reserved_ports() as second:
        left, _ = supervisor_of(directory(tmp_path / "a"), [answering(first)])
        right, _ = supervisor_of(directory(tmp_path / "b"), [answering(second)])
        try:
            await left.start()
            await right.start()
            mine, other = left.run.run_id, right.run.run_id
            at = f"http://127.0.0.1:{first}/health/ready"
            assert await probe.is_well(at, mine)
            assert not await probe.is_well(at, other)
            assert await probe.is_well(at.replace(str(first), str(second)), other)
        finally:
            await left.stop()
            await right.stop()


async def test_the_exchange_says_whose_it_is(tmp_path: Path) -> None:
    with reserved_ports() as port:
        url = f"http://127.0.0.1:{port}"
        command = (sys.executable, "-m", "paper_exchange", "--port", str(port))
        place = directory(tmp_path / "data")
        exchange = Component(
            "exchange",
            (*command, "--data-dir", str(place.exchange)),
            {"PYTHONPATH": ":".join(filter(None, sys.path))},
            url=url,
            health=f"{url}/health",
        )
        supervisor, progress = supervisor_of(place, [exchange])
        try:
            await supervisor.start()
            assert progress.became_ready == ["exchange"]
            assert not await probe.is_well(f"{url}/health", "another run")
        finally:
            await supervisor.stop()


async def test_a_stranger_at_our_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    with stranger() as port:
        unit = answering(port, patience=0.5, code=SLEEPS)
        supervisor, progress = supervisor_of(directory(tmp_path / "data"), [unit])
        with pytest.raises(DependencyDown, match="service is not ready after 0.5 s"):
            await supervisor.start()
        await supervisor.stop()
        assert not progress.became_ready


async def test_a_port_taken_during_the_start_is_one_sentence(tmp_path: Path) -> None:
    with stranger() as port:
        place = directory(tmp_path / "data")
        supervisor, progress = supervisor_of(place, [answering(port)])
        with pytest.raises(
            PortInUse, match=rf"Port {port} \(service\).*--port-base"
        ) as (caught):
            await supervisor.start()
        await supervisor.stop()
        assert caught.value.exit_code is ExitCode.PORT_IN_USE
        assert not progress.became_ready


async def test_a_start_that_takes_long_is_spoken_of_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_system.runtime.supervisor.SLOW", 0.0)
    with reserved_ports() as port:
        place = directory(tmp_path / "data")
        supervisor, progress = supervisor_of(place, [answering(port)])
        try:
            await supervisor.start()
            assert progress.notes == ["service is slow; waiting for it"]
            assert progress.became_ready == ["service"]
        finally:
            await supervisor.stop()
