"""SAM 3's detector with few layers and narrow ones, on a grid of six by six."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sam3_ros.export.models.sam3.decoder import Decoder
from sam3_ros.export.models.sam3.detector_neck import DetectorNeck, DetectorPyramid
from sam3_ros.export.models.sam3.fusion import Fusion, FusionImage
from sam3_ros.export.models.sam3.geometry import Geometry
from sam3_ros.export.models.sam3.scoring import Scoring
from sam3_ros.export.models.sam3.segmentation import Segmentation
from sam3_ros.export.models.sam3.sizes import DetectorSizes
from sam3_ros.export.stage import StageModule

GRID = 6
SIZES = DetectorSizes(
    trunk_channels=32,
    width=64,
    feedforward=96,
    geometry_layers=1,
    fusion_layers=2,
    decoder_layers=2,
    queries=10,
    roi_size=3,
)
LENGTHS = {
    "prompts": (1, 2),
    "boxes": (0, 1, 3),
    "tokens": (1, 4, 80),
    "queries": (1, 10),
    "kept": (1, 7),
}


def detector(sizes: DetectorSizes) -> dict[str, StageModule]:
    return {
        "detector_neck": DetectorNeck(sizes, GRID),
        "fusion_image": FusionImage(sizes, GRID),
        "geometry": Geometry(sizes, GRID),
        "fusion": Fusion(sizes, GRID),
        "decoder": Decoder(sizes, GRID),
        "scoring": Scoring(sizes),
        "detector_pyramid": DetectorPyramid(sizes, GRID),
        "segmentation": Segmentation(sizes, GRID),
    }


def small_detector() -> dict[str, StageModule]:
    """Return the stages in evaluation mode, with weights that make every part matter."""
    made = detector(SIZES)
    for seed, stage in enumerate(made.values()):
        torch.manual_seed(seed)
        for parameter in stage.eval().requires_grad_(False).parameters():
            nn.init.normal_(
                parameter, std=parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 1
            )
    return made


def combinations(stage: StageModule) -> Iterator[dict[str, int]]:
    names = stage.lengths()
    for lengths in itertools.product(*(LENGTHS[name] for name in names)):
        yield dict(zip(names, lengths, strict=True))


def longest(stage: StageModule) -> dict[str, int]:
    return {name: LENGTHS[name][-1] for name in stage.lengths()}


def answers(stage: StageModule, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(zip(stage.outputs, stage(*inputs.values()), strict=True))
