"""SAM 3 and the families derived from it, with the components that `sam3-ros inspect` shows.

SAM 3 (facebookresearch/sam3) includes SAM3-LiteText, which has another text encoder. EfficientSAM3
(SimonZeng7108/efficientsam3) is SAM 3 with a small image and text encoder.

A component name with a slash is a part of the component before it: "tracker / mask decoder".
"""

from __future__ import annotations

from sam3_ros.export.families.sam3_family import Sam3Family
from sam3_ros.export.families.sam3_network import UNNEEDED
from sam3_ros.export.family import Component, Unneeded
from sam3_ros.export.models.trunks import sam3_vit
from sam3_ros.export.models.trunks.recognise import SAM3_TRUNK, TRUNKS

_VISION = "detector.backbone.vision_backbone."
_STUDENT = _VISION + "trunk.model."

_NECKS = (
    Component(
        "image encoder / detector neck", _VISION + "convs.", "detector_neck, detector_pyramid"
    ),
    Component("image encoder / tracker neck", _VISION + "sam2_convs.", "tracker_neck"),
)

_AFTER_THE_IMAGE = (
    Component("text encoder", "detector.backbone.language_backbone.", "text"),
    Component("transformer / encoder", "detector.transformer.encoder.", "fusion_image, fusion"),
    Component("transformer / decoder", "detector.transformer.decoder.", "decoder"),
    Component("geometry encoder", "detector.geometry_encoder.", "geometry"),
    Component("segmentation head", "detector.segmentation_head.", "segmentation"),
    Component("scoring", "detector.dot_prod_scoring.", "scoring"),
    Component("tracker / memory encoder", "tracker.maskmem_backbone.", "memory_encoder"),
    Component("tracker / memory attention", "tracker.transformer.", "memory_attention"),
    Component("tracker / object pointer", "tracker.obj_ptr", "object_pointer, memory_attention"),
    Component("tracker / mask decoder", "tracker.sam_mask_decoder.", "mask_decoder, tracker_neck"),
    Component(
        "tracker / prompt encoder", "tracker.sam_prompt_encoder.", "prompt_encoder, mask_decoder"
    ),
    Component("tracker / mask to prompt", "tracker.mask_downsample.", "mask_prompt"),
    Component("tracker / memory times", "tracker.maskmem_tpos_enc", "memory_attention"),
    Component("tracker / no memory", "tracker.no_mem_embed", "tracker_neck"),
    Component("tracker / no memory place", "tracker.no_mem_pos_enc", ""),
    Component("tracker / no object, memory", "tracker.no_obj_embed_spatial", "memory_encoder"),
    Component("tracker / no object, pointer", "tracker.no_obj_ptr", "object_pointer"),
)

#: EfficientSAM3: a small image encoder, a head, and in published files the teacher beside them.
COMPONENTS: tuple[Component, ...] = (
    Component("image encoder / backbone", _STUDENT + "backbone.", "image_trunk"),
    Component("image encoder / head", _STUDENT + "head.", "image_trunk"),
    *_NECKS,
    Component("teacher ViT", _VISION + "trunk.", ""),
    *_AFTER_THE_IMAGE,
)

#: SAM 3 itself and SAM3-LiteText: the ViT is the image encoder.
SAM3_COMPONENTS: tuple[Component, ...] = (
    Component("image encoder / ViT", _VISION + "trunk.", "image_trunk"),
    *_NECKS,
    *_AFTER_THE_IMAGE,
)


CONTEXTS = (77, 32, 16)

TEACHER = Unneeded(
    r"detector\.backbone\.vision_backbone\.trunk\.(?!model\.).*",
    "SAM 3's own ViT, which the image encoder was trained on; published files still contain it",
    training_only=True,
)

EFFICIENTSAM3 = Sam3Family(
    name="efficientsam3",
    title="EfficientSAM3",
    licence="SAM License (derived from SAM 3); tokenizer vocabulary: MIT, (c) OpenAI",
    trunks=TRUNKS,
    texts=(
        *((text, CONTEXTS) for text in ("mobileclip-s1", "mobileclip-s0", "mobileclip2-l")),
        ("sam3", (32,)),  # the first published files, where only the image encoder is small
    ),
    has_student=True,
    unneeded=(*UNNEEDED, TEACHER),
    components=COMPONENTS,
)


LITE_CONTEXTS = (16, 32, 77)

SAM3 = Sam3Family(
    name="sam3",
    title="SAM 3",
    licence="SAM License; tokenizer vocabulary: MIT, (c) OpenAI",
    trunks=(SAM3_TRUNK,),
    texts=(
        ("sam3", (32,)),
        *((text, LITE_CONTEXTS) for text in ("mobileclip-s0", "mobileclip-s1", "mobileclip2-l")),
    ),
    has_student=False,
    unneeded=(*UNNEEDED, *sam3_vit.UNNEEDED),
    components=SAM3_COMPONENTS,
)
