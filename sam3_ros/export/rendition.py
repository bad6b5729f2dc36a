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
    #: Lengths that are fixed, by the name of the axis.
    fixed: Mapping[str, int]

    @property
    def is_portable(self) -> bool:
        """Whether every engine reads it.

        The others are for engines on a GPU: attention is written whole, operators that sum take
        half, and a stage of its own prepares the pixels.
        """
        return self.name == plan.PORTABLE


PORTABLE = Rendition(
    name=plan.PORTABLE,
    translations=operators.PLAIN,
    fixed=MappingProxyType({}),
)
#: For ONNX Runtime's CUDA provider, with its own operators for attention and GELU.
CUDA = Rendition(
    name="cuda",
    translations=operators.OF_ONNX_RUNTIME,
    fixed=MappingProxyType({}),
)
#: For TensorRT, which fuses attention by itself: ONNX's operators alone. A prompt at a time, since
#: an engine is built for a range of sizes and is fastest for a small one.
TENSORRT = Rendition(
    name="tensorrt",
    translations=operators.WHOLE,
    fixed=MappingProxyType({"prompts": 1}),
)
RENDITIONS: Mapping[str, Rendition] = MappingProxyType(
    {each.name: each for each in (PORTABLE, CUDA, TENSORRT)}
)
