"""Ports that no other test takes, in this session or in another on the machine."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from trading_system.runtime.ports import is_free

# Below the range from which outgoing connections take their ports.
BLOCKS = range(21000, 31000, 20)


@contextmanager
def reserved_ports() -> Iterator[int]:
    """Yield the first of nineteen ports in a row on which nothing listens.

    The twentieth is bound until the end, which tells every other test to look on.
    """
    for base in random.sample(BLOCKS, len(BLOCKS)):
        with socket.socket() as sign:
            try:
                sign.bind(("127.0.0.1", base + BLOCKS.step - 1))
            except OSError:
                continue
            if all(is_free(port) for port in range(base, base + BLOCKS.step - 1)):
                yield base
                return
    raise RuntimeError("no free range of ports")
