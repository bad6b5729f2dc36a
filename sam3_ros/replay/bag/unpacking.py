"""What zstandard and lz4 have compressed, unpacked piece by piece and up to a bound.

A thousand bytes of it can stand for a hundred million, and a bag may be a stranger's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import lz4.frame  # type: ignore[import-untyped]
import zstandard

#: The first bytes of what zstandard has compressed; no CDR message begins so.
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# A piece becomes at most 134 MB.
_PIECE = 4096


class TooLargeError(Exception):
    """There is more than is allowed."""


def unpacked_frames(data: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield what frames of zstandard become, one behind the other.

    data: their bytes, in pieces of any size. Raises zstandard.ZstdError where it is damaged,
    EOFError where it was cut, TooLargeError once it is more than `most` bytes.
    """
    frame = zstandard.ZstdDecompressor().decompressobj()
    size = 0
    for piece in _small(data):
        rest = piece
        while rest:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            found = frame.decompress(rest)
            size += len(found)
            if size > most:
                raise TooLargeError(f"it becomes more than {most} bytes")
            yield found
            rest = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise EOFError("it was cut")


def unpacked_chunk(data: bytes, compression: str, most: int) -> bytes:
    """Return what a chunk becomes, up to the first damage and to `most` bytes.

    compression: zstd or lz4; of any other nothing is returned.
    """
    if compression not in ("zstd", "lz4"):
        return b""
    unpacker: Any = (
        zstandard.ZstdDecompressor().decompressobj()
        if compression == "zstd"
        else lz4.frame.LZ4FrameDecompressor()
    )
    sound = bytearray()
    try:
        for piece in _small([data]):
            sound += unpacker.decompress(piece)
            if len(sound) > most:
                break
    except (zstandard.ZstdError, RuntimeError, EOFError):  # RuntimeError: of lz4
        pass
    return bytes(sound[:most])


def _small(data: Iterable[bytes]) -> Iterator[bytes]:
    for each in data:
        for begin in range(0, len(each), _PIECE):
            yield each[begin : begin + _PIECE]
