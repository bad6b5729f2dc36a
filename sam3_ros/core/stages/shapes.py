"""In which sizes the tensors of a stage come, for engines that are built for a range of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.stages.model_tensors import ModelTensors, Shape, model_tensors


@dataclass(frozen=True)
class SizeRange:
    """Of a dimension: the least, the usual and the largest size."""

    least: int
    usual: int
    most: int

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.usual <= self.most:
            raise ValueError(f"sizes must grow from least to most, got {self}")


#: Of dimensions that a file leaves open. boxes: 0 without exemplars. tokens: those of the text and
#: of the geometry, one more than boxes. prompt_tokens: one more than points.
SIZES: Mapping[str, SizeRange] = MappingProxyType(
    {
        "prompts": SizeRange(1, 1, 1),
        "text_tokens": SizeRange(1, 32, 77),
        "boxes": SizeRange(0, 1, 32),
        "tokens": SizeRange(2, 33, 110),
        "queries": SizeRange(1, 200, 200),
        "kept": SizeRange(1, 4, 200),
        "points": SizeRange(1, 2, 66),
        "prompt_tokens": SizeRange(2, 3, 67),
        "memories": SizeRange(1, 7, 7),
        "pointers": SizeRange(1, 16, 64),
    }
)
# Where a file gives a dimension no name, or one that says nothing: by tensor and axis.
_AXES: Mapping[tuple[str, int], str] = MappingProxyType(
    {
        ("input_ids", 1): "text_tokens",
        ("boxes", 1): "boxes",
        ("box_labels", 1): "boxes",
        ("box_mask", 1): "boxes",
        ("prompt", 1): "tokens",
        ("prompt_mask", 1): "tokens",
        ("queries", 1): "kept",
        ("point_coords", 1): "points",
        ("point_labels", 1): "points",
        ("sparse", 1): "prompt_tokens",
        ("memories", 0): "memories",
        ("memory_ages", 0): "memories",
        ("object_pointers", 0): "pointers",
        ("pointer_ages", 0): "pointers",
    }
)


@dataclass(frozen=True)
class ShapeProfile:
    """ranges: of every input whose shape is open, dimension by dimension; empty also where the
    sizes of one are unknown. is_fixed: no input and no output has an open shape."""

    is_fixed: bool = False
    ranges: Mapping[str, tuple[SizeRange, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranges", MappingProxyType(dict(self.ranges)))

    def require(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise InferenceError for a shape outside the ranges; tensors without one may be any."""
        for name, sizes in self.ranges.items():
            for axis, (size, allowed) in enumerate(zip(shapes[name], sizes, strict=True)):
                if not allowed.least <= size <= allowed.most:
                    raise InferenceError(
                        f"the engine was built for {allowed.least} to {allowed.most} in dimension "
                        f"{axis} of {name}, got {size}: ask for less at once, or use backend cuda"
                    )


def shape_profile(path: Path, names: Mapping[str, str]) -> ShapeProfile:
    """Of a stage's file. names: canonical names of its inputs by those in the file.

    Raises BackendError for a file that is no ONNX model.
    """
    tensors = model_tensors(path)
    ranges: dict[str, tuple[SizeRange, ...]] = {}
    for name, shape in tensors.inputs.items():
        sizes = _ranges(names.get(name, name), shape)
        if sizes is None:
            return ShapeProfile()  # a profile must tell of all open inputs or of none
        if not _is_fixed(shape):
            ranges[name] = sizes
    return ShapeProfile(_all_fixed(tensors), ranges)


def _ranges(tensor: str, shape: Shape) -> tuple[SizeRange, ...] | None:
    ranges = [_range(tensor, axis, size) for axis, size in enumerate(shape)]
    known = tuple(each for each in ranges if each is not None)
    return known if len(known) == len(ranges) else None


def _range(tensor: str, axis: int, size: int | str | None) -> SizeRange | None:
    if isinstance(size, int):
        return SizeRange(size, size, size)
    named = SIZES.get(size or "") or SIZES.get(_AXES.get((tensor, axis), ""))
    return named or (SIZES["prompts"] if axis == 0 else None)


def _all_fixed(tensors: ModelTensors) -> bool:
    shapes = (*tensors.inputs.values(), *tensors.outputs.values())
    return all(map(_is_fixed, shapes))


def _is_fixed(shape: Shape) -> bool:
    return all(isinstance(size, int) for size in shape)
