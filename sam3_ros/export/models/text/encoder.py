"""What every text encoder takes and gives, its sizes, and the encoders of published checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from sam3_ros.core.errors import ExportError
from sam3_ros.export.fills import phrases
from sam3_ros.export.stage import StageModule, TensorInput

#: Width of an attention head in every encoder of this package; no tensor's shape shows it.
HEAD_WIDTH = 64

#: Prefix of the text encoder in a checkpoint of the family.
LANGUAGE_BACKBONE = "detector.backbone.language_backbone."
PADDING = 0


@dataclass(frozen=True)
class TextArchitecture:
    """Every size of a text encoder.

    Raises ExportError for sizes that do not go together.
    """

    name: str
    width: int
    #: Attention layers; the two convolutional blocks do not count.
    layers: int
    feed_forward: int
    #: Tokens that the encoder reads, at most `positions`; of a longer table the first rows are
    #: used, as in the original.
    context_length: int
    #: Rows of the checkpoint's position table.
    positions: int
    #: Length of the kernels of the convolutional blocks with which MobileCLIP-S0 begins and ends;
    #: None where there are no such blocks.
    convolution: int | None = None
    #: Tokens see only earlier tokens: SAM 3's own encoder.
    causal: bool = False
    vocabulary: int = 49408
    d_model: int = 256

    def __post_init__(self) -> None:
        if self.width < HEAD_WIDTH or self.width % HEAD_WIDTH:
            raise ExportError(
                f"text encoder {self.name}: the width must be a multiple of {HEAD_WIDTH}, the "
                f"width of a head, got {self.width}"
            )
        if not 2 <= self.context_length <= self.positions:
            raise ExportError(
                f"text encoder {self.name}: {self.context_length} tokens requested, but it reads 2 "
                f"to {self.positions}, the length of its position table"
            )
        if self.convolution is not None and self.convolution % 2 == 0:
            raise ExportError(
                f"text encoder {self.name}: kernels need an odd length, got {self.convolution}"
            )

    @property
    def heads(self) -> int:
        """Attention heads of a layer."""
        return self.width // HEAD_WIDTH

    def with_context_length(self, context_length: int) -> TextArchitecture:
        """Return the same encoder for that many tokens.

        Raises ExportError where it cannot read them.
        """
        return replace(self, context_length=context_length)


# The MobileCLIP sizes are those of apple/ml-mobileclip, SAM 3's those of facebookresearch/sam3.
_PUBLISHED = {
    one.name: one
    for one in (
        TextArchitecture("mobileclip-s0", 512, 4, 2048, 77, 77, convolution=11),
        TextArchitecture("mobileclip-s1", 512, 12, 2048, 77, 77),
        TextArchitecture("mobileclip2-l", 768, 12, 3072, 77, 77),
        TextArchitecture("sam3", 1024, 24, 4096, 32, 32, causal=True),
    )
}
TEXT_ENCODERS = tuple(_PUBLISHED)


def text_architecture(name: str, context_length: int) -> TextArchitecture:
    """Return the real sizes of an encoder, its position table as long as the context.

    Raises ExportError for a name that is not in TEXT_ENCODERS.
    """
    if name not in _PUBLISHED:
        raise ExportError(f"unknown text encoder {name!r}; known: {', '.join(TEXT_ENCODERS)}")
    return replace(_PUBLISHED[name], context_length=context_length, positions=context_length)


def published_name(sizes: TextArchitecture) -> str | None:
    """Return the name of the published encoder with these sizes, whatever its context, or None."""
    for name, known in _PUBLISHED.items():
        as_long = replace(known, context_length=sizes.context_length, positions=sizes.positions)
        if replace(sizes, name=name) == as_long:
            return name
    return None


class TextStage(StageModule):
    """A text encoder.

    input_ids int64[P,L] -> text_features f32[P,L,d_model], text_mask bool[P,L].

    The mask is True where there is a token. It is for the stages that follow: inside the encoder
    tokens attend to padding too, so features depend on L, and L is fixed.
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
        """Return f32[P, L, d_model]."""
        raise NotImplementedError

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return text_features and text_mask."""
        return self.features(input_ids), input_ids != PADDING
