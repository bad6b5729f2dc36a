"""What every text encoder takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from sam3_ros.export.fills import phrases
from sam3_ros.export.models.text.architecture import TextArchitecture
from sam3_ros.export.stage import Stage, TensorInput

#: Where a checkpoint of the family keeps its text encoder.
LANGUAGE_BACKBONE = "detector.backbone.language_backbone."

PADDING = 0


class TextStage(Stage):
    """input_ids int64[P, L] to text_features f32[P, L, d_model] and text_mask bool[P, L].

    The mask is True where there is a token. It is for the stages that follow: inside the encoder
    tokens see padding too, so features depend on L, and L is fixed.
    """

    outputs: ClassVar[tuple[str, ...]] = ("text_features", "text_mask")

    def __init__(self, architecture: TextArchitecture) -> None:
        super().__init__()
        self._context_length = architecture.context_length
        self._vocabulary = architecture.vocabulary

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        """input_ids int64[P, L]."""
        shape = ("prompts", self._context_length)
        return {"input_ids": TensorInput(shape, phrases(self._vocabulary))}

    def features(self, input_ids: Tensor) -> Tensor:
        """f32[P, L, d_model]."""
        raise NotImplementedError

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """text_features, text_mask."""
        return self.features(input_ids), input_ids != PADDING
