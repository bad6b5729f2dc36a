"""The sizes of SAM 3's tracker, read from its checkpoint's tensors."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import Shapes

TRACKER = "tracker."
TRACKER_NECK = "detector.backbone.vision_backbone.sam2_convs."
PROMPT_ENCODER = TRACKER + "sam_prompt_encoder."
MASK_DECODER = TRACKER + "sam_mask_decoder."
MEMORY_ENCODER = TRACKER + "maskmem_backbone."
MEMORY_ATTENTION = TRACKER + "transformer.encoder."

#: Input pixels per side of a grid cell.
PATCH = 14
#: Mask pixels per side of a grid cell.
MASK_SCALE = 4
#: Pixels of the mask that the memory encoder takes, per side of a grid cell.
MEMORY_MASK_SCALE = 16
#: Pixels of a mask that is given as the prompt, per side of a grid cell.
OBJECT_MASK_SCALE = 16
#: The single mask and the three of an ambiguous prompt.
MASKS = 4


@dataclass(frozen=True)
class TrackerSizes:
    """Sizes of the tracker; the defaults are those of every published checkpoint.

    The memory attention has one head.
    """

    #: Of the image features that the neck takes.
    trunk_channels: int = 1024
    #: Of every token and feature map behind the neck.
    width: int = 256
    #: Of the mask decoder, as the next two.
    decoder_layers: int = 2
    decoder_feedforward: int = 2048
    iou_hidden: int = 256
    #: Inside the prompt encoder.
    mask_prompt_channels: int = 16
    #: Channels of the memories.
    memory_width: int = 64
    #: How many memories the model was trained with.
    memory_frames: int = 7
    memory_layers: int = 4
    memory_feedforward: int = 2048
    #: Of the memory encoder, as the next.
    fuser_layers: int = 2
    fuser_hidden: int = 1024
    #: Of the mask decoder's attention; no shape shows them, so they are the same in every
    #: checkpoint.
    heads: int = 8

    def __post_init__(self) -> None:
        for name, size in asdict(self).items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if self.width % (2 * self.heads) or self.width % self.memory_width:
            raise ValueError(
                f"a width of {self.width} is not divisible by twice {self.heads} heads and by the "
                f"memories' {self.memory_width}"
            )
        if self.mask_prompt_channels % 4 or self.memory_width % 4:
            raise ValueError("mask_prompt_channels and memory_width must be multiples of 4")

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> TrackerSizes:
        """Return the sizes of the checkpoint whose tensors have these shapes.

        Those of the memory are the defaults where the tracker has none. Raises CheckpointError
        where a tensor that shows a size is missing or has another rank.
        """
        width, trunk_channels = _shape(shapes, TRACKER_NECK + "2.conv_1x1.weight", 4)[:2]
        masks = _shape(shapes, MASK_DECODER + "mask_tokens.weight", 2)[0]
        if masks != MASKS:
            raise CheckpointError(f"the mask decoder makes {masks} masks, expected {MASKS}")
        return cls(
            trunk_channels=trunk_channels,
            width=width,
            decoder_layers=_layers(shapes, MASK_DECODER + "transformer.layers"),
            decoder_feedforward=_rows(shapes, MASK_DECODER + "transformer.layers.0.mlp.lin1"),
            iou_hidden=_rows(shapes, MASK_DECODER + "iou_prediction_head.layers.0"),
            mask_prompt_channels=_shape(shapes, PROMPT_ENCODER + "mask_downscaling.3.weight", 4)[0],
            **_memory(shapes),
        )


def _memory(shapes: Shapes) -> dict[str, int]:
    """Return the sizes of the memory, none where there is no memory."""
    if not any(name.startswith((MEMORY_ENCODER, MEMORY_ATTENTION)) for name in shapes):
        return {}
    times = _shape(shapes, TRACKER + "maskmem_tpos_enc", 4)
    return {
        "memory_width": times[3],
        "memory_frames": times[0],
        "memory_layers": _layers(shapes, MEMORY_ATTENTION + "layers"),
        "memory_feedforward": _rows(shapes, MEMORY_ATTENTION + "layers.0.linear1"),
        "fuser_layers": _layers(shapes, MEMORY_ENCODER + "fuser.layers"),
        "fuser_hidden": _rows(shapes, MEMORY_ENCODER + "fuser.layers.0.pwconv1"),
    }


def _rows(shapes: Shapes, linear: str) -> int:
    return _shape(shapes, linear + ".weight", 2)[0]


def _layers(shapes: Shapes, prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    indices = {int(match[1]) for name in shapes if (match := pattern.match(name))}
    if indices != set(range(len(indices))) or not indices:
        raise CheckpointError(f"{prefix} has the layers {sorted(indices)}, expected 0, 1, ...")
    return len(indices)


def _shape(shapes: Shapes, name: str, rank: int) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None or len(shape) != rank:
        came = "is missing" if shape is None else f"has shape {list(shape)}"
        raise CheckpointError(
            f"{name} {came}, expected {rank} axes: not a checkpoint of SAM 3's tracker"
        )
    return tuple(shape)
