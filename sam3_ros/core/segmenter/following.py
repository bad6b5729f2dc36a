"""Follows an object that was clicked once from image to image, by asking again.

What was found in the last image is the prompt for the next one (docs/adr/0006-following.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Box, ImageSize, Point
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.interactive import InteractiveAnswer, InteractiveAnswers
from sam3_ros.core.segmenter.masks import Mask, inmost_point, iou, mask_bounds
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment

Floats = npt.NDArray[np.float32]

# Models are trained with mask prompts of far smaller logits than they give (tabletop: 12 against
# 40). Logits as large as they give hold the next answer to the old outline.
LARGEST_LOGIT = 4.0
BOX_MARGIN = 0.05
# Measured on moving views of tabletop scenes: docs/adr/0006-following.md.
LEAST_OVERLAP = 0.1
LARGEST_CHANGE = 3.0
LEAVING_SHARE = 0.25
SURELY_OUTSIDE = -20.0  # a mask's logit


@dataclass(frozen=True, eq=False)
class Followed:
    """An object in one image, or why it was lost. Raises ValueError unless it is one of the two."""

    #: None where the object was not found.
    segment: Segment | None
    #: Why it was not found, for people; empty where it was.
    lost: str = ""
    #: What the follower that made it needs for the next image; of no use to others.
    state: object = None
    #: Seconds by step of the call that gave it, as Segments.timings.
    timings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.segment is None) == (not self.lost):
            raise ValueError("an object that is followed has a segment, one that is lost a reason")


class Follower(Protocol):
    """A way to follow: by prompting again, or by a memory of the images before."""

    def start(self, image: ImageEmbedding, prompt: InteractivePrompt) -> Followed:
        """Answer the prompt; its points and box lie in this image."""
        ...

    def follow(
        self, image: ImageEmbedding, prompt: InteractivePrompt, last: Followed, least_score: float
    ) -> Followed:
        """Find the object of `last` again. Raises ValueError if it is lost."""
        ...


class FollowsByReprompting:
    """Asks for the object where it should be in the next image.

    The prompt is the last mask, moved on, with its inmost point; for a model that takes no mask it
    is the mask's bounds instead. An answer that cannot be the object (LastSeen.objection) is a
    loss.
    """

    def __init__(self, answers: InteractiveAnswers) -> None:
        self._answers = answers

    def start(self, image: ImageEmbedding, prompt: InteractivePrompt) -> Followed:
        """Answer the prompt; its points and box lie in this image."""
        answer = self._answers.answer(image, prompt)
        if answer.segment is None:
            return Followed(None, answer.nothing)
        return Followed(answer.segment, state=LastSeen.first(answer.segment, answer.mask_logits))

    def follow(
        self, image: ImageEmbedding, prompt: InteractivePrompt, last: Followed, least_score: float
    ) -> Followed:
        """Find the object of `last` again. Raises ValueError if it is lost."""
        seen = last.state
        if not isinstance(seen, LastSeen):
            raise ValueError(f"nothing to follow: {last.lost or 'another follower found it'}")
        if image.size != seen.segment.size:
            sizes = f"from {_text(seen.segment.size)} to {_text(image.size)}"
            return Followed(None, f"the image's size changed {sizes}")
        expected, logits = seen.expected()
        answer = self._ask(image, prompt, expected, logits)
        found = answer.segment
        if found is None:
            return Followed(None, answer.nothing)
        if found.score < least_score:
            return Followed(None, f"its score fell to {found.score:.2f} (least {least_score:.2f})")
        objection = seen.objection(expected, found)
        if objection:
            return Followed(None, objection)
        return Followed(found, state=seen.then(found, answer.mask_logits))

    def _ask(
        self, image: ImageEmbedding, prompt: InteractivePrompt, expected: Mask, logits: Floats
    ) -> InteractiveAnswer:
        point, names = inmost_point(expected), (prompt.id, prompt.label)
        if self._answers.settings.mask_input is None:
            again = InteractivePrompt((point,), (1,), _around(expected), *names)
            return self._answers.answer(image, again)
        bounded = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
        return self._answers.answer(image, InteractivePrompt((point,), (1,), None, *names), bounded)


@dataclass(frozen=True, eq=False)
class LastSeen:
    """An object in the last image that was answered."""

    segment: Segment
    #: f32[h, w] over the model's frame.
    mask_logits: Floats
    #: How far its middle moved since the image before, px.
    step: Point
    #: Pixels of its largest mask so far.
    largest: int

    @classmethod
    def first(cls, segment: Segment, mask_logits: Floats) -> LastSeen:
        """Take note of an object in the image where it was clicked."""
        return cls(segment, mask_logits, Point(0.0, 0.0), _pixels(segment.mask))

    def then(self, segment: Segment, mask_logits: Floats) -> LastSeen:
        """Take note of the answer in the next image."""
        before, now = _middle(self.segment), _middle(segment)
        largest = max(self.largest, _pixels(segment.mask))
        return LastSeen(segment, mask_logits, Point(now.x - before.x, now.y - before.y), largest)

    def expected(self) -> tuple[Mask, Floats]:
        """Return mask and logits in the next image if the object keeps its pace.

        Where that is outside of the image, they are returned as they are. The logits move as a part
        of the whole frame, which is a little less where the frame is padded.
        """
        mask, logits = self.segment.mask, self.mask_logits
        moved = _shifted(mask.astype(np.uint8), self.step, 0) > 0
        if not moved.any():
            return mask, logits
        (rows, columns), (height, width) = logits.shape, mask.shape
        step = Point(self.step.x * columns / width, self.step.y * rows / height)
        return moved, np.asarray(_shifted(logits, step, SURELY_OUTSIDE), np.float32)

    def objection(self, expected: Mask, found: Segment) -> str:
        """Return why a segment of the next image is not the object, with numbers; or ""."""
        overlap = max(iou(found.mask, expected), iou(found.mask, self.segment.mask))
        if overlap < LEAST_OVERLAP:
            what = f"overlap {overlap:.2f} with where it was or should be"
            return f"it jumped: {what} (least {LEAST_OVERLAP:g})"
        before, now = _pixels(expected), _pixels(found.mask)
        if not before / LARGEST_CHANGE <= now <= before * LARGEST_CHANGE:
            return f"its size jumped from {before} to {now} px (at most {LARGEST_CHANGE:g} times)"
        share = now / max(self.largest, now)
        if share < LEAVING_SHARE and _touches_edge(found):
            return f"it is leaving the view: {share:.0%} of its largest mask is left at the edge"
        return ""


def _around(mask: Mask) -> Box:
    box = mask_bounds(mask)
    assert box is not None  # neither a segment's mask nor the expected one is empty
    x, y = BOX_MARGIN * box.width, BOX_MARGIN * box.height
    around = Box(box.x_min - x, box.y_min - y, box.x_max + x, box.y_max + y)
    return around.clipped_to(ImageSize(*mask.shape)) or around


def _text(size: ImageSize) -> str:
    return f"{size.width}x{size.height}"


def _pixels(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _middle(segment: Segment) -> Point:
    box = segment.box
    return Point((box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2)


def _touches_edge(segment: Segment) -> bool:
    box, size = segment.box, segment.size
    low = min(box.x_min, box.y_min) <= 1
    return low or box.x_max >= size.width - 1 or box.y_max >= size.height - 1


def _shifted(image: npt.NDArray[Any], step: Point, outside: float) -> npt.NDArray[Any]:
    height, width = image.shape
    move = np.array([[1, 0, step.x], [0, 1, step.y]], np.float32)
    return np.asarray(cv2.warpAffine(image, move, (width, height), borderValue=(outside,)))
