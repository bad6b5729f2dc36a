"""Walks through a protocol buffer, such as an ONNX file, without knowing all of its fields."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_VARINT_BITS = 70


def fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of the content of every field. Raises ValueError, IndexError."""
    at = start
    while at < end:
        key, at = varint(data, at)
        kind = key & 7
        if kind == _BYTES:
            size, at = varint(data, at)
            stop = at + size
        elif kind == _VARINT:
            stop = varint(data, at)[1]
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            stop = at + (8 if kind == _EIGHT_BYTES else 4)
        else:
            raise ValueError(f"it has a field of the unknown kind {kind}")
        if stop > end:
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, at, stop
        at = stop


def messages(data: mmap.mmap, start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the content of every field with this number."""
    for found, value, stop in fields(data, start, end):
        if found == number:
            yield value, stop


def text(data: mmap.mmap, start: int, end: int, number: int) -> str:
    """Return the first field with this number as text; empty if there is none."""
    for first, last in messages(data, start, end, number):
        return bytes(data[first:last]).decode()
    return ""


def varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Return the number that starts at a byte, and where it ends."""
    value = 0
    for shift in range(0, _VARINT_BITS, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it has a number that does not end")
