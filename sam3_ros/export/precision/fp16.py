"""Half precision: half the size, and fast on a GPU, with single precision where it is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from sam3_ros.core.errors import ExportError, VerificationError
from sam3_ros.core.session import Array
from sam3_ros.export.onnx_file import onnx_file
from sam3_ros.export.precision.engine import open_engine
from sam3_ros.export.precision.half_graph import rewrite
from sam3_ros.export.precision.magnitudes import largest_magnitudes
from sam3_ros.export.precision.model_file import Values, load_flat, save
from sam3_ros.export.precision.placement import LISTED, PRODUCTS, Placement, place
from sam3_ros.export.precision.validity import require_valid

Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class Fp16Report:
    """What became of one file.

    products: matrix products and convolutions, half_products: those that compute in half.
    kept: why the others do not, reason to how many (the magnitudes, of the largest).
    """

    bytes: int
    fp32_bytes: int
    products: int
    half_products: int
    kept: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {
            "bytes": self.bytes,
            "fp32_bytes": self.fp32_bytes,
            "products": self.products,
            "half_products": self.half_products,
            "kept": dict(self.kept),
        }


def convert_to_fp16(source: Path, target: Path, feeds: Sequence[Feeds]) -> Fp16Report:
    """Write `source`, a float32 ONNX file, at `target` in mixed precision.

    feeds: inputs by name as the stage meets them in use, at least one; whatever they drive near the
    ends of half's range stays in single precision. Inputs and outputs keep their types. Raises
    ExportError where source cannot be read, or the outcome is not valid ONNX or cannot be loaded,
    VerificationError where it gives values that are not finite and the original's are.
    """
    if not feeds:
        raise ExportError(f"{source.name}: fp16 needs at least one example of the stage's inputs")
    magnitudes = largest_magnitudes(source, _watched(source), feeds, target.parent)
    model = load_flat(source)
    values = Values.of(model)
    placement = place(model, values, magnitudes)
    kept = _kept_products(model, placement)
    products = sum(node.op_type in PRODUCTS for node in model.graph.node)
    rewrite(model, values, placement)
    written = save(model, target)
    del model, values
    require_valid(target)
    _require_finite(source, target, feeds)
    return Fp16Report(
        bytes=sum(path.stat().st_size for path in written),
        fp32_bytes=onnx_file(source).bytes,
        products=products,
        half_products=products - sum(kept.values()),
        kept=kept,
    )


def _watched(source: Path) -> list[str]:
    """The computed float32 values that a node which could compute in half reads or makes."""
    model = load_flat(source)
    values = Values.of(model)
    names: set[str] = set()
    for node in model.graph.node:
        if node.op_type in LISTED:
            names.update(values.activations(node))
            names.update(name for name in node.output if values.is_float(name))
    return sorted(names)


def _kept_products(model: ModelProto, placement: Placement) -> dict[str, int]:
    nodes = model.graph.node
    left = (i for i, n in enumerate(nodes) if n.op_type in PRODUCTS and i not in placement.half)
    return dict(Counter(placement.kept.get(index, "not of float32") for index in left))


def _require_finite(source: Path, target: Path, feeds: Sequence[Feeds]) -> None:
    expected, found = open_engine(source), open_engine(target)
    for feed in feeds:
        answers = zip(
            found.get_outputs(), expected.run(None, feed), found.run(None, feed), strict=True
        )
        for output, wanted, value in answers:
            if np.isfinite(wanted).all() and not np.isfinite(value).all():
                raise VerificationError(
                    f"{source.name}: in fp16 {output.name!r} is not finite, in fp32 it is; make "
                    f"this stage in fp32 only"
                )
