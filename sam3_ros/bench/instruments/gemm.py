"""Measures the machine's peak in matrix products with the sessions that run the stages.

The same engine with the same threads does nothing but arithmetic. The model is a chain of square
MatMuls, written here byte by byte: an ONNX file is a protocol buffer, and two dozen lines save
users who only run models the library onnx.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.stages.session import Array, OpenSession, Session, SessionOptions

_SIDE, _LINKS = 1536, 4  # large enough to reach the peak
REPEATS, SECONDS = 3, 0.5

# Field numbers of onnx.proto3 (github.com/onnx/onnx).
_IR_VERSION, _GRAPH, _OPSET_IMPORT = 1, 7, 8
_NODE, _GRAPH_NAME, _INPUT, _OUTPUT = 1, 2, 11, 12
_FLOAT = 1


def peak_gflops(
    backend: str, options: SessionOptions, open_with: OpenSession = open_session
) -> float:
    """Return the GFLOP a second of the best run.

    For backends on the CPU only: copies to a device and back would count as arithmetic. Raises
    BackendError as open_session does.
    """
    with TemporaryDirectory(prefix="sam3_ros_gemm_") as folder:
        path = Path(folder) / "gemm.onnx"
        path.write_bytes(matmul_chain(_SIDE, _LINKS))
        session = open_with(path, backend, options)
        try:
            rows = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), np.float32)
            best = _best_seconds(session, {"a": rows, "b": rows / np.float32(_SIDE**0.5)})
        finally:
            session.close()
    return 2 * _SIDE**3 * _LINKS / best / 1e9


def matmul_chain(side: int, links: int) -> bytes:
    """Return an ONNX model that computes c = a · b · b · ..., all f32[side, side]."""
    names = ["a", *(f"link{number}" for number in range(1, links)), "c"]
    nodes = [_node(left, out) for left, out in pairwise(names)]
    parts = [
        *(_bytes(_NODE, node) for node in nodes),
        _text(_GRAPH_NAME, "gemm"),
        *(_bytes(_INPUT, _value(name, side)) for name in "ab"),
        _bytes(_OUTPUT, _value("c", side)),
    ]
    graph = b"".join(parts)
    opset = _text(1, "") + _number(2, 13)
    return _number(_IR_VERSION, 8) + _bytes(_GRAPH, graph) + _bytes(_OPSET_IMPORT, opset)


def _node(left: str, out: str) -> bytes:
    return _text(1, left) + _text(1, "b") + _text(2, out) + _text(3, out) + _text(4, "MatMul")


def _value(name: str, side: int) -> bytes:
    dimension = _bytes(1, _number(1, side))
    tensor = _number(1, _FLOAT) + _bytes(2, dimension * 2)
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


def _best_seconds(session: Session, feeds: dict[str, Array]) -> float:
    session.run(feeds)
    found: list[float] = []
    while len(found) < REPEATS or sum(found) < SECONDS:
        start = time.perf_counter()
        session.run(feeds)
        found.append(time.perf_counter() - start)
    return min(found)
