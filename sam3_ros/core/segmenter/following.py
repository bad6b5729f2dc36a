"""An object that was clicked once, from image to image.

Followed by asking again: what was found in the last image is the prompt for the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sam3_ros.core.geometry import Box, ImageSize, inmost_point, mask_bounds
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.interactive_answers import InteractiveAnswer, InteractiveAnswers
from sam3_ros.core.segmenter.last_seen import LastSeen, Mask
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment

# Models are trained to take masks of far smaller logits than they give (tabletop: 12 against 40);
# theirs as they are hold the next answer to where the object was.
LARGEST_LOGIT = 4.0
BOX_MARGIN = 0.05


@dataclass(frozen=True, eq=False)
class Followed:
    """An object in one image. segment: None where it was not found; `lost` then says why, for
    people. state: what the follower that made it needs for the next image, and nobody else."""

    segment: Segment | None
    lost: str = ""
    state: object = None

    def __post_init__(self) -> None:
        if (self.segment is None) == (not self.lost):
            raise ValueError("what is followed has a segment, what is lost has a reason")


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
    """Asks each image with where the object should be by now.

    With the last mask, moved, and its inmost point; a model that takes no mask is asked with the
    mask's bounds instead. What is not plausible (LastSeen.objection) is lost rather than followed.
    """

    def __init__(self, answers: InteractiveAnswers) -> None:
        self._answers = answers

    def start(self, image: ImageEmbedding, prompt: InteractivePrompt) -> Followed:
        answer = self._answers.answer(image, prompt)
        if answer.segment is None:
            return Followed(None, answer.nothing)
        return Followed(answer.segment, state=LastSeen.first(answer.segment, answer.mask_logits))

    def follow(
        self, image: ImageEmbedding, prompt: InteractivePrompt, last: Followed, least_score: float
    ) -> Followed:
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
        self, image: ImageEmbedding, prompt: InteractivePrompt, expected: Mask, logits: np.ndarray
    ) -> InteractiveAnswer:
        point, names = inmost_point(expected), (prompt.id, prompt.label)
        if self._answers.settings.mask_input is None:
            again = InteractivePrompt((point,), (1,), _around(expected), *names)
            return self._answers.answer(image, again)
        bounded = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
        return self._answers.answer(image, InteractivePrompt((point,), (1,), None, *names), bounded)


def _around(mask: Mask) -> Box:
    box = mask_bounds(mask)
    assert box is not None  # neither a segment nor what is expected of it is empty
    x, y = BOX_MARGIN * box.width, BOX_MARGIN * box.height
    return Box(box.x_min - x, box.y_min - y, box.x_max + x, box.y_max + y)


def _text(size: ImageSize) -> str:
    return f"{size.width}x{size.height}"
