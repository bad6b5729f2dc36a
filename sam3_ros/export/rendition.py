"""The ways in which a stage is written as ONNX: for any engine, and for engines on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sam3_ros.core.stages import plan
from sam3_ros.export import operators

Translations = Mapping[Callable[..., Any], Callable[..., Any]]


@dataclass(frozen=True)
class Rendition:
    """How the same network is written for some engines; the numbers are the same."""

    #: As the manifest has it (core/stages/plan.py says which backend takes it).
    name: str
    #: PyTorch's operators that are written other than by its exporter.
    translations: Translations
    #: Every attention is one operator on whole sequences, or the products and the softmax of one.
    whole_attention: bool
    #: Lengths that are fixed, by the name of the axis.
    fixed: Mapping[str, int]
    #: The engine sums in single precision inside an operator that takes half: no part of a stage
    #: needs single precision because it sums or normalises.
    sums_in_single: bool
    #: It also prepares the pixels, in a stage of its own.
    prepares_pixels: bool

    @property
    def is_portable(self) -> bool:
        """Whether every engine reads it."""
        return self.name == plan.PORTABLE


PORTABLE = Rendition(
    name=plan.PORTABLE,
    translations=operators.PLAIN,
    whole_attention=False,
    fixed=MappingProxyType({}),
    sums_in_single=False,
    prepares_pixels=False,
)
#: For ONNX Runtime's CUDA provider, with its own operators for attention and GELU.
CUDA = Rendition(
    name="cuda",
    translations=operators.OF_ONNX_RUNTIME,
    whole_attention=True,
    fixed=MappingProxyType({}),
    sums_in_single=True,
    prepares_pixels=True,
)
#: For TensorRT, which fuses attention by itself: ONNX's operators alone. A prompt at a time, since
#: an engine is built for a range of sizes and is fastest for a small one.
TENSORRT = Rendition(
    name="tensorrt",
    translations=operators.WHOLE,
    whole_attention=True,
    fixed=MappingProxyType({"prompts": 1}),
    sums_in_single=True,
    prepares_pixels=True,
)
RENDITIONS: Mapping[str, Rendition] = MappingProxyType(
    {each.name: each for each in (PORTABLE, CUDA, TENSORRT)}
)
