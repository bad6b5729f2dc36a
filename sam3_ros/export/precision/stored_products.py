"""Products with stored weights in the one form that can be quantised: MatMul with an initializer.

ONNX Runtime's quantiser turns Gemm into MatMul itself, but transposes the weights in place, for
every other node that reads them too: a square matrix then silently gives wrong results.
"""

from __future__ import annotations

from collections.abc import Iterator

from onnx import ModelProto, NodeProto, helper

from sam3_ros.core.stages.session import Array
from sam3_ros.export.precision.model_file import as_initializer, captured_names, is_float, weight

_TRANSPOSED = "__transposed"
_PLAIN = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}


def as_matmuls(model: ModelProto) -> None:
    """Change the model in place so that stored matrices appear only in plain MatMuls.

    Each Gemm that only multiplies by stored weights and adds becomes MatMul and Add, and no node
    transposes a stored matrix. Nothing else changes.
    """
    rewriter = _GemmRewriter(model)
    nodes = [new for node in model.graph.node for new in rewriter.rewritten(node)]
    read = {name for node in nodes for name in (*node.input, *captured_names(node))}
    read.update(value.name for value in model.graph.output)
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    made = (as_initializer(values, name) for name, values in rewriter.transposed.items())
    model.graph.initializer.extend([*kept, *made])


class _GemmRewriter:
    """Rewrites the nodes in order, and collects new initializers by name in `transposed`."""

    def __init__(self, model: ModelProto) -> None:
        self._matrices = {
            tensor.name: tensor
            for tensor in model.graph.initializer
            if is_float(tensor) and len(tensor.dims) == 2
        }
        self._fixed = {value.name for value in model.graph.output}
        self._fixed.update(*map(captured_names, model.graph.node))
        self._renamed: dict[str, str] = {}
        self.transposed: dict[str, Array] = {}

    def rewritten(self, node: NodeProto) -> Iterator[NodeProto]:
        """Yield what replaces the node; nothing where its result is a transposed initializer."""
        new = NodeProto()
        new.CopyFrom(node)
        new.input[:] = [self._renamed.get(name, name) for name in node.input]
        if node.op_type == "Transpose" and self._is_stored_transpose(node):
            self._renamed[node.output[0]] = self._transposed(node.input[0])
        elif node.op_type == "Gemm" and (options := self._plain(node)):
            yield from self._split(new, bool(options["transB"]))
        else:
            yield new

    def _is_stored_transpose(self, node: NodeProto) -> bool:
        swaps = all(list(attribute.ints) == [1, 0] for attribute in node.attribute)
        return swaps and node.input[0] in self._matrices and node.output[0] not in self._fixed

    def _plain(self, node: NodeProto) -> dict[str, float] | None:
        """Return the options of a Gemm that computes x @ w + b, w stored and perhaps transposed."""
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        options = {**_PLAIN, **given}
        simple = options["alpha"] == options["beta"] == 1 and not options["transA"]
        return options if simple and node.input[1] in self._matrices else None

    def _split(self, gemm: NodeProto, transposed: bool) -> Iterator[NodeProto]:
        x, matrix, *bias = gemm.input
        matrix = self._transposed(matrix) if transposed else matrix
        output = gemm.output[0]
        product = f"{output}__product" if bias else output
        yield helper.make_node("MatMul", [x, matrix], [product])
        if bias:
            yield helper.make_node("Add", [product, bias[0]], [output])

    def _transposed(self, name: str) -> str:
        new = name + _TRANSPOSED
        if new not in self.transposed:
            self.transposed[new] = weight(self._matrices[name]).T
        return new
