"""The seam behind a session: how one object is found in the next image.

A follower keeps nothing of an object itself. It gets and returns states that never change, so that
an image whose answer failed can be tried again with the state before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.mask_prompt import MaskPrompt


class FollowerState(Protocol):
    """What a follower knows of an object; only its size matters to others."""

    @property
    def nbytes(self) -> int:
        """Bytes that it holds, on the host and on devices."""
        ...


@dataclass(frozen=True, eq=False)
class Sighting:
    """An object in one image, or why it is not seen there; ValueError for both or neither."""

    #: Its ids and label are of no matter: the session writes its own. None where it is not seen.
    segment: Segment | None
    #: What the follower needs in the next image; None where there is nothing to follow.
    state: FollowerState | None
    #: Why it is not seen, for people; empty where it is.
    unseen: str = ""
    #: The follower cannot find it again by itself: `follow` must not be called with this state.
    gone: bool = False

    def __post_init__(self) -> None:
        if (self.segment is None) == (not self.unseen):
            raise ValueError("an object that is seen has a segment, one that is not has a reason")
        if self.segment is not None and (self.state is None or self.gone):
            raise ValueError("an object that is seen can be followed, so it needs a state")


class Follower(Protocol):
    """A way to follow one object: by a memory, by prompting again, or by detections alone.

    frame: the images in which this object was answered before, so 0 where it starts; every object
    has its own count. Prompts lie on the image (the session has checked it). Every method raises
    InferenceError when a stage fails.
    """

    @property
    def taken_above(self) -> float | None:
        """IoU of two objects from which on one of them is not believed; None: none is doubted."""
        ...

    def start(
        self, image: ImageEmbedding, frame: int, prompt: InteractivePrompt | MaskPrompt
    ) -> Sighting:
        """Answer a prompt on its image. An object shown by a mask is seen as that mask."""
        ...

    def follow(
        self, image: ImageEmbedding, frame: int, state: FollowerState, doubt: str = ""
    ) -> Sighting:
        """Find the object in the next image.

        doubt: why it is not believed where it is found; only of a follower with `taken_above`.
        """
        ...

    def correct(
        self, image: ImageEmbedding, frame: int, state: FollowerState, prompt: InteractivePrompt
    ) -> Sighting:
        """Answer clicks on an object; frame is that of its last answer if the image is the same."""
        ...

    def renew(
        self, image: ImageEmbedding, frame: int, state: FollowerState, mask: Mask
    ) -> Sighting:
        """Take a mask, bool [H, W], for the object's outline in this image; it is seen as that.

        frame is that of its last answer where the object was followed in this image already.
        """
        ...

    def saved(self, state: FollowerState) -> Mapping[str, Array]:
        """Return arrays from which `restored` makes the same state."""
        ...

    def restored(self, arrays: Mapping[str, Array]) -> FollowerState:
        """Return the state of these arrays. Raises BundleError for those of another follower."""
        ...
