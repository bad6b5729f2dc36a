"""The inputs and outputs that an ONNX file declares, read without loading its weights.

TensorRT wants the range of every open dimension before a session is made. The file is a protocol
buffer (onnx.proto of the ONNX project has the numbers of the fields); all but these declarations is
skipped.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sam3_ros.core.errors import BackendError

Shape = tuple[int | str | None, ...]

# Fields of ModelProto, GraphProto, ValueInfoProto, TypeProto, TypeProto.Tensor, TensorShapeProto
# and its Dimension.
_GRAPH, _NAME, _TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION = 7, 1, 2, 1, 2, 1
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12
_INITIALIZER_NAME, _DIM_VALUE, _DIM_PARAM = 8, 1, 2
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_VARINT_BITS = 70


@dataclass(frozen=True)
class ModelTensors:
    """Shapes by name; an open dimension is its symbolic name, or None where it has none."""

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def model_tensors(path: Path) -> ModelTensors:
    """Raises BackendError for a file that cannot be read as an ONNX model."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _tensors(data)
    except (OSError, ValueError, IndexError) as error:
        raise BackendError(f"{path} is no ONNX model: {error}") from error


def _tensors(data: mmap.mmap) -> ModelTensors:
    inputs: dict[str, Shape] = {}
    outputs: dict[str, Shape] = {}
    weights: set[str] = set()
    for start, end in _messages(data, 0, len(data), _GRAPH):
        for number, value, stop in _fields(data, start, end):
            if number == _INITIALIZER:
                weights.add(_text(data, value, stop, _INITIALIZER_NAME))
            elif number in (_INPUT, _OUTPUT):
                found = inputs if number == _INPUT else outputs
                found[_text(data, value, stop, _NAME)] = _shape(data, value, stop)
    if not outputs:
        raise ValueError("it declares no outputs")
    fed = {name: shape for name, shape in inputs.items() if name not in weights}
    return ModelTensors(fed, outputs)


def _shape(data: mmap.mmap, start: int, end: int) -> Shape:
    spans = [(start, end)]
    for number in (_TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION):
        spans = [span for each in spans for span in _messages(data, *each, number)]
    return tuple(_dimension(data, *span) for span in spans)


def _dimension(data: mmap.mmap, start: int, end: int) -> int | str | None:
    for number, value, stop in _fields(data, start, end):
        if number == _DIM_VALUE:
            return _varint(data, value)[0]
        if number == _DIM_PARAM:
            return bytes(data[value:stop]).decode()
    return None


def _text(data: mmap.mmap, start: int, end: int, number: int) -> str:
    for first, last in _messages(data, start, end, number):
        return bytes(data[first:last]).decode()
    return ""


def _messages(data: mmap.mmap, start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    for found, value, stop in _fields(data, start, end):
        if found == number:
            yield value, stop


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of the content of every field."""
    at = start
    while at < end:
        key, at = _varint(data, at)
        stop = _end(data, at, key & 7)
        if key & 7 == _BYTES:
            size, at = _varint(data, at)
            stop = at + size
        if stop > end:
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, at, stop
        at = stop


def _end(data: mmap.mmap, at: int, kind: int) -> int:
    if kind in (_VARINT, _BYTES):
        return _varint(data, at)[1]
    if kind in (_EIGHT_BYTES, _FOUR_BYTES):
        return at + (8 if kind == _EIGHT_BYTES else 4)
    raise ValueError(f"it has a field of the unknown kind {kind}")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _VARINT_BITS, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it has a number that does not end")
