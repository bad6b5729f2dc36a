"""How much arithmetic one ONNX operator does, by the shapes that go through it.

2 FLOP a multiply-add. Counted are convolutions, matrix products and attention; what is left, such
as sums, norms and softmax, is less than a hundredth of these models' arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType

Shape = Sequence[int]
#: Shapes of inputs and outputs, and the text of the attribute "equation".
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
    """A product over every letter, as where two operands meet."""
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
    """Of q, k, v as [batch, heads, tokens, depth] or [batch, tokens, all heads' depth]."""
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

#: Operators that hide arithmetic in another graph.
NESTED = frozenset({"If", "Loop", "Scan"})
