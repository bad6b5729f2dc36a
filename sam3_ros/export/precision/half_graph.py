"""Rewrites a graph so that chosen nodes compute in half precision, with casts at the borders.

Of a value X, "X" is always single precision and "X__half" always half; each is made once, from the
other, where the first node needs it. So no cast undoes the previous one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from sam3_ros.export.precision.model_file import Values, as_initializer, captured_names, weight
from sam3_ros.export.precision.placement import Placement

HALF = "__half"


def rewrite(model: ModelProto, values: Values, placement: Placement) -> None:
    """Change the model in place. Its inputs and outputs keep their types."""
    graph = model.graph
    rewriter = _HalfRewriter(values, placement, (value.name for value in graph.input))
    nodes = [new for index, node in enumerate(graph.node) for new in rewriter.rewrite(index, node)]
    for value in graph.output:
        nodes.extend(rewriter.provide(value.name, half=False))
    initializers = list(rewriter.initializers(graph.initializer))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)
    _describe(model)


class _HalfRewriter:
    """Rewrites the nodes in order, and tracks which values exist in which precision."""

    def __init__(self, values: Values, placement: Placement, given: Iterable[str]) -> None:
        self._values = values
        self._placement = placement
        self._made: dict[bool, set[str]] = {False: set(given), True: set()}  # by "is half"
        self._read: set[str] = set()  # initializers, under the names that nodes read

    def rewrite(self, index: int, node: NodeProto) -> Iterator[NodeProto]:
        """Yield the casts that the node needs, and the node."""
        half = index in self._placement.half
        for name in captured_names(node):
            yield from self.provide(name, half=False)
        for name in node.input:
            yield from self.provide(name, half)
        new = NodeProto()
        new.CopyFrom(node)
        if half:
            new.input[:] = [self._half_name(name) for name in node.input]
            new.output[:] = [self._half_name(name) for name in node.output]
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
