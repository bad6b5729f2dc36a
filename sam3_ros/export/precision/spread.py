"""How large the values inside a model get, and how uneven: what a precision has to represent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from sam3_ros.core.stages.session import Array
from sam3_ros.export.precision.model_file import load_flat, open_engine, save

_MEASURES = {"ReduceMax": "largest", "ReduceMin": "smallest", "ReduceL2": "length", "Size": "size"}


@dataclass(frozen=True)
class Spread:
    """How far the numbers of one value lie apart."""

    #: Largest absolute value; inf where a number is not finite.
    magnitude: float = 0.0
    #: Distance of the extremes, 0 included, in root mean squares; 2 for a sign, about 10 for noise,
    #: more where a few numbers stand out.
    peak: float = 0.0

    @classmethod
    def of(cls, largest: float, smallest: float, length: float, size: float) -> Spread:
        """Compute it from the extremes, the Euclidean length and the count of the numbers."""
        if not size:
            return cls()
        if not (np.isfinite(largest) and np.isfinite(smallest)):
            return cls(float("inf"), float("inf"))
        span = max(largest, 0.0) - min(smallest, 0.0)
        peak = span * size**0.5 / length if length else 0.0
        return cls(float(max(abs(largest), abs(smallest))), float(peak))

    def joined(self, other: Spread) -> Spread:
        """Return the larger of each."""
        return Spread(max(self.magnitude, other.magnitude), max(self.peak, other.peak))


def measure_spreads(
    source: Path, names: Iterable[str], feeds: Sequence[Mapping[str, Array]], scratch: Path
) -> dict[str, Spread]:
    """Return the spread of each named float32 value, the largest over all feeds.

    The model runs as it is and every value is measured inside, so the values never have to be held
    all at once. scratch: a folder with room for the weights; it is left unchanged.
    """
    names = tuple(names)
    wanted = [f"{name}__{measure}" for name in names for measure in _MEASURES.values()]
    found = dict.fromkeys(names, Spread())
    if not names or not feeds:
        return found
    with TemporaryDirectory(dir=scratch) as folder:
        watched = Path(folder) / "watched.onnx"
        _write_watched(source, names, watched)
        session = open_engine(watched, optimised=False)
        for feed in feeds:
            measured = np.array(session.run(wanted, dict(feed)), np.float64)
            for name, row in zip(names, measured.reshape(-1, len(_MEASURES)), strict=True):
                found[name] = found[name].joined(Spread.of(*row))
    return found


def _write_watched(source: Path, names: Iterable[str], path: Path) -> None:
    """Write the model with each value's measures as outputs.

    They are taken as soon as the value exists: an engine that runs the nodes in the order of the
    file then holds no value longer than necessary.
    """
    model = load_flat(source)
    nodes = list(model.graph.node)
    maker = {name: index for index, node in enumerate(nodes) for name in node.output}
    reductions: dict[int, list[NodeProto]] = defaultdict(list)
    for name in names:
        for kind, measure in _MEASURES.items():
            output = f"{name}__{measure}"
            options: dict[str, Any] = {} if kind == "Size" else {"keepdims": 0}
            node = helper.make_node(kind, [name], [output], **options)
            reductions[maker.get(name, -1)].append(node)  # -1: an input of the model
            element = TensorProto.INT64 if kind == "Size" else TensorProto.FLOAT
            model.graph.output.append(helper.make_tensor_value_info(output, element, []))
    del model.graph.node[:]
    model.graph.node.extend(reductions[-1])
    for index, node in enumerate(nodes):
        model.graph.node.extend([node, *reductions[index]])
    save(model, path)
