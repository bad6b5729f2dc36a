"""A point model of the real code, small enough to be exported in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.families.efficientvit_sam import EFFICIENTVIT_SAM
from sam3_ros.export.families.point_family import PointArchitecture
from sam3_ros.export.models.points.efficientvit_large import EfficientVitSamSizes, Resolution
from sam3_ros.export.models.points.sam_decoder import SamDecoderSizes
from sam3_ros.export.network import Network
from sam3_ros.export.weights.filled_network import rebuilt_network

SIZES = EfficientVitSamSizes(
    (
        Resolution(8, 1, "res", 1),
        Resolution(8, 1, "fmb", 2),
        Resolution(8, 1, "fmb", 2),
        Resolution(16, 1, "mb", 2),
        Resolution(16, 1, "att", 2),
    ),
    kernel=5,
    neck_depth=1,
    neck_expand=1,
    head=8,
    neck_width=16,
    channels=32,
    cells=8,
)
SMALL = PointArchitecture("small", SIZES, SamDecoderSizes(channels=32, heads=4, mlp=48), 64)
FAMILY = replace(EFFICIENTVIT_SAM, architectures=(SMALL,))


def small_clicker_of(manifest: Manifest, checkpoint: Path | None) -> Network:
    """Run rebuilt_network in a process that knows only the published families."""
    FAMILIES[FAMILY.name] = FAMILY
    return rebuilt_network(manifest, checkpoint)
