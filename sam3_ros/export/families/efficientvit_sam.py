"""EfficientViT-SAM: the variants of mit-han-lab/efficientvit, `efficientvit_sam_*`."""

from __future__ import annotations

from sam3_ros.export.families.point_family import PointArchitecture, PointFamily
from sam3_ros.export.family import Component
from sam3_ros.export.models.points.efficientvit_large import (
    NORM_EPS,
    EfficientVitSamSizes,
    Resolution,
)
from sam3_ros.export.models.points.sam_decoder import SamDecoderSizes


def _large(
    variant: str, depths: tuple[int, int, int, int, int], neck_depth: int
) -> PointArchitecture:
    first, second, third, fourth, fifth = depths
    resolutions = (
        Resolution(32, first, "res", 1),
        Resolution(64, second, "fmb", 4),
        Resolution(128, third, "fmb", 4),
        Resolution(256, fourth, "mb", 4),
        Resolution(512, fifth, "att", 6),
    )
    sizes = EfficientVitSamSizes(resolutions, kernel=5, neck_depth=neck_depth, neck_expand=1)
    return PointArchitecture(variant, sizes, SamDecoderSizes(norm_eps=NORM_EPS), input_size=512)


def _extra_large(
    variant: str, depths: tuple[int, int, int, int, int, int], neck_depth: int
) -> PointArchitecture:
    first, second, third, fourth, fifth, sixth = depths
    resolutions = (
        Resolution(32, first, "res", 1),
        Resolution(64, second, "fmb", 4),
        Resolution(128, third, "fmb", 4),
        Resolution(256, fourth, "fmb", 4),
        Resolution(512, fifth, "att", 4),
        Resolution(1024, sixth, "att", 6),
    )
    sizes = EfficientVitSamSizes(resolutions, kernel=3, neck_depth=neck_depth, neck_expand=4)
    return PointArchitecture(variant, sizes, SamDecoderSizes(norm_eps=NORM_EPS), input_size=1024)


EFFICIENTVIT_SAM = PointFamily(
    name="efficientvit-sam",
    title="EfficientViT-SAM",
    licence="Apache-2.0",
    architectures=(
        _large("l0", (1, 1, 1, 4, 4), neck_depth=4),
        _large("l1", (1, 1, 1, 6, 6), neck_depth=8),
        _large("l2", (1, 2, 2, 8, 8), neck_depth=12),
        _extra_large("xl0", (0, 1, 1, 2, 3, 3), neck_depth=6),
        _extra_large("xl1", (1, 2, 2, 4, 6, 6), neck_depth=12),
    ),
    components=(
        Component("image encoder: EfficientViT", "image_encoder.backbone.", "image"),
        Component("image encoder: neck", "image_encoder.neck.", "image"),
        Component("image encoder: last norm", "image_encoder.norm.", "image"),
        Component("prompt encoder", "prompt_encoder.", "prompt_encoder"),
        Component("positions", "prompt_encoder.pe_layer.", "prompt_encoder, mask_decoder"),
        Component("mask decoder", "mask_decoder.", "mask_decoder"),
    ),
)
