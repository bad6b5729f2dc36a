"""Infers the shape of every tensor in an ONNX graph for given input shapes, without running it.

The shape inference of the library onnx follows few of the operators by which a graph computes the
argument of a Reshape, and none that is ONNX Runtime's own. Those are evaluated here, and the
inference is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
Constants = dict[str, npt.NDArray[Any]]

# Bytes. What shapes depend on is small (sizes, axes, lengths); weights are not read.
_LARGEST_CONSTANT = 4096
_MOST_ROUNDS = 20

# Operators of ONNX Runtime (docs/ContribOperators.md of its repository).
_ONNX_RUNTIME = "com.microsoft"
_LIKE_THEIR_INPUT = frozenset(
    {
        "BiasGelu",
        "FastGelu",
        "Gelu",
        "GroupNorm",
        "MultiHeadAttention",
        "QuickGelu",
        "SkipLayerNormalization",
    }
)


def inferred_shapes(model: Any, inputs: Mapping[str, Shape]) -> Shapes:
    """Return shapes by name, as far as they can be inferred.

    model: an onnx.ModelProto, which is not changed. Raises KeyError for an input without a given
    shape, ValueError for one of another rank.
    """
    bound = _bound(model, inputs)
    constants = dict(_constants(bound))
    shapes = _inferred(bound)
    for _ in range(_MOST_ROUNDS):
        found = dict(_folded(bound, shapes, constants))
        if not found:
            break
        constants |= found
        _replace(bound, found)
        shapes = _inferred(bound)
    return shapes | {each.name: tuple(each.dims) for each in model.graph.initializer}


def _bound(model: Any, inputs: Mapping[str, Shape]) -> Any:
    onnx = import_module("onnx")
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for each in bound.graph.initializer:
        if len(each.raw_data) > _LARGEST_CONSTANT:
            each.ClearField("raw_data")
    # Intermediate shapes in the file hold for any length; here they are to hold for one.
    del bound.graph.value_info[:]
    for output in bound.graph.output:
        output.type.tensor_type.ClearField("shape")
    for each in bound.graph.input:
        dimensions = each.type.tensor_type.shape.dim
        for dimension, size in zip(dimensions, inputs[each.name], strict=True):
            dimension.dim_value = size
    _replace_own_operators(bound)
    return bound


def _inferred(model: Any) -> Shapes:
    onnx = import_module("onnx")
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        sides = tensor.shape.dim
        if tensor.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            found[value.name] = tuple(side.dim_value for side in sides)
    return found


def _constants(model: Any) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    to_array = import_module("onnx").numpy_helper.to_array
    for each in model.graph.initializer:
        if not each.external_data and np.prod(each.dims) * 8 <= _LARGEST_CONSTANT:
            yield each.name, to_array(each)


def _folded(
    model: Any, shapes: Mapping[str, Shape], constants: Constants
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Evaluate Shape nodes of known shapes, and nodes that depend on known values alone."""
    known = dict(constants)
    for node in model.graph.node:
        if node.op_type == "Shape" and node.input[0] in shapes:
            values = {**known, node.input[0]: np.empty(shapes[node.input[0]], np.bool_)}
        elif node.op_type != "Shape" and all(name in known for name in node.input if name):
            values = known
        else:
            continue
        if any(np.prod(shapes.get(name, ())) * 8 > _LARGEST_CONSTANT for name in node.output):
            continue
        found = dict(zip(node.output, _computed(node, values), strict=False))
        known |= found
        yield from found.items()


def _replace_own_operators(model: Any) -> None:
    """Replace ONNX Runtime's own operators by Identity: their results are shaped like an input.

    An attention's is shaped like its queries, if values are as wide; in our models they are.
    """
    for node in model.graph.node:
        if node.domain == _ONNX_RUNTIME and node.op_type in _LIKE_THEIR_INPUT:
            node.CopyFrom(
                import_module("onnx").helper.make_node("Identity", node.input[:1], node.output[:1])
            )


def _computed(node: Any, values: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    evaluator = import_module("onnx.reference").ReferenceEvaluator
    feeds = {name: values[name] for name in node.input if name}
    try:
        return [np.asarray(each) for each in evaluator(node).run(None, feeds)]
    except Exception:  # an unsupported operator: the shape stays unknown
        return []


def _replace(model: Any, found: Constants) -> None:
    """Replace nodes whose results are known by constants."""
    from_array = import_module("onnx").numpy_helper.from_array
    left = [node for node in model.graph.node if not found.keys() & set(node.output)]
    del model.graph.node[:]
    model.graph.node.extend(left)
    model.graph.initializer.extend(from_array(value, name) for name, value in found.items())
