"""Reads a protocol buffer from a stranger: what every parser reads the same, and nothing else.

Parsers merge a message that occurs twice, take the last of two values, and skip what has an
unexpected type. A reader that does otherwise would check another model than the engine runs, so
this one refuses all of it. The encoding: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
_SIZES = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
#: Bytes of a number at most, and of a field's key or length.
_NUMBER, _SHORT_NUMBER = 10, 5
_SIXTY_FOUR = (1 << 64) - 1


#: Number, wire type, begin and end of a field's content; for a VARINT its value and its end.
Field = tuple[int, int, int, int]


@dataclass(frozen=True)
class MessageKind:
    """The fields of a kind of message."""

    #: In words, for errors: "a node".
    name: str
    #: By number: its wire type, for a field that occurs once at most.
    single: Mapping[int, int]
    #: By number: its wire type, for a field that may be repeated.
    repeated: Mapping[int, int]
    #: Numbers that may be written one by one (by their wire type) or together as bytes.
    packed: Mapping[int, int] = field(default_factory=dict)

    def wire_type(self, number: int, found: int, seen: set[int]) -> int:
        """Return the wire type that a field must have; adds a single one to those seen.

        Raises ValueError for an unknown field, and for a single one that comes again.
        """
        if number in self.single:
            if number in seen:
                raise ValueError(f"{self.name} has field {number} twice")
            seen.add(number)
            return self.single[number]
        if number in self.packed:
            return BYTES if found == BYTES else self.packed[number]
        if number not in self.repeated:
            raise ValueError(f"{self.name} has the unknown field {number}")
        return self.repeated[number]


class StrictReader:
    """Walks through the messages of one file, up to a number of fields."""

    def __init__(self, data: mmap.mmap, most_fields: int) -> None:
        self._data = data
        self._left = most_fields
        self._most = most_fields

    @property
    def fields_read(self) -> int:
        return self._most - self._left

    def fields(self, kind: MessageKind, start: int, end: int) -> Iterator[Field]:
        """Yield every field of a message. Raises ValueError with the reason."""
        data, at = self._data, start
        seen: set[int] = set()
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"it has more than {self._most} parts, weights not counted")
            key = data[at]
            at += 1
            if key >= 0x80:
                key, at = self.number(at - 1, end, _SHORT_NUMBER)
            number, wire = key >> 3, key & 7
            if wire != kind.wire_type(number, wire, seen):
                raise ValueError(f"field {number} of {kind.name} has another type than ONNX says")
            if wire == BYTES:
                size, at = self.number(at, end, _SHORT_NUMBER)
                first, at = at, at + size
            elif wire == VARINT:
                first, at = self.number(at, end, _NUMBER)
            else:
                first, at = at, at + _SIZES[wire]
            if at > end:
                raise ValueError(f"{kind.name} ends in the middle of field {number}")
            yield number, wire, first, at

    def number(self, at: int, end: int, most_bytes: int = _NUMBER) -> tuple[int, int]:
        """Return the number that starts at a byte, of 64 bits, and where it ends."""
        data, value = self._data, 0
        for place in range(min(most_bytes, end - at)):
            byte = data[at + place]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value & _SIXTY_FOUR, at + place + 1
        raise ValueError("it has a number that does not end")

    def integers(self, wire: int, first: int, last: int) -> list[int]:
        """Return whole numbers, int64, that are written one by one or packed."""
        if wire == VARINT:
            return [signed(first)]
        values, at = [], first
        while at < last:
            value, at = self.number(at, last)
            values.append(signed(value))
        return values

    def text(self, start: int, end: int, most: int) -> str:
        """Return a field as text. Raises ValueError for more bytes than `most`, or no UTF-8."""
        if end - start > most:
            raise ValueError(f"it has a name of {end - start} bytes, and {most} are allowed")
        return self._data[start:end].decode("utf-8")

    def bytes(self, start: int, end: int) -> bytes:
        return self._data[start:end]


def signed(value: int) -> int:
    """Return a number of 64 bits as int64."""
    return value - (1 << 64) if value >> 63 else value
