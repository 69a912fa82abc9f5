"""Asks a process over HTTP whether it is ready, with nothing but sockets.

The supervisor does this several times a second during a start, and stays small.
"""

import asyncio
from urllib.parse import urlsplit

from trading_system.runtime.run_file import RUN_HEADER

PATIENCE = 5.0


async def is_well(url: str, run_id: str) -> bool:
    """Return whether a GET is answered with 200, and by a process of this very run.

    At the port of a process that is not up yet another program may answer.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(
                    f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {host}:{port}\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                head = await reader.readuntil(b"\r\n\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
        return False
    first, *headers = head.decode("latin-1").split("\r\n")
    mark = f"{RUN_HEADER}: {run_id}".lower()
    return first.split()[1:2] == ["200"] and mark in map(str.lower, headers)


async def listens(url: str) -> bool:
    """Return whether somebody listens at the port of a URL."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
