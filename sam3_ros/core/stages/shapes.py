"""The sizes of a stage's tensors, for engines that are built for a range of them.

TensorRT needs the range of every open dimension before a session is made, so the declarations are
read from the ONNX file, without its weights.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sam3_ros.core.errors import BackendError, InferenceError
from sam3_ros.core.stages.protobuf import fields, messages, text, varint
from sam3_ros.core.stages.tensor_names import OF_PROMPTS, RAW_IMAGE_INPUTS

#: An open dimension is its symbolic name, or None where it has none.
Shape = tuple[int | str | None, ...]


@dataclass(frozen=True)
class SizeRange:
    """The least, the usual and the largest size of a dimension."""

    least: int
    usual: int
    most: int

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.usual <= self.most:
            raise ValueError(f"sizes must grow from least to most, got {self}")


#: By the name of a dimension that a file leaves open.
SIZES: Mapping[str, SizeRange] = MappingProxyType(
    {
        "rows": SizeRange(1, 1080, 4320),  # of an image as it came
        "columns": SizeRange(1, 1920, 7680),
        "prompts": SizeRange(1, 1, 1),
        "prompts_at_once": SizeRange(1, 1, 4),
        "text_tokens": SizeRange(1, 32, 77),
        "boxes": SizeRange(0, 1, 32),  # 0 without exemplars
        # text_tokens and geometry's, which are boxes + 1; a multiple of 8 on a GPU
        "tokens": SizeRange(2, 8, 112),
        "queries": SizeRange(1, 200, 200),
        "kept": SizeRange(1, 4, 200),
        "points": SizeRange(1, 2, 66),
        "prompt_tokens": SizeRange(2, 3, 67),  # points + 1
        "memories": SizeRange(1, 7, 10),  # of 4 prompted frames and 6 others
        "pointers": SizeRange(1, 16, 64),
    }
)
# By tensor and axis, where a file names a dimension not at all or by a name that is not in SIZES.
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
    """The sizes that a stage's open dimensions may take."""

    #: No input and no output has an open shape.
    is_fixed: bool = False
    #: Of every input whose shape is open, dimension by dimension. Empty also where the sizes of
    #: one of them are unknown.
    ranges: Mapping[str, tuple[SizeRange, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranges", MappingProxyType(dict(self.ranges)))

    def require(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise InferenceError for a shape outside the ranges; other tensors may have any shape."""
        for name, sizes in self.ranges.items():
            for axis, (size, allowed) in enumerate(zip(shapes[name], sizes, strict=True)):
                if not allowed.least <= size <= allowed.most:
                    raise InferenceError(
                        f"the engine was built for {allowed.least} to {allowed.most} in dimension "
                        f"{axis} of {name}, got {size}: ask for less at once, or use backend cuda"
                    )


def shape_profile(path: Path, names: Mapping[str, str]) -> ShapeProfile:
    """Return the profile of a stage's file.

    names: canonical names of its inputs by those in the file. Raises BackendError for a file that
    is no ONNX model.
    """
    tensors = model_tensors(path)
    ranges: dict[str, tuple[SizeRange, ...]] = {}
    for name, shape in tensors.inputs.items():
        sizes = [_range(names.get(name, name), axis, size) for axis, size in enumerate(shape)]
        known = tuple(size for size in sizes if size is not None)
        if len(known) < len(sizes):
            return ShapeProfile()  # TensorRT takes a profile of all open inputs or of none
        if not _is_fixed(shape):
            ranges[name] = known
    shapes = (*tensors.inputs.values(), *tensors.outputs.values())
    return ShapeProfile(all(map(_is_fixed, shapes)), ranges)


def _range(tensor: str, axis: int, size: int | str | None) -> SizeRange | None:
    if isinstance(size, int):
        return SizeRange(size, size, size)
    if axis == 0 and tensor in OF_PROMPTS:
        return SIZES["prompts_at_once"]
    if tensor in RAW_IMAGE_INPUTS:  # an image may have any size
        return None
    named = SIZES.get(size or "") or SIZES.get(_AXES.get((tensor, axis), ""))
    return named or (SIZES["prompts"] if axis == 0 else None)


def _is_fixed(shape: Shape) -> bool:
    return all(isinstance(size, int) for size in shape)


# An ONNX file is a protocol buffer. These are the field numbers that onnx.proto of the ONNX project
# gives to ModelProto, GraphProto, ValueInfoProto, TypeProto, TypeProto.Tensor, TensorShapeProto and
# its Dimension. All other fields are skipped.
_GRAPH, _NAME, _TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION = 7, 1, 2, 1, 2, 1
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12
_INITIALIZER_NAME, _DIM_VALUE, _DIM_PARAM = 8, 1, 2


@dataclass(frozen=True)
class ModelTensors:
    """The tensors that an ONNX file declares."""

    #: Shape by name.
    inputs: Mapping[str, Shape]
    #: Shape by name.
    outputs: Mapping[str, Shape]

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def model_tensors(path: Path) -> ModelTensors:
    """Read the inputs and outputs that an ONNX file declares, without loading its weights.

    Raises BackendError for a file that cannot be read as an ONNX model.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _tensors(data)
    except (OSError, ValueError, IndexError) as error:
        raise BackendError(f"{path} is no ONNX model: {error}") from error


def _tensors(data: mmap.mmap) -> ModelTensors:
    inputs: dict[str, Shape] = {}
    outputs: dict[str, Shape] = {}
    weights: set[str] = set()
    for start, end in messages(data, 0, len(data), _GRAPH):
        for number, value, stop in fields(data, start, end):
            if number == _INITIALIZER:
                weights.add(text(data, value, stop, _INITIALIZER_NAME))
            elif number in (_INPUT, _OUTPUT):
                found = inputs if number == _INPUT else outputs
                found[text(data, value, stop, _NAME)] = _shape(data, value, stop)
    if not outputs:
        raise ValueError("it declares no outputs")
    fed = {name: shape for name, shape in inputs.items() if name not in weights}
    return ModelTensors(fed, outputs)


def _shape(data: mmap.mmap, start: int, end: int) -> Shape:
    spans = [(start, end)]
    for number in (_TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION):
        spans = [span for each in spans for span in messages(data, *each, number)]
    return tuple(_dimension(data, *span) for span in spans)


def _dimension(data: mmap.mmap, start: int, end: int) -> int | str | None:
    for number, value, stop in fields(data, start, end):
        if number == _DIM_VALUE:
            return varint(data, value)[0]
        if number == _DIM_PARAM:
            return bytes(data[value:stop]).decode()
    return None
