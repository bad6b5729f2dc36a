"""Surveys an ONNX file from a stranger before any engine reads it.

Finds what an engine would do at the bidding of the file: operators, graphs within graphs, files
that it reads, and tensors that are much larger than what describes them. Nothing of the weights is
read. The structure is that of onnx.proto of the ONNX project (IR version 13).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path

from sam3_ros.core.stages.allowed_operators import ONNX_DOMAINS, why_not_allowed
from sam3_ros.core.stages.constant_sizes import require_moderate_size
from sam3_ros.core.stages.strict_protobuf import (
    BYTES,
    FOUR_BYTES,
    VARINT,
    MessageKind,
    StrictReader,
)
from sam3_ros.core.stages.surveyed_tensor import (
    NAME_BYTES,
    SMALL,
    ExternalData,
    surveyed_tensor,
)

#: Of a file; protocol buffers end at 2 GiB.
MOST_BYTES = (1 << 31) - 1
#: The largest stage of the largest model tried has 1,100.
MOST_NODES = 20_000
MOST_FIELDS = 300_000
#: Graphs within graphs.
MOST_LEVELS = 4
_TEXT_BYTES = 1 << 20

_GRAPH_FIELD, _TRAINING, _FUNCTIONS = 7, 20, 25
_MODEL = MessageKind(
    "the model",
    {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, _GRAPH_FIELD: BYTES},
    {8: BYTES, 14: BYTES, _TRAINING: BYTES, _FUNCTIONS: BYTES, 26: BYTES},
)
_NODE_FIELD, _INITIALIZER, _SPARSE = 1, 5, 15
_GRAPH = MessageKind(
    "the graph",
    {2: BYTES, 10: BYTES},
    dict.fromkeys((_NODE_FIELD, _INITIALIZER, _SPARSE, 11, 12, 13, 14, 16), BYTES),
)
_INPUTS, _OUTPUTS, _OPERATOR, _ATTRIBUTE_FIELD, _DOMAIN = 1, 2, 4, 5, 7
_NODE = MessageKind(
    "a node",
    dict.fromkeys((3, _OPERATOR, _DOMAIN, 8, 6), BYTES),
    dict.fromkeys((_INPUTS, _OUTPUTS, _ATTRIBUTE_FIELD, 9, 10), BYTES),
)
_NAME, _REFERENCE, _INTEGER, _INTEGERS, _TENSOR, _TENSORS = 1, 21, 3, 8, 5, 10
_SUBGRAPH, _SUBGRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS, _TYPE, _TYPES = 6, 11, 22, 23, 14, 15
_ATTRIBUTE = MessageKind(
    "an attribute",
    {
        **dict.fromkeys((_NAME, _REFERENCE, 13, 4), BYTES),
        **dict.fromkeys((_TENSOR, _SUBGRAPH, _SPARSE_TENSOR, _TYPE), BYTES),
        20: VARINT,
        2: FOUR_BYTES,
        _INTEGER: VARINT,
    },
    dict.fromkeys((9, _TENSORS, _SUBGRAPHS, _SPARSE_TENSORS, _TYPES), BYTES),
    {7: FOUR_BYTES, _INTEGERS: VARINT},
)
_NOT_ALLOWED = {
    _REFERENCE: "an attribute refers to one of a function, and there is none",
    **dict.fromkeys((_SPARSE_TENSOR, _SPARSE_TENSORS), "it has a sparse constant: store it dense"),
    **dict.fromkeys((_TYPE, _TYPES), "an operator has a type for an attribute"),
}


@dataclass(frozen=True)
class Survey:
    """What was found in a file."""

    nodes: int
    #: Of its messages; what surveying it cost.
    fields: int
    #: Of all its tensors, those of graphs within its graph too.
    external: tuple[ExternalData, ...]


def survey(path: Path, control_flow: bool = False) -> Survey:
    """Survey a file; ValueError says why it must not be loaded, OSError why it cannot be read.

    control_flow: allow graphs within its graph.
    """
    size = path.stat().st_size
    if not 0 < size <= MOST_BYTES:
        raise ValueError(f"it has {size} bytes; an ONNX file has 1 to {MOST_BYTES}")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = StrictReader(data, MOST_FIELDS)
        surveyor = _Surveyor(reader, control_flow)
        surveyor.model(0, len(data))
    return Survey(surveyor.nodes, reader.fields_read, tuple(surveyor.external))


@dataclass
class _Node:
    """A node while it is read."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    #: Those that are whole numbers, or a tensor.
    attributes: dict[str, list[float]] = field(default_factory=dict)


class _Surveyor:
    """Walks through one file."""

    def __init__(self, reader: StrictReader, control_flow: bool) -> None:
        self._reader = reader
        self._control_flow = control_flow
        self.nodes = 0
        self.external: list[ExternalData] = []

    def model(self, start: int, end: int) -> None:
        graphs = 0
        for number, _, first, last in self._reader.fields(_MODEL, start, end):
            if number == _TRAINING:
                raise ValueError("it says how to train it, which a model to run has no use for")
            if number == _FUNCTIONS:
                raise ValueError("it has functions: export it with its functions inlined")
            if number == _GRAPH_FIELD:
                graphs += 1
                self._graph(first, last, MOST_LEVELS)
        if not graphs:
            raise ValueError("it has no graph")

    def _graph(self, start: int, end: int, levels: int) -> None:
        if levels == 0:
            raise ValueError(f"its graphs are nested deeper than {MOST_LEVELS} levels")
        constants: dict[str, list[float]] = {}
        nodes: list[tuple[int, int]] = []
        for number, _, first, last in self._reader.fields(_GRAPH, start, end):
            if number == _NODE_FIELD:
                self.nodes += 1
                if self.nodes > MOST_NODES:
                    raise ValueError(f"it has more than {MOST_NODES} nodes")
                nodes.append((first, last))
            elif number == _INITIALIZER:
                name, numbers = self._constant(first, last)
                if numbers is not None:
                    constants[name] = numbers
            elif number == _SPARSE:
                raise ValueError("it has sparse weights: store them dense")
        for first, last in nodes:  # a file may have them before the weights
            self._node(first, last, constants, levels)

    def _node(self, start: int, end: int, constants: dict[str, list[float]], levels: int) -> None:
        reader = self._reader
        attributes: list[tuple[int, int]] = []
        texts: dict[int, list[str]] = {}
        for number, _, first, last in reader.fields(_NODE, start, end):
            if number == _ATTRIBUTE_FIELD:
                attributes.append((first, last))
            elif number in (_INPUTS, _OUTPUTS, _OPERATOR, _DOMAIN):
                texts.setdefault(number, []).append(reader.text(first, last, NAME_BYTES))
            elif last - first > _TEXT_BYTES:
                raise ValueError(f"a node has a text of {last - first} bytes")
        operator, domain = ("".join(texts.get(each, ())) for each in (_OPERATOR, _DOMAIN))
        refused = why_not_allowed(domain, operator, self._control_flow)
        if refused:
            raise ValueError(refused)
        node = _Node(operator, texts.get(_INPUTS, []), texts.get(_OUTPUTS, []))
        for first, last in attributes:
            self._attribute(first, last, node, constants, levels)
        if domain in ONNX_DOMAINS:
            require_moderate_size(operator, node.inputs, node.attributes, constants)

    def _attribute(
        self, start: int, end: int, node: _Node, constants: dict[str, list[float]], levels: int
    ) -> None:
        name, values = "", list[float]()
        for number, wire, first, last in self._reader.fields(_ATTRIBUTE, start, end):
            if number == _NAME:
                name = self._reader.text(first, last, NAME_BYTES)
            elif number in (_INTEGER, _INTEGERS):
                if wire != BYTES or last - first <= 10 * SMALL:
                    values += self._reader.integers(wire, first, last)
            elif number in (_TENSOR, _TENSORS):
                values = self._constant(first, last)[1] or []
            elif number in (_SUBGRAPH, _SUBGRAPHS):
                self._require_control_flow()
                self._graph(first, last, levels - 1)
            elif number in _NOT_ALLOWED:
                raise ValueError(_NOT_ALLOWED[number])
        node.attributes[name] = values
        if node.operator == "Constant" and values:
            constants.update(dict.fromkeys(node.outputs, values))

    def _require_control_flow(self) -> None:
        if not self._control_flow:
            raise ValueError(
                "it has a graph within its graph, which the manifest does not allow this stage "
                "(control_flow: true)"
            )

    def _constant(self, start: int, end: int) -> tuple[str, list[float] | None]:
        tensor = surveyed_tensor(self._reader, start, end)
        if tensor.external is not None:
            self.external.append(tensor.external)
        return tensor.name, tensor.numbers
