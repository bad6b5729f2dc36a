"""How large the values inside a model get: what half precision must be able to hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from onnx import NodeProto, TensorProto, helper

from sam3_ros.core.session import Array
from sam3_ros.export.precision.engine import open_engine
from sam3_ros.export.precision.model_file import load_flat, save

_EXTREMES = {"ReduceMax": "__largest", "ReduceMin": "__smallest"}


def largest_magnitudes(
    source: Path, names: Iterable[str], feeds: Sequence[Mapping[str, Array]], scratch: Path
) -> dict[str, float]:
    """The largest absolute value of each named float32 value over all feeds.

    inf where a value is not finite. The model is run as it is, every value reduced to its extremes
    inside, so that the values need never all be held at once. scratch: a folder with room for the
    weights; it is left as it was.
    """
    names = tuple(names)
    wanted = [name + suffix for name in names for suffix in _EXTREMES.values()]
    found: dict[str, float] = defaultdict(float)
    with TemporaryDirectory(dir=scratch) as folder:
        watched = Path(folder) / "watched.onnx"
        _write_watched(source, names, watched)
        session = open_engine(watched, optimised=False)
        for feed in feeds:
            extremes = np.array(session.run(wanted, dict(feed)), np.float64).reshape(-1, 2)
            for name, pair in zip(names, extremes, strict=True):
                found[name] = max(found[name], _magnitude(*pair))
    return dict(found)


def _write_watched(source: Path, names: Iterable[str], path: Path) -> None:
    """The model with each value's extremes as outputs, taken as soon as the value is there: an
    engine that goes through the nodes as they stand then holds no value for longer than it must."""
    model = load_flat(source)
    nodes = list(model.graph.node)
    maker = {name: index for index, node in enumerate(nodes) for name in node.output}
    reductions: dict[int, list[NodeProto]] = defaultdict(list)
    for name in names:
        for reduction, suffix in _EXTREMES.items():
            node = helper.make_node(reduction, [name], [name + suffix], keepdims=0)
            reductions[maker.get(name, -1)].append(node)  # -1: an input of the model
            output = helper.make_tensor_value_info(name + suffix, TensorProto.FLOAT, [])
            model.graph.output.append(output)
    del model.graph.node[:]
    model.graph.node.extend(reductions[-1])
    for index, node in enumerate(nodes):
        model.graph.node.extend([node, *reductions[index]])
    save(model, path)


def _magnitude(largest: float, smallest: float) -> float:
    if largest < smallest:  # of no values at all
        return 0.0
    finite = np.isfinite(largest) and np.isfinite(smallest)
    return float(max(abs(largest), abs(smallest))) if finite else float("inf")
