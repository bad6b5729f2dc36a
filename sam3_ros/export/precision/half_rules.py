"""Which operators may compute in half precision: in files for any engine, and in those for GPUs.

An engine on a GPU sums in single precision within each of its operators, whatever its tensors are.
So an operator that normalises takes and gives half there.
"""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.export.operators import ATTENTION

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
# fmt: off
MOVEMENTS = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherND", "Identity", "MaxPool",
    "Pad", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
})
POINTWISE = frozenset({
    "Abs", "Add", "Clip", "Div", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Max", "Min",
    "Mul", "Neg", "PRelu", "Relu", "Sigmoid", "Sub", "Tanh", "Where",
})
# fmt: on
FOLLOWERS = MOVEMENTS | POINTWISE

#: They read no value, only its shape.
SIZES = frozenset({"Shape", "Size"})
# Operators with sums inside, and curves that are steep nowhere.
# fmt: off
_SUMMING = frozenset({
    "AveragePool", "GlobalAveragePool", "InstanceNormalization", "LayerNormalization", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceSum", "Softmax",
})
# fmt: on
_CURVES = frozenset({"Erf", "FastGelu"})
_ROUNDINGS = frozenset({"Floor", "Round"})  # of levels, which half has all


@dataclass(frozen=True)
class HalfRules:
    """Which operators may compute in half precision."""

    #: They take half inputs wherever they are.
    products: frozenset[str]
    #: They compute in half where all their inputs are half; with `sums_in_single` where any is.
    followers: frozenset[str]
    #: The engine sums in single precision inside an operator.
    sums_in_single: bool

    @property
    def listed(self) -> frozenset[str]:
        """All operators that may compute in half."""
        return self.products | self.followers


#: For files that any engine reads.
ANYWHERE = HalfRules(PRODUCTS, FOLLOWERS, sums_in_single=False)
#: For files that only engines on a GPU read.
ON_GPU = HalfRules(
    PRODUCTS | {ATTENTION},
    FOLLOWERS | _SUMMING | _CURVES | _ROUNDINGS | {"Cast", "Resize"},
    sums_in_single=True,
)
