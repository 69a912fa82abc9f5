"""`python -m trading_system.runtime.fake_valkey FILE`: Valkey's stand-in on Windows.

Serves the protocol from this process's memory, at the port of a `valkey.conf`. Valkey
itself has no build for Windows. The stand-in takes any password: what it holds are
caches and doorbells, and a forged doorbell only wakes a reader.
"""

import sys
from pathlib import Path

from fakeredis import TcpFakeServer


def serve(configuration: Path) -> None:
    """Serve until the process is ended."""
    lines = configuration.read_text(encoding="utf-8").splitlines()
    settings = dict(line.split(" ", 1) for line in lines if line)
    server = TcpFakeServer(("127.0.0.1", int(settings["port"])), server_type="valkey")
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
