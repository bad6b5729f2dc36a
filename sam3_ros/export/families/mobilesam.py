"""MobileSAM: ChaoningZhang/MobileSAM, `vit_t`."""

from __future__ import annotations

from sam3_ros.export.families.point_family import PointArchitecture, PointFamily
from sam3_ros.export.family import Component, Unneeded
from sam3_ros.export.models.points.sam_decoder import SamDecoderSizes
from sam3_ros.export.models.points.tiny_vit_sam import TinyVitSamSizes
from sam3_ros.export.models.trunks.tinyvit import TinyVitSizes

_TINY_VIT_5M = TinyVitSizes(
    widths=(64, 128, 160, 320),
    depths=(2, 2, 6, 2),
    heads=(4, 5, 10),
    windows=(7, 14, 7),
    last_stride=1,
)

MOBILESAM = PointFamily(
    name="mobilesam",
    title="MobileSAM",
    licence="Apache-2.0",
    architectures=(
        PointArchitecture("vit_t", TinyVitSamSizes(_TINY_VIT_5M), SamDecoderSizes(), 1024),
    ),
    components=(
        Component("image encoder: TinyViT", "image_encoder.", "image"),
        Component("image encoder: neck", "image_encoder.neck.", "image"),
        Component("classifier", "image_encoder.head.", ""),
        Component("classifier: norm", "image_encoder.norm_head.", ""),
        Component("prompt encoder", "prompt_encoder.", "prompt_encoder"),
        Component("positions", "prompt_encoder.pe_layer.", "prompt_encoder, mask_decoder"),
        Component("mask decoder", "mask_decoder.", "mask_decoder"),
    ),
    unneeded=(
        Unneeded(
            r"image_encoder\.(norm_head|head)\..*",
            "the classifier that TinyViT was trained with; no mask depends on it",
        ),
    ),
)
