"""Rewrites a graph so that chosen nodes compute in half precision, with casts at the borders.

Of a value X, "X" is always single precision and "X__half" always half; each is made once, from the
other, where the first node needs it. So no cast undoes the previous one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from sam3_ros.export.precision.half_rules import SIZES
from sam3_ros.export.precision.model_file import Values, as_initializer, captured_names, weight
from sam3_ros.export.precision.placement import Placement

HALF = "__half"
#: Of a value that the model takes or gives in half, where its graph also has it in single.
SINGLE = "__single"


def rewrite(
    model: ModelProto,
    values: Values,
    placement: Placement,
    half_borders: AbstractSet[str] = frozenset(),
) -> None:
    """Change the model in place. Its inputs and outputs keep their types.

    half_borders: float32 inputs and outputs that become half.
    """
    graph = model.graph
    rewriter = _HalfRewriter(values, placement, (value.name for value in graph.input), half_borders)
    nodes = [new for index, node in enumerate(graph.node) for new in rewriter.rewrite(index, node)]
    for value in graph.output:
        nodes.extend(rewriter.provide(value.name, half=value.name in half_borders))
    initializers = list(rewriter.initializers(graph.initializer))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)
    _describe(model)
    _name_borders(model, half_borders)


class _HalfRewriter:
    """Rewrites the nodes in order, and tracks which values exist in which precision."""

    def __init__(
        self,
        values: Values,
        placement: Placement,
        given: Iterable[str],
        half_borders: AbstractSet[str],
    ) -> None:
        self._values = values
        self._placement = placement
        given = frozenset(given)
        # By "is half".
        self._made = {False: set(given - half_borders), True: set(given & half_borders)}
        self._read: set[str] = set()  # initializers, under the names that nodes read

    def rewrite(self, index: int, node: NodeProto) -> Iterator[NodeProto]:
        """Yield the casts that the node needs, and the node."""
        half = index in self._placement.half
        for name in captured_names(node):
            yield from self.provide(name, half=False)
        if node.op_type in SIZES and not self._made[False].issuperset(node.input):
            half = self._made[True].issuperset(node.input)
        for name in node.input:
            yield from self.provide(name, half and self._turns_half(node, name))
        new = NodeProto()
        new.CopyFrom(node)
        if half:
            new.input[:] = [
                self._half_name(name) if self._turns_half(node, name) else name
                for name in node.input
            ]
            new.output[:] = [self._half_name(name) for name in node.output]
            if node.op_type == "Cast":
                new.attribute[0].i = TensorProto.FLOAT16
        yield new
        self._made[half].update(node.output)

    def provide(self, name: str, half: bool) -> Iterator[NodeProto]:
        """Yield the cast that makes a value in that precision, if it does not exist yet."""
        if not self._values.is_float(name) or name in self._made[half]:
            return
        self._made[half].add(name)
        if name not in self._values.initializers:
            yield _cast(name, half)
        elif half or name not in self._placement.stored_in_half:
            self._read.add(name + HALF if half else name)
        else:
            self._read.add(name + HALF)
            yield _cast(name, half)

    def initializers(self, originals: Iterable[TensorProto]) -> Iterator[TensorProto]:
        """Yield what the nodes read, in the precisions that they read it in."""
        for tensor in originals:
            if not self._values.is_float(tensor.name) or tensor.name in self._read:
                yield tensor
            if tensor.name + HALF in self._read:
                yield as_initializer(weight(tensor).astype(np.float16), tensor.name + HALF)

    def _turns_half(self, node: NodeProto, name: str) -> bool:
        """Return whether a node in half reads this input in half: not the scales of Resize."""
        return node.op_type != "Resize" or name == node.input[0]

    def _half_name(self, name: str) -> str:
        return name + HALF if self._values.is_float(name) else name


def _cast(name: str, half: bool) -> NodeProto:
    if half:
        return helper.make_node("Cast", [name], [name + HALF], to=TensorProto.FLOAT16)
    return helper.make_node("Cast", [name + HALF], [name], to=TensorProto.FLOAT)


def _describe(model: ModelProto) -> None:
    """Keep the shapes of values under their new names."""
    made = {name for node in model.graph.node for name in node.output}
    described = list(_described(model.graph.value_info, made))
    del model.graph.value_info[:]
    model.graph.value_info.extend(described)


def _name_borders(model: ModelProto, half_borders: AbstractSet[str]) -> None:
    """Give the half inputs and outputs the names of the model's contract, and their type."""
    graph = model.graph
    renamed = {f"{name}{HALF}": name for name in half_borders}
    renamed |= {name: f"{name}{SINGLE}" for name in half_borders}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for info in graph.value_info:
        info.name = renamed.get(info.name, info.name)
    for value in (*graph.input, *graph.output):
        if value.name in half_borders:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16


def _described(infos: Iterable[ValueInfoProto], made: set[str]) -> Iterator[ValueInfoProto]:
    for info in infos:
        if info.name in made:
            yield info
        if info.name + HALF in made:
            half = ValueInfoProto()
            half.CopyFrom(info)
            half.name = info.name + HALF
            half.type.tensor_type.elem_type = TensorProto.FLOAT16
            yield half
