"""Builds small ONNX models by hand, one operator a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

Dimensions = Sequence[int | str]


class OnnxGraph:
    """A graph under construction; values go by the names that the methods return."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: Any, shape: Dimensions) -> str:
        self._inputs.append(_value_info(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: Any, shape: Dimensions) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(_value_info(name, dtype, shape))

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def channels(self, value: str, start: int, end: int, axis: int) -> str:
        """Return value[start:end] along an axis."""
        bounds = [self.constant([number], np.int64) for number in (start, end, axis)]
        return self.op("Slice", value, *bounds)

    def reshape(self, value: str, *shape: int) -> str:
        return self.op("Reshape", value, self.constant(shape, np.int64))

    def cast(self, value: str, dtype: Any = np.float32) -> str:
        return self.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def above(self, value: str, limit: float) -> str:
        """Return 1.0 where value > limit, else 0.0."""
        return self.cast(self.op("Greater", value, self.constant(limit)))

    def scaled(self, value: str, factor: Any, offset: Any = 0.0) -> str:
        """Return value * factor + offset."""
        product = self.op("Mul", value, self.constant(factor))
        return self.op("Add", product, self.constant(offset))

    def sum(self, value: str, axis: int, keepdims: int = 1) -> str:
        return self.op("ReduceSum", value, self.constant([axis], np.int64), keepdims=keepdims)

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def save(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(self.model(), path)
        return path


def with_half_tensors(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with float16 inputs and outputs, as a half-precision export has."""
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    nodes = list(graph.node)
    casts_in, casts_out = [], []
    for value in graph.input:
        if _make_half(value):
            casts_in.append(_cast(value.name, f"{value.name}_wide", TensorProto.FLOAT))
            _rename(nodes, value.name, f"{value.name}_wide")
    for value in graph.output:
        if _make_half(value):
            casts_out.append(_cast(f"{value.name}_wide", value.name, TensorProto.FLOAT16))
            _rename(nodes, value.name, f"{value.name}_wide")
    del graph.node[:]
    graph.node.extend([*casts_in, *nodes, *casts_out])
    onnx.checker.check_model(half, full_check=True)
    return half


def _value_info(name: str, dtype: Any, shape: Dimensions) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, element, list(shape))


def _make_half(value: onnx.ValueInfoProto) -> bool:
    tensor = value.type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT:
        return False
    tensor.elem_type = TensorProto.FLOAT16
    return True


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], to=to)


def _rename(nodes: Sequence[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for names in (node.input, node.output):
            renamed = [new if name == old else name for name in names]
            del names[:]
            names.extend(renamed)
