"""Masks in the sizes that the memory stages read.

Source: facebookresearch/sam3, sam3/model/sam3_tracker_base.py and sam3_tracking_predictor.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam3_ros.core.bundle.manifest import VideoSettings
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.masks import Floats, Mask
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.tracking.memory.bilinear import resized_bilinearly

#: The logits of a frame without the object, and of a given mask on both sides of its edge.
ABSENT, GIVEN = -1024.0, 1024.0
# Another object's pixels get at most this logit.
_OF_ANOTHER = -10.0
# The sigmoid is 0 or 1 in float32 from here on, and exp does not overflow.
_SATURATED = 80.0


@dataclass(frozen=True, eq=False)
class GivenMask:
    """A mask of the source image as the stages read it."""

    #: f32[1,1,h,w] in [0,1], the tensor object_mask
    object_mask: Floats
    #: f32[h,w] in the size of the decoder's masks
    logits: Floats


def given_mask(
    mask: Mask, transform: ImageTransform, settings: VideoSettings, logits: ImageSize
) -> GivenMask:
    """Fit a mask, bool [H,W] at the source size, into the model's frame; padding is outside of it.

    logits: the size of the decoder's masks.
    """
    inside = mask.astype(np.float32)
    small = transform.to_model_frame(inside, logits)
    wanted = transform.to_model_frame(inside, settings.object_mask)
    return GivenMask(wanted[None, None], (small * 2 - 1) * np.float32(GIVEN))


def memory_mask(logits: Floats, settings: VideoSettings, *, prompted: bool) -> Floats:
    """Return the tensor memory_mask, f32[1,1,h,w] in [0,1], of the mask logits f32[h,w]."""
    return memory_masks(logits[None], settings, prompted=prompted)


def memory_masks(logits: Floats, settings: VideoSettings, *, prompted: bool) -> Floats:
    """Return memory_mask f32[P,1,h,w] of the logits f32[P,h,w] of objects that share their prompts.

    On a prompted frame a pixel belongs to the object with the highest logit there, to the first of
    equal ones, so the others count in what comes out. Objects that are to be independent of each
    other go one by one.
    """
    return mask_values(cut_logits(logits, settings, prompted=prompted), settings, prompted=prompted)


def cut_logits(logits: Floats, settings: VideoSettings, *, prompted: bool) -> Floats:
    """Return f32[P,h,w]: logits f32[P,h,w] in the size where memory_masks cuts them."""
    cut = np.stack([resized_bilinearly(each, settings.cut_at) for each in logits])
    if prompted and len(cut) > 1:
        owner = cut.argmax(axis=0)
        others = np.arange(len(cut))[:, None, None] != owner
        np.minimum(cut, np.float32(_OF_ANOTHER), out=cut, where=others)
    return cut


def mask_values(cut: Floats, settings: VideoSettings, *, prompted: bool) -> Floats:
    """Return memory_mask f32[P,1,h,w] of what cut_logits returned."""
    if prompted and settings.prompted_memory == "cut":
        values = (cut > 0).astype(np.float32)
    else:
        values = _sigmoid(cut)
    return np.stack([resized_bilinearly(each, settings.memory_mask) for each in values])[:, None]


def _sigmoid(logits: Floats) -> Floats:
    bounded = np.clip(logits, -_SATURATED, _SATURATED)
    return np.asarray(1 / (1 + np.exp(-bounded)), np.float32)
