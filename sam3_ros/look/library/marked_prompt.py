"""From what a person marks on a picture to a prompt for one object."""

from __future__ import annotations

from dataclasses import replace

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.masks import inmost_point
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.viewing import Marks
from sam3_ros.ros.prompts.requests import require_few_positions

KINDS = {(True, False): "point", (False, True): "box", (True, True): "point+box"}


def kind_of_marks(marks: Marks) -> str:
    """Return how a prompt of these marks is called; those of the node have the same names."""
    return KINDS.get((bool(marks.positive or marks.negative), marks.box is not None), "point")


def prompt_of_marks(marks: Marks, prompt_id: str, label: str = "") -> InteractivePrompt:
    """Return the prompt for the object at these marks. Raises PromptError."""
    count = len(marks.positive) + len(marks.negative) + (marks.box is not None)
    require_few_positions(prompt_id, count)
    return InteractivePrompt(
        points=(*marks.positive, *marks.negative),
        point_labels=(1,) * len(marks.positive) + (0,) * len(marks.negative),
        box=marks.box,
        id=prompt_id,
        label=label,
    )


def with_marks(prompt: Prompt, more: InteractivePrompt) -> InteractivePrompt:
    """Return a prompt with more marks; a box takes the place of the one before.

    Raises PromptError for a text, and for too many marks.
    """
    before = required_marks(prompt)
    require_few_positions(before.id, len(before.points) + len(more.points) + 1)
    return replace(
        before,
        points=(*before.points, *more.points),
        point_labels=(*before.point_labels, *more.point_labels),
        box=more.box or before.box,
    )


def required_marks(prompt: Prompt) -> InteractivePrompt:
    """Return the prompt of one object. Raises PromptError for a text."""
    if isinstance(prompt, ConceptPrompt):
        raise PromptError(
            f"{prompt.id!r} is found by its text, so marks cannot be added to it: choose no "
            "prompt, and mark the object as a new one"
        )
    return prompt


def moved_to(prompt: InteractivePrompt, segment: Segment) -> InteractivePrompt:
    """Return the prompt for the same object where it is now: the point deepest inside of it."""
    return replace(prompt, points=(inmost_point(segment.mask),), point_labels=(1,), box=None)
