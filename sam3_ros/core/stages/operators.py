"""Counts the operators of an ONNX file, without loading its weights.

The file is what an engine reads; what it makes of it, such as fused operators, does not show.
"""

from __future__ import annotations

import mmap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.protobuf import messages, text

#: Operators that compute a whole attention, in ONNX and in ONNX Runtime's own domain.
ATTENTION = frozenset(
    {
        "Attention",
        "GroupQueryAttention",
        "MultiHeadAttention",
        "PackedMultiHeadAttention",
    }
)
# ModelProto.graph, GraphProto.node, NodeProto.op_type in onnx.proto of the ONNX project.
_GRAPH, _NODE, _OPERATOR = 7, 1, 4


@dataclass(frozen=True)
class OperatorCounts:
    """How many operators of some kinds a file has. Nested graphs are not counted."""

    #: All of them.
    nodes: int
    #: Conversions from one precision to another: each reads and writes a whole tensor.
    casts: int
    #: Whole attentions as one operator.
    attentions: int

    def __str__(self) -> str:
        return f"{self.nodes} nodes, {self.casts} Cast, {self.attentions} attention"


def count_operators(path: Path) -> OperatorCounts:
    """Count the operators of a file. Raises BackendError for one that is no ONNX model."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = Counter(
                text(data, start, end, _OPERATOR)
                for graph in messages(data, 0, len(data), _GRAPH)
                for start, end in messages(data, *graph, _NODE)
            )
    except (OSError, ValueError, IndexError) as error:
        raise BackendError(f"{path} is no ONNX model: {error}") from error
    return OperatorCounts(
        nodes=found.total(),
        casts=found["Cast"],
        attentions=sum(found[name] for name in ATTENTION),
    )
