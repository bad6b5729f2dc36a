"""SAM itself: facebookresearch/segment-anything, `vit_b`, `vit_l` and `vit_h`."""

from __future__ import annotations

from sam3_ros.export.bindings import Shapes
from sam3_ros.export.families.point_family import PointArchitecture, PointFamily
from sam3_ros.export.family import Component
from sam3_ros.export.models.points.sam_decoder import PROMPT_SPACE, SamDecoderSizes
from sam3_ros.export.models.points.sam_vit import SamVitSizes

_ENCODER = "image_encoder."
_PUBLISHED = {
    "vit_b": SamVitSizes(768, 12, 12, (2, 5, 8, 11), mlp=3072),
    "vit_l": SamVitSizes(1024, 24, 16, (5, 11, 17, 23), mlp=4096),
    "vit_h": SamVitSizes(1280, 32, 16, (7, 15, 23, 31), mlp=5120),
}


def _architecture(variant: str, sizes: SamVitSizes) -> PointArchitecture:
    return PointArchitecture(variant, sizes, SamDecoderSizes(), PROMPT_SPACE)


def _read(shapes: Shapes) -> PointArchitecture | None:
    """Return the architecture whose sizes the tensors show; None for another model.

    One that was trained at another size than SAM takes its clicks in another frame.
    """
    names = (name for name in shapes if name.startswith(_ENCODER))
    sizes = SamVitSizes.from_shapes({name.removeprefix(_ENCODER): shapes[name] for name in names})
    if sizes is None or sizes.cells * sizes.patch != PROMPT_SPACE:
        return None
    published = (variant for variant, known in _PUBLISHED.items() if known == sizes)
    return _architecture(next(published, f"vit-{sizes.width}x{sizes.depth}"), sizes)


SAM = PointFamily(
    name="sam",
    title="SAM",
    licence="Apache-2.0",
    architectures=tuple(_architecture(variant, sizes) for variant, sizes in _PUBLISHED.items()),
    components=(
        Component("image encoder: patches", "image_encoder.patch_embed.", "image"),
        Component("image encoder: positions", "image_encoder.pos_embed", "image"),
        Component("image encoder: ViT", "image_encoder.blocks.", "image"),
        Component("image encoder: neck", "image_encoder.neck.", "image"),
        Component("prompt encoder", "prompt_encoder.", "prompt_encoder"),
        Component("positions", "prompt_encoder.pe_layer.", "prompt_encoder, mask_decoder"),
        Component("mask decoder", "mask_decoder.", "mask_decoder"),
    ),
    read=_read,
)
