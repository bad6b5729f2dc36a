"""What of a model was left to the CPU by a session that was to run elsewhere.

ONNX Runtime gives the CPU every operator that a provider lacks, without a word. Computing shapes is
meant to be there (onnxruntime pull request 4940); the arithmetic of a network is not: its tensors
would go to and fro at every run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sam3_ros.core.errors import BackendError

#: A session keeps account of its nodes if this is "1"; unknown entries are passed over.
RECORD_PLACEMENT = "session.record_ep_graph_assignment_info"
_CPU = "CPUExecutionProvider"
#: Never part of a computation of shapes.
# fmt: off
ARITHMETIC = frozenset({
    "Attention", "AveragePool", "BatchNormalization", "BiasGelu", "BiasSoftmax", "Conv",
    "ConvInteger", "ConvTranspose", "DynamicQuantizeLinear", "DynamicQuantizeMatMul",
    "Einsum", "Erf", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul", "Gelu", "Gemm",
    "GlobalAveragePool", "GridSample", "GroupNormalization", "HardSwish",
    "InstanceNormalization", "LayerNormalization", "MatMul", "MatMulInteger",
    "MatMulIntegerToFloat", "MaxPool", "MultiHeadAttention", "QGemm", "QLinearConv",
    "QLinearMatMul", "QuickGelu", "Resize", "RoiAlign", "Sigmoid", "SkipLayerNormalization",
    "Softmax", "Tanh"
})
# fmt: on


def nodes_on_cpu(session: Any) -> Counter[str] | None:
    """Operators by number; None where this ONNX Runtime does not tell (it does from 1.24 on)."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    return _on_cpu(session.get_provider_graph_assignment_info())


def require_no_arithmetic(on_cpu: Mapping[str, int], backend: str, path: object) -> None:
    """Raise BackendError if what is left to the CPU is more than shapes and bookkeeping."""
    left = sorted(ARITHMETIC.intersection(on_cpu))
    if left:
        told = ", ".join(f"{on_cpu[name]} {name}" for name in left)
        raise BackendError(
            f"{path} was to run on backend {backend!r}, which leaves {told} to the CPU: take files "
            f"of another precision (int8 is for the CPU), or run this stage on cpu"
        )


def _on_cpu(subgraphs: Iterable[Any]) -> Counter[str]:
    return Counter(
        node.op_type
        for subgraph in subgraphs
        if subgraph.ep_name == _CPU
        for node in subgraph.get_nodes()
    )
