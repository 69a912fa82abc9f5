"""Valkey from the wheel."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from trading_system.runtime import valkey
from trading_system.runtime.ports import free_port
from trading_system.runtime.valkey import ValkeyServer

pytestmark = pytest.mark.integration


def test_it_wants_the_password_and_lets_clients_subscribe(redis_url: str) -> None:
    assert valkey.answers(redis_url)
    without_password = "redis://" + redis_url.split("@")[1]
    assert not valkey.answers(without_password)
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as pubsub:
        pubsub.subscribe("bell")
        assert pubsub.get_message(timeout=5) is not None
        client.publish("bell", b"1")
        message = pubsub.get_message(timeout=5)
        assert message is not None and message["data"] == b"1"


def test_its_password_stands_in_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path / "valkey", free_port(), "hidden")
    server.initialise()
    assert server.configuration_file.stat().st_mode & 0o077 == 0
    assert "hidden" not in " ".join(server.command())


def test_its_stand_in_on_windows_rings_doorbells_too(tmp_path: Path) -> None:
    pytest.importorskip("fakeredis", reason="installed on Windows only")
    server = ValkeyServer(tmp_path / "valkey", free_port(), "hidden")
    server.initialise()
    module = "trading_system.runtime.fake_valkey"
    command = [sys.executable, "-m", module, str(server.configuration_file)]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + 60
            while not server.is_ready() and time.monotonic() < deadline:
                time.sleep(0.05)
            with redis.Redis.from_url(server.url()) as client:
                assert client.set("bar", b"1", ex=60)
                assert client.get("bar") == b"1"
                with client.pubsub() as pubsub:
                    pubsub.subscribe("bell")
                    assert pubsub.get_message(timeout=5) is not None
                    client.publish("bell", b"7")
                    message = pubsub.get_message(timeout=5)
                    assert message is not None and message["data"] == b"7"
        finally:
            process.kill()
