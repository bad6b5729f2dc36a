"""The sizes of SAM 3's detector, read from its checkpoint's tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import Shapes

DETECTOR = "detector."
NECK = DETECTOR + "backbone.vision_backbone.convs."
GEOMETRY = DETECTOR + "geometry_encoder."
FUSION = DETECTOR + "transformer.encoder."
DECODER = DETECTOR + "transformer.decoder."
SCORING = DETECTOR + "dot_prod_scoring."
SEGMENTATION = DETECTOR + "segmentation_head."


@dataclass(frozen=True)
class DetectorSizes:
    """Sizes of the detector; the defaults are those of every published checkpoint."""

    #: Of the image features that the neck takes.
    trunk_channels: int = 1024
    #: Of every token and feature map behind the neck.
    width: int = 256
    #: Inner width of the transformer layers and of the scoring's perceptron.
    feedforward: int = 2048
    geometry_layers: int = 3
    fusion_layers: int = 6
    decoder_layers: int = 6
    queries: int = 200
    #: Side of the grid that a box is pooled to.
    roi_size: int = 7
    #: Of attention; the decoder's bias for boxes has one number per head.
    heads: int = 8

    def __post_init__(self) -> None:
        for name, size in asdict(self).items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if self.width % self.heads or self.width % 4:
            raise ValueError(
                f"a width of {self.width} is not divisible by {self.heads} heads and 4"
            )

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> DetectorSizes:
        """Return the sizes of the checkpoint whose tensors have these shapes.

        Raises CheckpointError where a tensor that shows a size is missing or has another rank.
        """
        width, trunk_channels = _shape(shapes, NECK + "2.conv_1x1.weight", 4)[:2]
        return cls(
            trunk_channels=trunk_channels,
            width=width,
            feedforward=_shape(shapes, FUSION + "layers.0.linear1.weight", 2)[0],
            geometry_layers=_layers(shapes, GEOMETRY + "encode"),
            fusion_layers=_layers(shapes, FUSION + "layers"),
            decoder_layers=_layers(shapes, DECODER + "layers"),
            queries=_shape(shapes, DECODER + "query_embed.weight", 2)[0],
            roi_size=_shape(shapes, GEOMETRY + "boxes_pool_project.weight", 4)[3],
            heads=_shape(shapes, DECODER + "boxRPB_embed_x.layers.1.weight", 2)[0],
        )


def _shape(shapes: Shapes, name: str, rank: int) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None or len(shape) != rank:
        came = "is missing" if shape is None else f"has shape {list(shape)}"
        raise CheckpointError(
            f"{name} {came}, expected {rank} axes: not a checkpoint of SAM 3's detector"
        )
    return shape


def _layers(shapes: Shapes, prefix: str) -> int:
    """Return how many layers, numbered from 0, are below the prefix."""
    found = {name[len(prefix) + 1 :].split(".")[0] for name in shapes if name.startswith(prefix)}
    numbers = sorted(int(number) for number in found if number.isdecimal())
    if not numbers:
        raise CheckpointError(f"no tensor is named {prefix}.0..., which SAM 3's detector has")
    if numbers != list(range(len(numbers))):
        raise CheckpointError(
            f"{prefix} has the layers {', '.join(map(str, numbers))}; expected 0, 1, 2, ... "
            f"without a gap"
        )
    return len(numbers)
