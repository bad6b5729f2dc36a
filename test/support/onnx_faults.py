"""Faults planted into real model files, of the kinds that a conversion makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Fault = Callable[[onnx.ModelProto], None]


def faulty(source: Path, target: Path, fault: Fault) -> Path:
    """Write a copy of a model file with a fault."""
    model = onnx.load(source)
    fault(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
    return target


def scaled_weights(factor: float) -> Fault:
    """Return a fault that multiplies every kernel and matrix, as a quantiser's wrong scale does."""

    def fault(model: onnx.ModelProto) -> None:
        for weight in _weights(model):
            _set(weight, numpy_helper.to_array(weight) * np.float32(factor))

    return fault


def swapped_channels(model: onnx.ModelProto) -> None:
    """Reverse the output channels of the last weight."""
    weight = _last_weight(model)
    values = numpy_helper.to_array(weight)
    axis = 0 if values.ndim == 4 else values.ndim - 1  # a kernel, or a matrix on the right
    _set(weight, np.flip(values, axis))


def rounded_to_half(model: onnx.ModelProto) -> None:
    """Round the weights to float16, as a sound conversion does; this is no fault."""
    for weight in _weights(model):
        _set(weight, numpy_helper.to_array(weight).astype(np.float16))


def without_shapes(model: onnx.ModelProto) -> None:
    """Remove the shapes of intermediate tensors; this is no fault.

    A quantiser infers them itself and fails on those of other tools.
    """
    del model.graph.value_info[:]


def not_a_number(model: onnx.ModelProto) -> None:
    """Set one value of the last weight to NaN.

    The last, because a ReLU after it would turn NaN into 0.
    """
    weight = _last_weight(model)
    values = numpy_helper.to_array(weight).copy()
    values.flat[values.size // 2] = np.nan
    _set(weight, values)


def overflow(model: onnx.ModelProto) -> None:
    """Pass the first output through float16 times 1e6, so that it overflows 65504."""
    graph = model.graph
    name = next(
        out.name for out in graph.output if out.type.tensor_type.elem_type == TensorProto.FLOAT
    )
    for node in graph.node:
        node.output[:] = [f"{each}_whole" if each == name else each for each in node.output]
        node.input[:] = [f"{each}_whole" if each == name else each for each in node.input]
    large, small = (
        numpy_helper.from_array(np.array(value, np.float32), f"{name}_{value:g}")
        for value in (1e6, 1e-6)
    )
    graph.initializer.extend([large, small])
    graph.node.extend(
        [
            helper.make_node("Mul", [f"{name}_whole", large.name], [f"{name}_large"]),
            helper.make_node("Cast", [f"{name}_large"], [f"{name}_half"], to=TensorProto.FLOAT16),
            helper.make_node("Cast", [f"{name}_half"], [f"{name}_cut"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cut", small.name], [name]),
        ]
    )


def _weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [
        each
        for each in model.graph.initializer
        if len(each.dims) >= 2 and each.data_type == TensorProto.FLOAT
    ]


def _last_weight(model: onnx.ModelProto) -> onnx.TensorProto:
    """Return the weight nearest to the outputs, in the order of the nodes."""
    weights = {weight.name: weight for weight in _weights(model)}
    used = (name for node in reversed(model.graph.node) for name in node.input)
    return next(weights[name] for name in used if name in weights)


def _set(weight: onnx.TensorProto, values: np.ndarray) -> None:
    name = weight.name
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
