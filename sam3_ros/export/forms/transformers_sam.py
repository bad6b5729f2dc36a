"""transformers' names of SAM (`SamModel`), as in facebook/sam-vit-base and in SlimSAM."""

from __future__ import annotations

from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.forms.rewriting import Rewrite, rewritten
from sam3_ros.export.models.points.sam_decoder import MASK_DECODER_NAMES, PROMPT_ENCODER_NAMES

_HAS = ("vision_encoder.patch_embed.projection.weight", "mask_decoder.iou_token.weight")
_OF_HQ_SAM = "mask_decoder.hq_"
_BLOCK, _ORIGINAL_BLOCK = r"vision_encoder\.layers\.(\d+)", r"image_encoder.blocks.\1"
_NECK = {"conv1": 0, "layer_norm1": 1, "conv2": 2, "layer_norm2": 3}

_RULES: tuple[Rewrite, ...] = (
    Rewrite(r"vision_encoder\.pos_embed", "image_encoder.pos_embed"),
    Rewrite(r"vision_encoder\.patch_embed\.projection\.(.*)", r"image_encoder.patch_embed.proj.\1"),
    Rewrite(_BLOCK + r"\.layer_norm([12])\.(.*)", _ORIGINAL_BLOCK + r".norm\2.\3"),
    Rewrite(_BLOCK + r"\.((?:attn|mlp)\..*)", _ORIGINAL_BLOCK + r".\2"),
    *(
        Rewrite(rf"vision_encoder\.neck\.{ours}\.(.*)", rf"image_encoder.neck.{place}.\1")
        for ours, place in _NECK.items()
    ),
    Rewrite(
        r"shared_image_embedding\.positional_embedding",
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    # The decoder's modules here are transformers' own, so their rules are those of such a file.
    *(
        Rewrite(pattern, name)
        for pattern, name in (*PROMPT_ENCODER_NAMES.rules, *MASK_DECODER_NAMES.rules)
        if isinstance(name, str)
    ),
)


def from_transformers_sam(checkpoint: Checkpoint) -> Checkpoint | None:
    """Return the checkpoint with the published names, None where it is not in this form."""
    names = checkpoint.shapes
    if not all(name in names for name in _HAS):
        return None
    if any(name.startswith(_OF_HQ_SAM) for name in names):
        return None
    return rewritten(checkpoint, _RULES, "transformers' SAM (SamModel)")
