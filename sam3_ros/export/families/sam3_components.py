"""The components of EfficientSAM3 and SAM 3: what `sam3-ros inspect` shows a row of.

A name with a slash is a part of the component before it: "tracker / mask decoder".
"""

from __future__ import annotations

from sam3_ros.export.family import Component

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
