# ruff: noqa: ARG002 - the seam gives what followers with a model need
"""Follows nothing: a bundle that takes texts alone finds its objects by detection in each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sam3_ros.core.errors import BundleError
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import Mask, mask_bounds
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.follower import FollowerState, Sighting
from sam3_ros.core.tracking.mask_prompt import MaskPrompt


@dataclass(frozen=True)
class Nothing:
    """What this follower knows of an object."""

    nbytes: int = 0


class FollowsByDetectionAlone:
    """Sees an object only where a detection shows it."""

    #: Detections that share a place are one object's already.
    taken_above: float | None = None

    def start(
        self, image: ImageEmbedding, frame: int, prompt: InteractivePrompt | MaskPrompt
    ) -> Sighting:
        """Take a mask as it is. A bundle that uses this follower takes no points and boxes."""
        assert isinstance(prompt, MaskPrompt)
        return _shown(prompt.mask)

    def follow(
        self, image: ImageEmbedding, frame: int, state: FollowerState, doubt: str = ""
    ) -> Sighting:
        """See nothing: a detection in the same image may."""
        return Sighting(None, None, "it is not detected", gone=True)

    def correct(
        self, image: ImageEmbedding, frame: int, state: FollowerState, prompt: InteractivePrompt
    ) -> Sighting:
        """Never called: a bundle that uses this follower takes no points and boxes."""
        raise NotImplementedError

    def renew(
        self, image: ImageEmbedding, frame: int, state: FollowerState, mask: Mask
    ) -> Sighting:
        """Take a mask as it is."""
        return _shown(mask)

    def saved(self, state: FollowerState) -> Mapping[str, Array]:
        """Return arrays that name this follower; there is no state."""
        return {"detection_alone": np.zeros(0, np.uint8)}

    def restored(self, arrays: Mapping[str, Array]) -> FollowerState:
        """Return the state of these arrays. Raises BundleError for those of another follower."""
        if "detection_alone" not in arrays:
            raise BundleError(
                "the saved objects were not followed by detections alone: track with the bundle "
                "that saved them"
            )
        return Nothing()


def _shown(mask: Mask) -> Sighting:
    bounds = mask_bounds(mask)
    assert bounds is not None  # a detection is not empty
    return Sighting(Segment("", "", 1.0, bounds, mask, bounds), Nothing())
