"""transformers' names of SAM 3's image encoder and necks, for those of Sam3VideoModel."""

from __future__ import annotations

from sam3_ros.export.forms.rewriting import Rewrite
from sam3_ros.export.forms.transformers_layers import below


def _neck(ours: str, original: str) -> tuple[Rewrite, ...]:
    return below(
        ours,
        original,
        Rewrite(r"0\.scale_layers\.0\.(.*)", r"0.dconv_2x2_0.\1"),
        Rewrite(r"0\.scale_layers\.2\.(.*)", r"0.dconv_2x2_1.\1"),
        Rewrite(r"1\.scale_layers\.0\.(.*)", r"1.dconv_2x2.\1"),
        Rewrite(r"(\d)\.proj1\.(.*)", r"\1.conv_1x1.\2"),
        Rewrite(r"(\d)\.proj2\.(.*)", r"\1.conv_3x3.\2"),
    )


_IMAGE = "detector.backbone.vision_backbone."
_VIT_LAYER = r"layers\.(\d+)\."
IMAGE: tuple[Rewrite, ...] = (
    *below(
        r"detector_model\.vision_encoder\.backbone\.",
        _IMAGE + "trunk.",
        Rewrite(r"embeddings\.position_embeddings", "pos_embed", "behind_zeros"),
        Rewrite(r"embeddings\.patch_embeddings\.projection\.(.*)", r"patch_embed.proj.\1"),
        Rewrite(r"layer_norm\.(.*)", r"ln_pre.\1"),
        Rewrite(_VIT_LAYER + r"layer_norm([12])\.(.*)", r"blocks.\1.norm\2.\3"),
        *(
            Rewrite(_VIT_LAYER + rf"attention\.{each}_proj\.(.*)", rf"blocks.\1.attn.qkv.\2#{part}")
            for part, each in enumerate("qkv")
        ),
        Rewrite(_VIT_LAYER + r"attention\.o_proj\.(.*)", r"blocks.\1.attn.proj.\2"),
        Rewrite(_VIT_LAYER + r"(mlp\.fc[12]\..*)", r"blocks.\1.\2"),
    ),
    *_neck(r"detector_model\.vision_encoder\.neck\.fpn_layers\.", _IMAGE + "convs."),
    *_neck(r"tracker_neck\.fpn_layers\.", _IMAGE + "sam2_convs."),
)
