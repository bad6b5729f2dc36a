"""A GIF: its size, its frames, and a file of nothing but its first one.

Facts: the GIF89a specification. Comments and other extensions, however many, reach no decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.core.errors import ImageError

_SCREEN_END = 13
_EXTENSION, _FRAME, _TRAILER = b"!", b",", b";"
_CONTROL = 0xF9
_END = b";"
# Bytes between blocks that are none.
_MOST_STRAY = 4096


@dataclass(frozen=True)
class GifLayout:
    """The parts of a GIF."""

    #: Of its screen, and as far as the first frame reaches.
    width: int
    height: int
    frames: int
    #: The file with its first frame alone.
    alone: bytes


def gif_layout(data: bytes) -> GifLayout:
    """Read the blocks of a GIF. Raises ImageError where it has no frame."""
    if len(data) < _SCREEN_END:
        raise ImageError(f"expected a whole GIF, got {len(data)} bytes")
    position = _SCREEN_END + _table_bytes(data[10])
    head, control, first = data[:position], b"", b""
    frames = stray = 0
    reach = (0, 0)
    while position < len(data):
        start, kind = position, data[position : position + 1]
        if kind == _EXTENSION:
            position = _behind_blocks(data, position + 2)
            if not frames and data[start + 1 : start + 2] == bytes([_CONTROL]):
                control = data[start:position]
        elif kind == _FRAME:
            flags = data[position + 9 : position + 10] or b"\0"
            position = _behind_blocks(data, position + 11 + _table_bytes(flags[0]))
            frames += 1
            if frames == 1:
                first = data[start:position]
                left, top, width, height = (
                    int.from_bytes(first[at : at + 2], "little") for at in (1, 3, 5, 7)
                )
                reach = left + width, top + height
        elif kind == _TRAILER:
            break
        else:
            position, stray = position + 1, stray + 1
            if stray > _MOST_STRAY:
                break
    if not frames:
        raise ImageError(f"expected a whole GIF, got {len(data)} bytes without a frame")
    end = _END if position <= len(data) else b""  # one that was cut has none
    screen = (int.from_bytes(data[at : at + 2], "little") for at in (6, 8))
    width, height = (max(each) for each in zip(screen, reach, strict=True))
    return GifLayout(width, height, frames, head + control + first + end)


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(data: bytes, position: int) -> int:
    """Return where a chain of blocks ends; behind the end of the data where it was cut."""
    while position < len(data) and (size := data[position]):
        position += 1 + size
    return position + 1
