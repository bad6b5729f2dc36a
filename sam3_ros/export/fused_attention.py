"""Tidies a graph around ONNX Runtime's attention operator.

The operator takes and gives [B,Q,H*c] and adds the biases of its three projections itself. So the
additions before it become its input `bias`, and reshapes that only split the heads and join them
again are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sam3_ros.export.operators import ATTENTION, ONNX_RUNTIME

_BIAS = 3  # index of the input
_PASSES = frozenset({"Identity", "Reshape"})


def tidy_attention(path: Path) -> None:
    """Rewrite the file in place; a graph without the operator is left as it is."""
    model = onnx.load(path, load_external_data=False)
    tidied = _Tidied(model)
    attentions = [node for node in model.graph.node if node.op_type == ATTENTION]
    for node in attentions:
        tidied.take_biases(node)
        tidied.join_heads(node)
    tidied.drop_unused()
    _declare_results(model)
    onnx.save(model, path)


class _Tidied:
    """A graph that is being rewritten."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self._maker = {name: node for node in model.graph.node for name in node.output}
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        known = (*model.graph.value_info, *model.graph.input, *model.graph.output)
        self._shapes = {v.name: v.type.tensor_type.shape.dim for v in known}
        self._uses = Counter(name for node in model.graph.node for name in node.input)
        self._uses.update(value.name for value in model.graph.output)
        self._readers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def take_biases(self, attention: NodeProto) -> None:
        """Make the biases of the projections an input, if all three have one."""
        chains = [self._chain_to(name) for name in attention.input[:_BIAS]]
        additions = [self._biased(c[-1]) if len(c) > 1 else None for c in chains]
        if not all(additions):
            return
        biases = []
        for chain, (projected, bias) in zip(chains, filter(None, additions), strict=True):
            biases.append(numpy_helper.to_array(self._stored[bias]))
            chain[-2].input[0] = projected
        name = f"{attention.output[0]}_bias"
        joined = numpy_helper.from_array(np.concatenate(biases), name)
        self._graph.initializer.append(joined)
        attention.input.extend([""] * (_BIAS + 1 - len(attention.input)))
        attention.input[_BIAS] = name

    def join_heads(self, attention: NodeProto) -> None:
        """Drop the reshapes before and after that lead from [B,Q,D] to [B,Q,D]."""
        for index, name in enumerate(attention.input[:_BIAS]):
            chain = self._chain_to(name)
            source = chain[-2].input[0] if len(chain) > 1 else name
            if len(self._shapes.get(source, ())) == 3:  # what the operator takes
                attention.input[index] = source
        answer = attention.output[0]
        last = self._chain_from(answer)
        if last is not None and len(self._shapes.get(last, ())) == 3:
            for node in self._graph.node:
                node.input[:] = [answer if name == last else name for name in node.input]

    def drop_unused(self) -> None:
        """Remove nodes and weights whose results nobody reads any more."""
        wanted = {value.name for value in self._graph.output}
        kept: list[NodeProto] = []
        for node in reversed(self._graph.node):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
                wanted.update(_captured(node))
        del self._graph.node[:]
        self._graph.node.extend(reversed(kept))
        weights = [tensor for tensor in self._graph.initializer if tensor.name in wanted]
        del self._graph.initializer[:]
        self._graph.initializer.extend(weights)

    def _chain_to(self, name: str) -> list[NodeProto]:
        """Return the nodes that lead to a value: passing ones, last first, and what they read."""
        chain = []
        while (node := self._maker.get(name)) is not None:
            chain.append(node)
            if node.op_type not in _PASSES or self._uses[name] > 1:
                break
            name = node.input[0]
        return chain

    def _chain_from(self, name: str) -> str | None:
        """Return the value at the end of the passing nodes behind a value, else None."""
        last = None
        while len(readers := self._readers.get(name, [])) == 1 and readers[0].op_type in _PASSES:
            name = last = readers[0].output[0]
        return last

    def _biased(self, node: NodeProto) -> tuple[str, str] | None:
        """Return the two inputs of an addition of a stored row to a product, else None."""
        if node.op_type != "Add" or self._uses[node.output[0]] > 1:
            return None
        for value, row in (node.input, reversed(node.input)):
            tensor = self._stored.get(row)
            product = self._maker.get(value)
            if tensor is None or product is None or product.op_type != "MatMul":
                continue
            if len(tensor.dims) == 1 and not tensor.external_data:
                return value, row
        return None


def _captured(node: NodeProto) -> Iterable[str]:
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from inner.input
                yield from _captured(inner)


def _declare_results(model: ModelProto) -> None:
    """Declare the element types of the operator's results, which onnx cannot infer."""
    graph = model.graph
    known = {value.name for value in (*graph.value_info, *graph.output)}
    for node in graph.node:
        if node.domain == ONNX_RUNTIME and node.output[0] not in known:
            graph.value_info.append(
                helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
            )
