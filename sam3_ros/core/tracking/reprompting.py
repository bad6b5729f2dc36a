# ruff: noqa: ARG002 - the seam gives what followers with a memory need
"""Follows an object by prompting again: what was found in the last image is the next prompt.

For every bundle that takes clicks. Measured in docs/adr/0006-following.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.interactive import InteractiveAnswer, InteractiveAnswers
from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.follower import FollowerState, Sighting
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.place import Place

Floats = npt.NDArray[np.float32]

# Models are trained with mask prompts of far smaller logits than they give (tabletop: 12 against
# 40). Logits as large as they give hold the next answer to the old outline.
LARGEST_LOGIT = 4.0
BOX_MARGIN = 0.05
LEAST_OVERLAP = 0.1
LARGEST_CHANGE = 3.0
LEAVING_SHARE = 0.25
SURELY_OUTSIDE = -20.0  # a mask's logit


@dataclass(frozen=True, eq=False)
class LastSeen:
    """An object in the last image that was answered."""

    place: Place
    #: f32[h, w] over the model's frame; None for a model that takes no mask.
    mask_logits: Floats | None
    #: How far its middle moved since the image before, px.
    step: Point
    #: Pixels of its largest mask so far.
    largest: int

    @classmethod
    def first(cls, place: Place, mask_logits: Floats | None) -> LastSeen:
        """Take note of an object in the image where it was shown."""
        return cls(place, mask_logits, Point(0.0, 0.0), place.pixels)

    @property
    def nbytes(self) -> int:
        """Bytes of mask and logits."""
        return self.place.nbytes + (0 if self.mask_logits is None else self.mask_logits.nbytes)

    def then(self, place: Place, mask_logits: Floats | None) -> LastSeen:
        """Take note of the answer in the next image."""
        before, now = self.place.middle, place.middle
        largest = max(self.largest, place.pixels)
        return LastSeen(place, mask_logits, Point(now.x - before.x, now.y - before.y), largest)

    def expected(self) -> tuple[Place, Floats | None]:
        """Return place and logits in the next image if the object keeps its pace.

        Where that is outside of the image, they are returned as they are. The logits move as a part
        of the whole frame, which is a little less where the frame is padded.
        """
        moved, logits = self.place.moved(self.step), self.mask_logits
        if moved is None:
            return self.place, logits
        if logits is None:
            return moved, None
        (rows, columns), (height, width) = logits.shape, self.place.size
        step = Point(self.step.x * columns / width, self.step.y * rows / height)
        return moved, _shifted(logits, step, SURELY_OUTSIDE)

    def objection(self, expected: Place, found: Place) -> str:
        """Return why a segment of the next image is not the object, with numbers; or ""."""
        overlap = max(found.iou(expected), found.iou(self.place))
        if overlap < LEAST_OVERLAP:
            what = f"overlap {overlap:.2f} with where it was or should be"
            return f"it jumped: {what} (least {LEAST_OVERLAP:g})"
        before, now = expected.pixels, found.pixels
        if not before / LARGEST_CHANGE <= now <= before * LARGEST_CHANGE:
            return f"its size jumped from {before} to {now} px (at most {LARGEST_CHANGE:g} times)"
        share = now / max(self.largest, now)
        if share < LEAVING_SHARE and found.touches_edge:
            return f"it is leaving the view: {share:.0%} of its largest mask is left at the edge"
        return ""


class FollowsByReprompting:
    """Asks for the object where it should be in the next image.

    The prompt is the last mask, moved on, with its inmost point; for a model that takes no mask it
    is the mask's bounds instead. An answer that cannot be the object (LastSeen.objection) is a
    loss, and what is lost is not looked for.
    """

    #: What is lost is not looked for, and so does not come to another object's place.
    taken_above: float | None = None

    def __init__(self, answers: InteractiveAnswers, least_score: float) -> None:
        """least_score: of the answer, below which the object is lost."""
        self._answers = answers
        self._least_score = least_score

    def start(
        self, image: ImageEmbedding, frame: int, prompt: InteractivePrompt | MaskPrompt
    ) -> Sighting:
        """Answer a prompt on its image; a mask is taken as it is."""
        if isinstance(prompt, MaskPrompt):
            return self._as_shown(image, prompt.mask, None)
        answer = self._answers.answer(image, prompt)
        if answer.segment is None:
            return Sighting(None, None, answer.nothing, gone=True)
        place = Place.of(answer.segment)
        return Sighting(answer.segment, LastSeen.first(place, self._logits(answer)))

    def follow(
        self, image: ImageEmbedding, frame: int, state: FollowerState, doubt: str = ""
    ) -> Sighting:
        """Ask for the object where it should be."""
        seen = _own(state)
        expected, logits = seen.expected()
        answer = self._ask(image, expected, logits)
        found, least = answer.segment, self._least_score
        if found is None:
            return Sighting(None, None, answer.nothing, gone=True)
        if found.score < least:
            reason = f"its score fell to {found.score:.2f} (least {least:.2f})"
            return Sighting(None, None, reason, gone=True)
        place = Place.of(found)
        if objection := seen.objection(expected, place):
            return Sighting(None, None, objection, gone=True)
        return Sighting(found, seen.then(place, self._logits(answer)))

    def correct(
        self, image: ImageEmbedding, frame: int, state: FollowerState, prompt: InteractivePrompt
    ) -> Sighting:
        """Answer clicks, with the object's last mask as mask prompt where the model takes one."""
        seen = _own(state)
        logits = seen.mask_logits
        if logits is not None:
            logits = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
        answer = self._answers.answer(image, prompt, logits)
        if answer.segment is None:
            return Sighting(None, None, answer.nothing, gone=True)
        return Sighting(
            answer.segment, LastSeen.first(Place.of(answer.segment), self._logits(answer))
        )

    def renew(
        self, image: ImageEmbedding, frame: int, state: FollowerState, mask: Mask
    ) -> Sighting:
        """Go on from a mask instead of the last answer."""
        return self._as_shown(image, mask, _own(state))

    def saved(self, state: FollowerState) -> Mapping[str, Array]:
        """Return arrays from which `restored` makes the same state."""
        seen = _own(state)
        arrays: dict[str, Array] = {
            "reprompting": np.array([*seen.place.numbers, seen.largest], np.int64),
            "mask": seen.place.bits,
            "step": np.array(seen.step, np.float64),
        }
        if seen.mask_logits is not None:
            arrays["mask_logits"] = seen.mask_logits.copy()
        return arrays

    def restored(self, arrays: Mapping[str, Array]) -> FollowerState:
        """Return the state of these arrays. Raises BundleError for those of another follower."""
        if "reprompting" not in arrays:
            raise BundleError(
                "the saved objects were not followed by prompting again: track with the bundle "
                "that saved them"
            )
        *numbers, largest = (int(number) for number in arrays["reprompting"])
        place = Place.restored(numbers, arrays["mask"])
        x, y = (float(number) for number in arrays["step"])
        return LastSeen(place, arrays.get("mask_logits"), Point(x, y), largest)

    def _as_shown(self, image: ImageEmbedding, mask: Mask, before: LastSeen | None) -> Sighting:
        place = Place.of_mask(mask)
        assert place is not None  # neither a mask prompt nor a detection is empty
        segment = Segment("", "", 1.0, place.box, mask, place.box)
        logits: Floats | None = None
        if (size := self._answers.settings.mask_input) is not None:
            inside = image.transform.mask_in_frame(mask, size)
            logits = np.asarray((2 * inside - 1) * LARGEST_LOGIT, np.float32)
        return Sighting(
            segment, LastSeen.first(place, logits) if before is None else before.then(place, logits)
        )

    def _logits(self, answer: InteractiveAnswer) -> Floats | None:
        if self._answers.settings.mask_input is None:
            return None
        # A copy: it is a part of all the masks that the model offers, which would live with it.
        return np.array(answer.mask_logits, np.float32)

    def _ask(
        self, image: ImageEmbedding, expected: Place, logits: Floats | None
    ) -> InteractiveAnswer:
        point = expected.inmost_point
        if logits is None:
            return self._answers.answer(image, InteractivePrompt((point,), (1,), _around(expected)))
        bounded = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
        return self._answers.answer(image, InteractivePrompt((point,), (1,)), bounded)


def _own(state: FollowerState) -> LastSeen:
    if not isinstance(state, LastSeen):
        raise ValueError(f"another follower found this object: {type(state).__name__}")
    return state


def _around(place: Place) -> Box:
    box = place.box
    x, y = BOX_MARGIN * box.width, BOX_MARGIN * box.height
    around = Box(box.x_min - x, box.y_min - y, box.x_max + x, box.y_max + y)
    return around.clipped_to(place.size) or around


def _shifted(image: npt.NDArray[Any], step: Point, outside: float) -> Floats:
    height, width = image.shape
    move = np.array([[1, 0, step.x], [0, 1, step.y]], np.float32)
    moved = cv2.warpAffine(image, move, (width, height), borderValue=(outside,))
    return np.asarray(moved, np.float32)
