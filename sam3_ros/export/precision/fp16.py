"""Half precision: half the size and fast on a GPU, with single precision where it is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from onnx import ModelProto

from sam3_ros.core.errors import ExportError, VerificationError
from sam3_ros.export.onnx_file import EXTERNAL_ABOVE_BYTES, onnx_file
from sam3_ros.export.precision.half_graph import rewrite
from sam3_ros.export.precision.half_rules import ANYWHERE, HalfRules
from sam3_ros.export.precision.model_file import (
    Feeds,
    Values,
    fitted,
    load_flat,
    open_engine,
    require_valid,
    save,
)
from sam3_ros.export.precision.placement import Placement, place
from sam3_ros.export.precision.rounding import rounded_as_on_gpu
from sam3_ros.export.precision.spread import measure_spreads


@dataclass(frozen=True)
class Fp16Report:
    """The result of converting one file."""

    bytes: int
    fp32_bytes: int
    #: Number of matrix products and convolutions.
    products: int
    #: Number of those that compute in half.
    half_products: int
    #: Why the others do not: reason to their number.
    kept: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "bytes": self.bytes,
            "fp32_bytes": self.fp32_bytes,
            "products": self.products,
            "half_products": self.half_products,
            "kept": dict(self.kept),
        }


def convert_to_fp16(
    source: Path,
    target: Path,
    feeds: Sequence[Feeds],
    rules: HalfRules = ANYWHERE,
    half_borders: AbstractSet[str] = frozenset(),
    external_above: int = EXTERNAL_ABOVE_BYTES,
) -> Fp16Report:
    """Write `source`, a float32 ONNX file, at `target` in mixed precision.

    feeds: inputs by name as the stage meets them in use, at least one; whatever they drive near the
    ends of half's range stays in single precision. Inputs and outputs keep their types, but for
    those in half_borders, which become half. More than external_above bytes of weights go to a file
    beside target. Raises ExportError where source cannot be read, or the result is not valid ONNX
    or cannot be loaded, VerificationError where it gives values that are not finite and the
    original's are; then there is no target.
    """
    if not feeds:
        raise ExportError(f"{source.name}: fp16 needs at least one example of the stage's inputs")
    spreads = measure_spreads(source, _watched(source, rules), feeds, target.parent)
    magnitudes = {name: spread.magnitude for name, spread in spreads.items()}
    model = load_flat(source)
    values = Values.of(model)
    ends = (value.name for value in (*model.graph.input, *model.graph.output))
    borders = frozenset(name for name in ends if name in half_borders and values.is_float(name))
    placement = place(model, values, magnitudes, rules, borders)
    kept = _kept_products(model, placement, rules)
    products = sum(node.op_type in rules.products for node in model.graph.node)
    rewrite(model, values, placement, borders)
    written = save(model, target, external_above)
    del model, values
    try:
        require_valid(target)
        _require_finite(source, target, feeds)
    except ExportError:
        for path in written:
            path.unlink()
        raise
    return Fp16Report(
        bytes=sum(path.stat().st_size for path in written),
        fp32_bytes=onnx_file(source).bytes,
        products=products,
        half_products=products - sum(kept.values()),
        kept=kept,
    )


def _watched(source: Path, rules: HalfRules) -> list[str]:
    """Return the computed float32 values that a node which could run in half reads or writes."""
    model = load_flat(source)
    values = Values.of(model)
    names: set[str] = set()
    for node in model.graph.node:
        if node.op_type in rules.listed:
            names.update(values.activations(node))
            names.update(name for name in node.output if values.is_float(name))
    return sorted(names)


def _kept_products(model: ModelProto, placement: Placement, rules: HalfRules) -> dict[str, int]:
    nodes, half = model.graph.node, placement.half
    left = (i for i, n in enumerate(nodes) if n.op_type in rules.products and i not in half)
    return dict(Counter(placement.kept.get(index, "not of float32") for index in left))


def _require_finite(source: Path, target: Path, feeds: Sequence[Feeds]) -> None:
    with TemporaryDirectory(dir=target.parent) as folder:
        found = _not_finite(rounded_as_on_gpu(target, Path(folder)), feeds)
    if broken := found and found - _not_finite(source, feeds):
        names = ", ".join(sorted(broken))
        raise VerificationError(
            f"{source.name}: {names} is not finite in fp16, though it is in fp32; leave fp16 out"
        )


def _not_finite(path: Path, feeds: Sequence[Feeds]) -> set[str]:
    """Return names of the outputs that are not finite on any of the feeds."""
    engine = open_engine(path)
    names = [output.name for output in engine.get_outputs()]
    runs = (zip(names, engine.run(names, fitted(feed, engine)), strict=True) for feed in feeds)
    return {name for run in runs for name, value in run if not np.isfinite(value).all()}
