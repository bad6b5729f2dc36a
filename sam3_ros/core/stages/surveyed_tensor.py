"""One tensor of an ONNX file from a stranger: weights, or a constant of an operator.

It must have as many numbers as its shape says, here or in a file beside. Else an engine takes
memory for a shape that nothing is behind.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from math import prod

from sam3_ros.core.stages.strict_protobuf import (
    BYTES,
    EIGHT_BYTES,
    FOUR_BYTES,
    VARINT,
    Field,
    MessageKind,
    StrictReader,
)

MOST_AXES = 16
#: Elements of a constant whose numbers are read: those of a shape, or of the pads of one.
SMALL = 2 * MOST_AXES
#: Of a name in bytes.
NAME_BYTES = 4096

_DIMENSIONS, _DATA_TYPE, _SEGMENT, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 3, 8, 9, 13, 14
_FLOATS, _INT32S, _STRINGS, _INT64S, _DOUBLES, _UINT64S = 4, 5, 6, 7, 10, 11
_TYPED = frozenset({_FLOATS, _INT32S, _INT64S, _DOUBLES, _UINT64S})
_TENSOR = MessageKind(
    "a tensor",
    {
        _DATA_TYPE: VARINT,
        _LOCATION: VARINT,
        **dict.fromkeys((_SEGMENT, _NAME, 12, _RAW), BYTES),
    },
    dict.fromkeys((_STRINGS, _EXTERNAL, 16), BYTES),
    {
        **dict.fromkeys((_DIMENSIONS, _INT32S, _INT64S, _UINT64S), VARINT),
        _FLOATS: FOUR_BYTES,
        _DOUBLES: EIGHT_BYTES,
    },
)
_ENTRY = MessageKind("an entry of external data", {1: BYTES, 2: BYTES}, {})
#: What a tensor may say about its external data. Engines read more, such as weights that were
#: prepared for one kind of CPU.
_EXTERNAL_KEYS = frozenset({"location", "offset", "length", "checksum"})

# TensorProto.DataType to bits of an element, of numbers and truth values.
_BITS = {
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((7, 11, 13), 64),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
}
# TensorProto.DataType to how `struct` reads a number, of the types that sizes come in.
_FORMATS = {1: "f", 6: "i", 7: "q", 11: "d"}
_LARGEST = 1 << 62
#: TensorProto.DataLocation.EXTERNAL
_IN_A_FILE = 1


@dataclass(frozen=True)
class ExternalData:
    """The numbers of a tensor in another file."""

    #: As the file names it, from its own folder.
    location: str
    #: Of the first byte.
    offset: int
    #: In bytes.
    length: int


@dataclass(frozen=True)
class SurveyedTensor:
    """What was found in a tensor."""

    name: str
    external: ExternalData | None = None
    #: Of a small constant that is here; None for any other.
    numbers: list[float] | None = None


def surveyed_tensor(reader: StrictReader, start: int, end: int) -> SurveyedTensor:
    """Check a TensorProto. Raises ValueError with the reason."""
    parts = _Parts()
    for number, wire, first, last in reader.fields(_TENSOR, start, end):
        parts.add(reader, number, wire, first, last)
    elements, size = parts.elements, parts.size
    if parts.external or parts.location:
        if parts.raw is not None or parts.typed or parts.location != _IN_A_FILE:
            raise ValueError(f"tensor {parts.name!r} has numbers here and in another file")
        return SurveyedTensor(parts.name, _external(parts.name, parts.external, size))
    if parts.raw is not None and (parts.raw[1] - parts.raw[0] != size or parts.typed):
        raise ValueError(f"{parts.described} has {size} bytes, and others in the file")
    if parts.raw is None and elements > 2 * sum(_written(*each[1:]) for each in parts.typed):
        raise ValueError(f"{parts.described} has too few numbers in the file")
    if elements > SMALL or parts.kind not in _FORMATS:
        return SurveyedTensor(parts.name)
    return SurveyedTensor(parts.name, numbers=_numbers(reader, parts))


@dataclass
class _Parts:
    """The fields of a tensor while it is read."""

    name: str = ""
    kind: int = 0
    location: int = 0
    dims: list[int] = field(default_factory=list)
    #: Begin and end.
    raw: tuple[int, int] | None = None
    typed: list[Field] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)

    def add(self, reader: StrictReader, number: int, wire: int, first: int, last: int) -> None:
        if number == _DIMENSIONS:
            if len(self.dims) >= MOST_AXES or (wire == BYTES and last - first > 10 * MOST_AXES):
                raise ValueError(f"a tensor has more than {MOST_AXES} dimensions")
            self.dims += reader.integers(wire, first, last)
        elif number == _DATA_TYPE:
            self.kind = first
        elif number == _LOCATION:
            self.location = first
        elif number == _NAME:
            self.name = reader.text(first, last, NAME_BYTES)
        elif number == _RAW:
            self.raw = (first, last)
        elif number == _EXTERNAL:
            self._add_external(*_entry(reader, first, last))
        elif number in _TYPED:
            self.typed.append((number, wire, first, last))
        elif number == _SEGMENT:
            raise ValueError("a tensor is in several pieces")

    def _add_external(self, key: str, value: str) -> None:
        if key in self.external or key not in _EXTERNAL_KEYS:
            raise ValueError(f"tensor {self.name!r} says {key!r} of its external data")
        self.external[key] = value

    @property
    def described(self) -> str:
        return f"tensor {self.name!r} of shape {'x'.join(map(str, self.dims)) or '()'}"

    @property
    def elements(self) -> int:
        """How many numbers it has. Raises ValueError for a shape that cannot be."""
        if any(not 0 <= each < _LARGEST for each in self.dims) or prod(self.dims) > _LARGEST:
            raise ValueError(f"{self.described}: no memory holds it")
        return prod(self.dims)

    @property
    def size(self) -> int:
        """Bytes of its numbers. Raises ValueError if it holds none."""
        if self.kind not in _BITS:
            raise ValueError(f"tensor {self.name!r} of data type {self.kind} holds no numbers")
        return (self.elements * _BITS[self.kind] + 7) // 8


def _entry(reader: StrictReader, start: int, end: int) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, _, first, last in reader.fields(_ENTRY, start, end):
        texts[number] = reader.text(first, last, NAME_BYTES)
    return texts[1], texts[2]


def _external(name: str, entries: dict[str, str], size: int) -> ExternalData:
    if "location" not in entries:
        raise ValueError(f"tensor {name!r} is in another file, and does not say in which")
    location = entries["location"]
    offset, length = entries.get("offset", "0"), entries.get("length", str(size))
    for each in (offset, length):
        if not (each.isascii() and each.isdigit() and len(each) < 19):
            raise ValueError(f"tensor {name!r} starts at {offset!r} and has {length!r} bytes")
    if int(length) != size:
        raise ValueError(f"tensor {name!r} has {size} bytes, and of external data {length}")
    return ExternalData(location, int(offset), size)


def _written(wire: int, first: int, last: int) -> int:
    """Return how many numbers a field has at most: one a byte if they have no fixed length."""
    return last - first if wire == BYTES else 1


def _numbers(reader: StrictReader, parts: _Parts) -> list[float]:
    form = _FORMATS[parts.kind]
    if parts.raw is not None:
        return _unpacked(form, reader.bytes(*parts.raw))
    if sum(_written(*each[1:]) for each in parts.typed) > 10 * SMALL:
        raise ValueError(f"{parts.described} has more numbers than that in the file")
    found: list[float] = []
    for number, wire, first, last in parts.typed:
        if number in (_INT32S, _INT64S):
            found += reader.integers(wire, first, last)
        elif number in (_FLOATS, _DOUBLES):
            found += _unpacked("f" if number == _FLOATS else "d", reader.bytes(first, last))
    return found


def _unpacked(form: str, data: bytes) -> list[float]:
    whole = len(data) // struct.calcsize(form)
    return list(struct.unpack_from(f"<{whole}{form}", data))
