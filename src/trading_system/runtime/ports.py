"""Which port each process listens on."""

import json
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trading_system.runtime.faults import DependencyDown, PortInUse

SERVICES = (
    "ingestion",
    "strategy",
    "execution",
    "risk",
    "analytics",
    "notification",
)

# Below the range from which outgoing connections take their ports.
FALLBACK_PORTS = range(20000, 32000)


@dataclass(frozen=True)
class Ports:
    """The ports of one stack, all on the loopback interface."""

    gateway: int
    services: Mapping[str, int]
    prefect: int
    exchange: int
    postgres: int
    valkey: int

    @classmethod
    def plan(cls, base: int | None = None) -> "Ports":
        """Return the default ports, or eleven in a row from a base."""
        if base is None:
            services = {name: 8001 + place for place, name in enumerate(SERVICES)}
            return cls(8000, services, 4200, 8100, 25432, 26379)
        services = {name: base + 1 + place for place, name in enumerate(SERVICES)}
        return cls(base, services, base + 7, base + 8, base + 9, base + 10)


def is_free(port: int) -> bool:
    """Return whether nothing listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A port in TIME_WAIT can be listened on; one with a listener cannot.
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    # In no order: two that look at the same time must not find the same one.
    for port in random.sample(FALLBACK_PORTS, len(FALLBACK_PORTS)):
        if is_free(port):
            return port
    raise DependencyDown(
        f"No port between {FALLBACK_PORTS.start} and {FALLBACK_PORTS.stop} is free.",
        remedy="Stop programs that listen on this machine.",
    )


def server_port(file: Path, server: str, wanted: int) -> int:
    """Return the port of a database server, remembered in a file of the data directory.

    The wanted port when it is free, else the one used before, else any free one.
    """
    remembered: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    for port in (remembered.get(server), wanted):
        if port is not None and is_free(port):
            break
    else:
        port = free_port()
    if remembered.get(server) != port:
        file.write_text(json.dumps(remembered | {server: port}, indent=2))
    return port


def require_free(ports: Mapping[str, int]) -> None:
    """Refuse to start when another program listens on one of the ports."""
    for name, port in ports.items():
        if not is_free(port):
            raise in_use(name, port)


def in_use(name: str, port: int) -> PortInUse:
    """Return the fault of a port that another program has."""
    return PortInUse(
        f"Port {port} ({name}) is in use by another program.",
        remedy="Stop that program, or start with other ports: "
        "trading up --port-base 9000.",
    )
