"""What every trunk has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sam3_ros.export.fills import pictures
from sam3_ros.export.stage import Stage, TensorInput

#: Below this stand a trunk's tensors in a checkpoint.
TRUNK = "detector.backbone.vision_backbone.trunk."
#: Pixels of the input for a place of the grid of features, each way.
PATCH = 14


class Trunk(Stage):
    """pixel_values f32[1, 3, S, S] -> trunk f32[1, C, S // 14, S // 14]."""

    outputs: ClassVar[tuple[str, ...]] = ("trunk",)

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self._input_size = input_size

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        size = self._input_size
        return {"pixel_values": TensorInput((1, 3, size, size), pictures)}

    @property
    def grid(self) -> int:
        """Height and width of the features."""
        return self._input_size // PATCH
