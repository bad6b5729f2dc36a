"""Where the points and boxes of a prompt lie on the image that is asked.

A person's hand and a tracker's arithmetic miss the image by a little at its edge: such points are
moved to it. Boxes may reach past the image as far as they like: the model takes them as they are,
as the original does (facebookresearch/sam3, sam1_task_predictor.py, which clips no box).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, ImageSize, Point
from sam3_ros.core.segmenter.prompts import InteractivePrompt, Prompt

#: How far outside a point may lie, as a share of the image's width or height.
MOST_OUTSIDE = 0.05
# No pixel is farther away; what is computed of such numbers overflows.
_FARTHEST = 1e6


def require_on_image(prompt: Prompt, size: ImageSize) -> None:
    """Raise PromptError for a point outside by more than MOST_OUTSIDE, and a box that is."""
    right, bottom = MOST_OUTSIDE * size.width, MOST_OUTSIDE * size.height
    for point in prompt.points:
        x, y = _nearest(point, size)
        if abs(point[0] - x) > right or abs(point[1] - y) > bottom:
            raise PromptError(
                f"prompt {prompt.id!r}: the point {_text(point)} lies outside the image of "
                f"{size.width}x{size.height} px by more than {MOST_OUTSIDE:.0%} of its side"
            )
    for box in boxes_of(prompt):
        if max(abs(corner) for corner in box.as_tuple()) > _FARTHEST:
            raise PromptError(
                f"prompt {prompt.id!r}: the box {_text(box.as_tuple())} reaches farther than "
                f"{_FARTHEST:g} px: give it in pixels of the image of {size.width}x{size.height} px"
            )
        if box.clipped_to(size) is None:
            raise PromptError(
                f"prompt {prompt.id!r}: the box {_text(box.as_tuple())} lies outside the image of "
                f"{size.width}x{size.height} px"
            )


def placed(prompt: Prompt, size: ImageSize) -> Prompt:
    """Return the prompt with its points moved onto the image. Raises as require_on_image."""
    require_on_image(prompt, size)
    points = tuple(_nearest(point, size) for point in prompt.points)
    return prompt if points == prompt.points else replace(prompt, points=points)


def moved_points(prompt: Prompt, size: ImageSize) -> list[str]:
    """Return a sentence for each point that `placed` moves."""
    moves = [(point, _nearest(point, size)) for point in prompt.points]
    return [
        f"the point {_text(point)} lies outside the image of {size.width}x{size.height} px and "
        f"was moved to {_text(nearest)}"
        for point, nearest in moves
        if point != nearest
    ]


def boxes_of(prompt: Prompt) -> Sequence[Box]:
    """Return the exemplars of a concept prompt, or the box of an interactive one if it has one."""
    if isinstance(prompt, InteractivePrompt):
        return (prompt.box,) if prompt.box is not None else ()
    return prompt.exemplars


def _nearest(point: tuple[float, float], size: ImageSize) -> Point:
    """Return the nearest position in the image, whose edges belong to it."""
    x, y = point
    return Point(min(max(x, 0.0), float(size.width)), min(max(y, 0.0), float(size.height)))


def _text(numbers: Sequence[float]) -> str:
    return f"({', '.join(f'{number:g}' for number in numbers)})"
