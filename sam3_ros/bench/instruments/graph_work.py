"""Counts the arithmetic of an ONNX file for given input shapes, without running it.

2 FLOP for a multiply-add. Convolutions, matrix products and attention are counted; the rest, such
as sums, norms and softmax, is less than a hundredth of these models' arithmetic. Needs the library
onnx (extra `bench`), whose shape inference does the hard part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sam3_ros.bench.instruments.graph_shapes import Shape, inferred_shapes
from sam3_ros.core.errors import BundleError

HOW_TO_GET = "pip install 'sam3_ros[bench]', or pip install onnx"

#: From the shapes of inputs and outputs and the attribute "equation" to FLOP.
Count = Callable[[Sequence[Shape], Sequence[Shape], str], int]


def _convolution(inputs: Sequence[Shape], outputs: Sequence[Shape], _: str) -> int:
    weights = inputs[1]  # [out, in / groups, *kernel]
    return 2 * prod(outputs[0]) * prod(weights[1:])


def _quantised_convolution(inputs: Sequence[Shape], outputs: Sequence[Shape], _: str) -> int:
    return _convolution((inputs[0], inputs[3]), outputs, _)


def _transposed_convolution(inputs: Sequence[Shape], _: Sequence[Shape], __: str) -> int:
    weights = inputs[1]  # [in, out / groups, *kernel]: each input pixel meets all of it
    return 2 * prod(inputs[0]) * prod(weights[1:])


def _matrix_product(inputs: Sequence[Shape], outputs: Sequence[Shape], _: str) -> int:
    return 2 * prod(outputs[0]) * inputs[0][-1]


def _gemm(inputs: Sequence[Shape], outputs: Sequence[Shape], _: str) -> int:
    rows, columns = outputs[0]
    inner = prod(inputs[0]) // rows if rows else 0  # whether transposed or not
    return 2 * rows * columns * inner


def _einsum(inputs: Sequence[Shape], _: Sequence[Shape], equation: str) -> int:
    """Multiply the sizes of all letters, once for each further operand."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if any("." in term for term in terms):
        raise ValueError(f"an einsum with an ellipsis is not counted: {equation}")
    sizes = {
        letter: size
        for term, shape in zip(terms, inputs, strict=True)
        for letter, size in zip(term, shape, strict=True)
    }
    return 2 * max(len(terms) - 1, 0) * prod(sizes.values())


def _attention(inputs: Sequence[Shape], outputs: Sequence[Shape], _: str) -> int:
    """Count q, k, v as [batch, heads, tokens, depth] or [batch, tokens, all heads' depth]."""
    queries, keys = inputs[0], inputs[1]
    return 2 * keys[-2] * (prod(queries) + prod(outputs[0]))


OPERATORS: Mapping[str, Count] = MappingProxyType(
    {
        "Attention": _attention,
        "Conv": _convolution,
        "ConvInteger": _convolution,
        "ConvTranspose": _transposed_convolution,
        "Einsum": _einsum,
        "FusedMatMul": _matrix_product,
        "Gemm": _gemm,
        "MatMul": _matrix_product,
        "MatMulInteger": _matrix_product,
        "MultiHeadAttention": _attention,
        "QLinearConv": _quantised_convolution,
        "QLinearMatMul": _matrix_product,
    }
)

#: Operators with arithmetic in a nested graph.
NESTED = frozenset({"If", "Loop", "Scan"})


@dataclass(frozen=True)
class GraphWork:
    """What a model file does in one run."""

    #: 2 for a multiply-add; a lower bound where `unknown` is not empty.
    flop: int
    #: Of all weights.
    weight_bytes: int
    #: Operators with arithmetic whose shapes could not be inferred.
    unknown: tuple[str, ...] = ()


def can_count() -> bool:
    """Return whether the library onnx is installed."""
    return find_spec("onnx") is not None


def count_work(path: Path, inputs: Mapping[str, Shape]) -> GraphWork:
    """Count a file's work; inputs: shapes by name in the file.

    Raises BundleError for a file that is no ONNX model.
    """
    return _counted(path, tuple(sorted(inputs.items())))


@lru_cache(maxsize=128)
def _counted(path: Path, inputs: tuple[tuple[str, Shape], ...]) -> GraphWork:
    model = _read(path)
    shapes = inferred_shapes(model, dict(inputs))
    flop, unknown = 0, []
    for node in model.graph.node:
        counted = _node_flop(node, shapes)
        if counted is None:
            unknown.append(f"{node.op_type} {node.name}")
        else:
            flop += counted
    return GraphWork(flop, _weight_bytes(model.graph.initializer), tuple(unknown))


def _read(path: Path) -> Any:
    onnx = import_module("onnx")
    try:
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise BundleError(f"{path} cannot be read as an ONNX model: {error}") from error


def _node_flop(node: Any, shapes: Mapping[str, Shape]) -> int | None:
    """Return the FLOP of one node, None where they cannot be counted."""
    if node.op_type in NESTED:
        return None
    if node.op_type not in OPERATORS:
        return 0
    names = [*node.input, node.output[0]]
    if any(name and name not in shapes for name in names):
        return None
    equation = next((each.s.decode() for each in node.attribute if each.name == "equation"), "")
    *inputs, output = (shapes[name] if name else () for name in names)
    try:
        return OPERATORS[node.op_type](inputs, [output], equation)
    except (IndexError, ValueError):
        return None


def _weight_bytes(initializers: Iterable[Any]) -> int:
    onnx = import_module("onnx")
    return sum(
        prod(each.dims) * int(onnx.helper.tensor_dtype_to_np_dtype(each.data_type).itemsize)
        for each in initializers
    )
