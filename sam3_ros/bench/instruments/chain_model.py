"""Writes the model by which a machine's limits are measured: one operator, again and again.

It is written here byte by byte: an ONNX file is a protocol buffer, and a few dozen lines save users
who only run models the library onnx.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise

# Field numbers of onnx.proto3 (github.com/onnx/onnx).
_IR_VERSION, _GRAPH, _OPSET_IMPORT = 1, 7, 8
_NODE, _GRAPH_NAME, _INPUT, _OUTPUT = 1, 2, 11, 12


class Element(IntEnum):
    """Element types by the numbers of onnx.TensorProto.DataType."""

    FLOAT = 1
    FLOAT16 = 10


def chain_model(
    operator: str,
    shape: Sequence[int],
    links: int,
    element: Element = Element.FLOAT,
    averaged: bool = False,
) -> bytes:
    """Return an ONNX model that computes c = operator(... operator(operator(a, b), b) ..., b).

    a and b have the shape; c has it too or, if `averaged`, is the mean of all elements, of shape
    [1, ..., 1]. Who reads that has waited for everything and has copied next to nothing.
    """
    last = "result" if averaged else "c"
    names = ["a", *(f"link{number}" for number in range(1, links)), last]
    nodes = [_node(operator, [left, "b"], out) for left, out in pairwise(names)]
    if averaged:
        nodes.append(_node("ReduceMean", [last], "c"))
    found = [1] * len(shape) if averaged else shape
    parts = [
        *(_bytes(_NODE, node) for node in nodes),
        _text(_GRAPH_NAME, "chain"),
        *(_bytes(_INPUT, _value(name, shape, element)) for name in "ab"),
        _bytes(_OUTPUT, _value("c", found, element)),
    ]
    opset = _text(1, "") + _number(2, 13)
    graph = b"".join(parts)
    return _number(_IR_VERSION, 8) + _bytes(_GRAPH, graph) + _bytes(_OPSET_IMPORT, opset)


def _node(operator: str, inputs: Sequence[str], output: str) -> bytes:
    read = b"".join(_text(1, name) for name in inputs)
    return read + _text(2, output) + _text(3, output) + _text(4, operator)


def _value(name: str, shape: Sequence[int], element: Element) -> bytes:
    dimensions = b"".join(_bytes(1, _number(1, side)) for side in shape)
    tensor = _number(1, element) + _bytes(2, dimensions)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
