"""A file of what was answered and is not in the database yet.

A transaction of the database rewrites whole pages of every index it touches. Here a
turn's changes are one piece at the end of a file, and the database takes many turns
together. What a process has written to a file outlives it, so a killed one loses
nothing: its successor finds it here.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgpack  # type: ignore[import-untyped]

HEAD = struct.Struct("<II")
"""Length and checksum of the piece that follows."""


class Redo:
    """Pieces in the order in which they were added, until they are dropped."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=0)
        self.size = self._file.seek(0, 2)
        # A buffer of its own would be made for every piece.
        self._pack = msgpack.Packer(buf_size=1 << 16).pack

    def add(self, piece: Any) -> None:
        """Write a piece, whole or not at all."""
        content = self._pack(piece)
        head = HEAD.pack(len(content), crc32(content))
        written = self._file.write(head + content)
        if written != len(head) + len(content):
            self._file.truncate(self.size)
            raise OSError("The disk is full: the exchange's state cannot be written.")
        self.size += written

    def pieces(self) -> Iterator[Any]:
        """Yield what was added; a torn piece at the end was never answered."""
        self._file.seek(0)
        content = self._file.read()
        place = 0
        while place + HEAD.size <= len(content):
            length, checksum = HEAD.unpack_from(content, place)
            place += HEAD.size
            piece = content[place : place + length]
            if len(piece) < length or crc32(piece) != checksum:
                return
            place += length
            yield msgpack.unpackb(piece, use_list=False)

    def drop(self) -> None:
        """Forget everything, which the database has now, and what is torn."""
        self._file.truncate(0)
        self.size = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
