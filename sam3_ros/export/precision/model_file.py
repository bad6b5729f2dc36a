"""ONNX model files: loaded into a flat graph of typed values, saved, checked, run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sam3_ros.core.errors import ExportError
from sam3_ros.core.stages.session import Array
from sam3_ros.export.onnx_file import EXTERNAL_ABOVE_BYTES

#: Inputs of a stage by name.
Feeds = Mapping[str, Array]

#: Shape inference needs the values of small tensors (shapes, axes), never those of weights.
_SMALL = 64

_ONLY_ERRORS = 3


def load_flat(path: Path) -> ModelProto:
    """Read a model with its weights, its local functions inlined, its constants as initializers.

    Raises ExportError for a file that is not an ONNX model or whose weights are not beside it.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's DecodeError has no public base
        raise ExportError(f"{path} cannot be read as an ONNX model: {error}") from error
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _constants_to_initializers(model.graph)
    return model


def save(
    model: ModelProto, path: Path, external_above: int = EXTERNAL_ABOVE_BYTES
) -> tuple[Path, ...]:
    """Write a model; more than external_above bytes of weights go to `<path>.data`.

    Returns the files written, the model first. An older file at `path` is replaced.
    """
    data = path.with_name(f"{path.name}.data")
    data.unlink(missing_ok=True)
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if weights <= external_above:
        onnx.save(model, path)
        return (path,)
    onnx.save(model, path, save_as_external_data=True, location=data.name, size_threshold=1024)
    return (path, data)


def weight(tensor: TensorProto) -> Array:
    """Return an initializer's values."""
    return numpy_helper.to_array(tensor)


def as_initializer(values: Array, name: str) -> TensorProto:
    """Return an initializer with these values: the inverse of `weight`."""
    return numpy_helper.from_array(np.ascontiguousarray(values), name)


def is_float(tensor: TensorProto) -> bool:
    """Return whether a tensor is float32."""
    return tensor.data_type == TensorProto.FLOAT


def captured_names(node: NodeProto) -> frozenset[str]:
    """Return names that subgraphs of the node (If, Loop, Scan) may take from around it."""
    names: set[str] = set()
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            names.update(value.name for value in graph.output)
            for inner in graph.node:
                names.update(inner.input)
                names.update(captured_names(inner))
    return frozenset(names)


@dataclass(frozen=True)
class Values:
    """The values of a flat graph."""

    #: Element types by name (TensorProto.FLOAT...); a value whose type cannot be inferred is
    #: absent.
    types: Mapping[str, int]
    #: Stored tensors by name.
    initializers: Mapping[str, TensorProto]

    @classmethod
    def of(cls, model: ModelProto) -> Values:
        """Infer the types of all values of a model."""
        initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(_without_weights(model)).graph
        known = (*inferred.input, *inferred.value_info, *inferred.output)
        types = {value.name: value.type.tensor_type.elem_type for value in known}
        types |= {name: tensor.data_type for name, tensor in initializers.items()}
        return cls({name: kind for name, kind in types.items() if kind}, initializers)

    def is_float(self, name: str) -> bool:
        """Return whether a value is float32."""
        return self.types.get(name) == TensorProto.FLOAT

    def activations(self, node: NodeProto) -> list[str]:
        """Return the node's float32 inputs that are computed, not stored."""
        return [n for n in node.input if self.is_float(n) and n not in self.initializers]

    def stored(self, node: NodeProto) -> list[str]:
        """Return the node's float32 inputs that are initializers."""
        return [n for n in node.input if self.is_float(n) and n in self.initializers]


def _without_weights(model: ModelProto) -> ModelProto:
    """Return the same model with large initializers as inputs: below 2 GiB whatever its weights."""
    graph = GraphProto(name=model.graph.name)
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    for tensor in model.graph.initializer:
        if np.prod(tensor.dims, dtype=np.int64) <= _SMALL:
            graph.initializer.append(tensor)
        else:
            shape = list(tensor.dims)
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, shape))
    light = ModelProto(ir_version=model.ir_version, graph=graph)
    light.opset_import.extend(model.opset_import)
    return light


def _constants_to_initializers(graph: GraphProto) -> None:
    kept = []
    for node in graph.node:
        values = [a for a in node.attribute if a.name == "value"]
        if node.op_type == "Constant" and node.domain == "" and values:
            tensor = graph.initializer.add()
            tensor.CopyFrom(values[0].t)
            tensor.name = node.output[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def require_valid(path: Path) -> None:
    """Raise ExportError unless ONNX's checker, types and shapes included, accepts the file."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:  # checker and shape inference have errors of their own
        raise ExportError(f"the new file {path.name} is not valid ONNX: {error}") from error


def fitted(feeds: Feeds, engine: Any) -> dict[str, Array]:
    """Return inputs in the float type that an engine takes them in."""
    half = {value.name for value in engine.get_inputs() if value.type == "tensor(float16)"}
    return {name: v.astype(np.float16) if name in half else v for name, v in feeds.items()}


def open_engine(path: Path, optimised: bool = True) -> Any:
    """Return an onnxruntime.InferenceSession on the CPU.

    optimised=False runs the graph node by node, in the order in which the nodes are written. Raises
    ExportError where the file cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONLY_ERRORS
    options.enable_cpu_mem_arena = False  # few runs: memory matters more than speed
    if not optimised:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED  # the order of the file
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the engine's own errors have no common base
        raise ExportError(f"ONNX Runtime cannot load {path}: {error}") from error
