"""How much arithmetic an ONNX file does on inputs of given shapes: counted, not run.

Needs the library onnx (extra `bench`); its shape inference does the hard part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from sam3_ros.bench.instruments.graph_shapes import Shape, inferred_shapes
from sam3_ros.bench.instruments.operator_work import NESTED, OPERATORS
from sam3_ros.core.errors import BundleError

HOW_TO_GET = "pip install 'sam3_ros[bench]', or pip install onnx"


@dataclass(frozen=True)
class GraphWork:
    """flop: of one run, 2 a multiply-add. weight_bytes: of all weights. unknown: operators with
    arithmetic whose shapes could not be told; where there are any, flop is a lower bound."""

    flop: int
    weight_bytes: int
    unknown: tuple[str, ...] = ()


def can_count() -> bool:
    """Is the library here?"""
    return find_spec("onnx") is not None


def count_work(path: Path, inputs: Mapping[str, Shape]) -> GraphWork:
    """inputs: shapes by name in the file. Raises BundleError for a file that is no ONNX model."""
    return _counted(path, tuple(sorted(inputs.items())))


@lru_cache(maxsize=128)
def _counted(path: Path, inputs: tuple[tuple[str, Shape], ...]) -> GraphWork:
    model = _read(path)
    shapes = inferred_shapes(model, dict(inputs))
    flop, unknown = 0, []
    for node in model.graph.node:
        counted = _node_flop(node, shapes)
        if counted is None:
            unknown.append(f"{node.op_type} {node.name}")
        else:
            flop += counted
    return GraphWork(flop, _weight_bytes(model.graph.initializer), tuple(unknown))


def _read(path: Path) -> Any:
    onnx = import_module("onnx")
    try:
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise BundleError(f"{path} cannot be read as an ONNX model: {error}") from error


def _node_flop(node: Any, shapes: Mapping[str, Shape]) -> int | None:
    """None where it cannot be told."""
    if node.op_type in NESTED:
        return None
    if node.op_type not in OPERATORS:
        return 0
    names = [*node.input, node.output[0]]
    if any(name and name not in shapes for name in names):
        return None
    equation = next((each.s.decode() for each in node.attribute if each.name == "equation"), "")
    *inputs, output = (shapes[name] if name else () for name in names)
    try:
        return OPERATORS[node.op_type](inputs, [output], equation)
    except (IndexError, ValueError):
        return None


def _weight_bytes(initializers: Iterable[Any]) -> int:
    onnx = import_module("onnx")
    return sum(
        prod(each.dims) * int(onnx.helper.tensor_dtype_to_np_dtype(each.data_type).itemsize)
        for each in initializers
    )
