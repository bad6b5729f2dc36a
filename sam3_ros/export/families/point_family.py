"""Families that take only clicks and boxes: SAM 1's decoder behind another image encoder.

Images and clicks are prepared as in SAM (segment-anything, predictor.py), in all of them the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import torch

from sam3_ros.core.bundle.manifest import InteractiveSettings, Preprocessing, SingleMask
from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.families.nearest import nearest_variant
from sam3_ros.export.family import NO_NOTES, Component, ModelSettings, Notes, Unneeded
from sam3_ros.export.models.points.sam_decoder import (
    MASK_SCALE,
    PROMPT_SPACE,
    MaskDecoderStage,
    PromptEncoderStage,
    SamDecoderSizes,
)
from sam3_ros.export.network import Network, Part
from sam3_ros.export.stage import StageModule

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
#: Smallest input size, in steps: a grid of one cell has no positions.
LEAST_STEPS = 2
#: Tensors that HQ-SAM adds to each of these models.
_OF_HQ_SAM = re.compile(r"mask_decoder\.(hf_|compress_vit_feat|embedding_)")


class ImageEncoderSizes(Protocol):
    """Every size of an image encoder, and what follows from them."""

    @property
    def step(self) -> int:
        """Input sizes are multiples of this, px."""

    def grid(self, input_size: int, /) -> int:
        """Return the side of its output, in cells."""

    def build(self, input_size: int) -> StageModule:
        """Return stage `image`, its weights not filled."""


@dataclass(frozen=True)
class PointArchitecture:
    """Every size of a variant."""

    variant: str
    image: ImageEncoderSizes
    decoder: SamDecoderSizes
    #: What it was trained at, px.
    input_size: int


@dataclass(frozen=True)
class PointFamily:
    """A family of point models; see Family for its members.

    The input size may change: clicks stay in the prompt space of 1024 px and are embedded by their
    position relative to the picture, as are the cells of whatever grid the encoder has.
    """

    name: str
    title: str
    licence: str
    architectures: tuple[PointArchitecture, ...]
    components: tuple[Component, ...]
    unneeded: tuple[Unneeded, ...] = ()
    #: Reads an architecture from a checkpoint's tensors, also one that was not published.
    read: Callable[[Shapes], PointArchitecture | None] | None = None
    parts: tuple[Part, ...] = field(default=("interactive",), init=False)

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the architectures."""
        return tuple(architecture.variant for architecture in self.architectures)

    def recognise(self, shapes: Shapes, notes: Notes = NO_NOTES) -> PointArchitecture:  # noqa: ARG002
        """Return the architecture whose tensors the checkpoint has. Raises CheckpointError."""
        if any(_OF_HQ_SAM.match(name) for name in shapes):
            raise CheckpointError(f"not a checkpoint of {self.title}: it has tensors of HQ-SAM")
        networks = dict(_networks(self))
        found = self.read(shapes) if self.read is not None else None
        if found is not None and found.variant not in networks:
            with torch.device("meta"):
                networks[found.variant] = self.build(found, found.input_size)
        best = nearest_variant(shapes, networks, self.unneeded, self.title)
        return found if found and found.variant == best else self.architecture(best)

    def architecture(self, variant: str) -> PointArchitecture:
        """Return the real sizes of a variant. Raises ExportError."""
        for architecture in self.architectures:
            if architecture.variant == variant:
                return architecture
        raise ExportError(f"{self.title} has no variant {variant!r}: {', '.join(self.variants)}")

    def default_input_size(self, architecture: PointArchitecture) -> int:
        """Return the input size that the variant was trained at, px."""
        return architecture.input_size

    def build(self, architecture: PointArchitecture, input_size: int) -> Network:
        """Return stages image, prompt_encoder and mask_decoder, their weights not filled."""
        grid = _grid(architecture, input_size)
        stages: Mapping[str, StageModule] = {
            "image": architecture.image.build(input_size),
            "prompt_encoder": PromptEncoderStage(architecture.decoder, grid),
            "mask_decoder": MaskDecoderStage(architecture.decoder, grid),
        }
        return Network(stages, dict.fromkeys(stages, self.parts)).eval()

    def settings(self, architecture: PointArchitecture, input_size: int) -> ModelSettings:
        """Return how SAM prepares images and clicks, and chooses among its masks."""
        mask = MASK_SCALE * _grid(architecture, input_size)
        preprocessing = Preprocessing(
            input_size,
            input_size,
            IMAGENET_MEAN,
            IMAGENET_STD,
            fit="longest_side",
            interpolation="bilinear_antialias",
        )
        interactive = InteractiveSettings(
            prompt_space=ImageSize(PROMPT_SPACE, PROMPT_SPACE),
            padding_point="without_box",
            mask_input=ImageSize(mask, mask),
            multimask_max_points=1,
            single_mask=SingleMask("first"),
            object_score="ignore",
            mask_fit="through_padded_input",
        )
        return ModelSettings(preprocessing, interactive, context_length=None)


@cache
def _networks(family: PointFamily) -> Mapping[str, Network]:
    """Return a network of every variant without numbers; to make them takes a second."""
    with torch.device("meta"):
        return {a.variant: family.build(a, a.input_size) for a in family.architectures}


def _grid(architecture: PointArchitecture, input_size: int) -> int:
    step = architecture.image.step
    if input_size % step or input_size < LEAST_STEPS * step:
        raise ExportError(
            f"an input size of {input_size} px: {architecture.variant} takes multiples of {step}, "
            f"at least {LEAST_STEPS * step}; it was trained at {architecture.input_size}"
        )
    return architecture.image.grid(input_size)
