import socket
from pathlib import Path

import pytest

from trading_system.runtime import ports
from trading_system.runtime.faults import ExitCode, PortInUse
from trading_system.runtime.ports import Ports

pytestmark = pytest.mark.unit


def test_a_base_gives_eleven_ports_in_a_row() -> None:
    plan = Ports.plan(9000)
    assert plan.gateway == 9000
    assert list(plan.services.values()) == [9001, 9002, 9003, 9004, 9005, 9006]
    assert list(plan.services) == list(ports.SERVICES)
    others = (plan.prefect, plan.exchange, plan.postgres, plan.valkey)
    assert others == (9007, 9008, 9009, 9010)


def test_without_a_base_the_documented_ports_hold() -> None:
    plan = Ports.plan()
    assert (plan.gateway, plan.services["risk"], plan.exchange) == (8000, 8004, 8100)
    assert (plan.prefect, plan.postgres, plan.valkey) == (4200, 25432, 26379)


def test_a_port_in_use_is_one_sentence_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"Port {port} .*--port-base") as caught:
            ports.require_free({"dashboard": port})
    assert caught.value.exit_code is ExitCode.PORT_IN_USE
    ports.require_free({"dashboard": port})


def test_a_database_server_moves_to_another_port_and_stays_there(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ports.json"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        moved = ports.server_port(file, "postgres", taken)
        assert moved != taken
        assert moved in ports.FALLBACK_PORTS
    assert ports.server_port(file, "postgres", taken) == moved
