"""timm's names of TinyViT (`tiny_vit_5m_224`) in MobileSAM's image encoder.

timm counts the step between two resolutions to the finer's successor, the original to the finer.
"""

from __future__ import annotations

from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.forms.rewriting import Rewrite, rewritten

_ENCODER = r"image_encoder\."
_HAS = ("image_encoder.patch_embed.conv1.conv.weight", "mask_decoder.iou_token.weight")
_RESOLUTIONS = 4
_KINDS = {"conv": "c", "bn": "bn"}


def _convolutions(ours: str, original: str) -> tuple[Rewrite, ...]:
    """Return rules of a convolution and its batch norm."""
    return tuple(
        Rewrite(rf"{_ENCODER}{ours}\.{kind}\.(?P<rest>\w+)", rf"{original}.{its}.\g<rest>")
        for kind, its in _KINDS.items()
    )


_RULES: tuple[Rewrite, ...] = (
    *_convolutions(r"patch_embed\.conv1", "image_encoder.patch_embed.seq.0"),
    *_convolutions(r"patch_embed\.conv2", "image_encoder.patch_embed.seq.2"),
    *_convolutions(
        r"stages\.(\d+)\.blocks\.(\d+)\.(conv[123]|local_conv)",
        r"image_encoder.layers.\1.blocks.\2.\3",
    ),
    *(
        rule
        for coarser in range(1, _RESOLUTIONS)
        for rule in _convolutions(
            rf"stages\.{coarser}\.downsample\.(conv[123])",
            rf"image_encoder.layers.{coarser - 1}.downsample.\1",
        )
    ),
    Rewrite(_ENCODER + r"stages\.(\d+\.blocks\.\d+\.(?:attn|mlp)\..*)", r"image_encoder.layers.\1"),
    Rewrite(_ENCODER + r"head\.norm\.(.*)", r"image_encoder.norm_head.\1"),
    Rewrite(_ENCODER + r"head\.fc\.(.*)", r"image_encoder.head.\1"),
)


def from_timm(checkpoint: Checkpoint) -> Checkpoint | None:
    """Return the checkpoint with the published names, None where it is not in this form."""
    if not all(name in checkpoint.shapes for name in _HAS):
        return None
    return rewritten(checkpoint, _RULES, "MobileSAM with timm's names of TinyViT")
