"""Asks a process over HTTP whether it is ready, with nothing but sockets.

The supervisor does this several times a second during a start, and stays small.
"""

import asyncio
from urllib.parse import urlsplit

PATIENCE = 5.0


async def status_of(url: str) -> int | None:
    """Return the HTTP status of a GET, or None when nobody answers."""
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
                words = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


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


async def is_well(url: str) -> bool:
    """Return whether a GET is answered with 200."""
    return await status_of(url) == 200
