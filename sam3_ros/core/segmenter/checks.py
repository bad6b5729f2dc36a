"""Checks of a prompt against bundle and image, and of what the model computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import InferenceError, PromptError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt

_MEANING = {"concept": "text and exemplar boxes", "interactive": "points and a box"}


def require_capability(prompt: Prompt, manifest: Manifest) -> None:
    """Raise PromptError unless the bundle answers prompts of this kind."""
    if not isinstance(prompt, (ConceptPrompt, InteractivePrompt)):
        raise PromptError(
            f"a prompt is a ConceptPrompt or an InteractivePrompt, got {type(prompt).__name__}"
        )
    needed = "concept" if isinstance(prompt, ConceptPrompt) else "interactive"
    if needed not in manifest.capabilities:
        have = " and ".join(_MEANING[c] for c in manifest.capabilities if c in _MEANING)
        raise PromptError(
            f"prompt {prompt.id!r} asks by {_MEANING[needed]}, but the bundle {manifest.name!r} "
            f"answers only {have}"
        )


def require_inside(prompt: Prompt, size: ImageSize) -> None:
    """Raise PromptError unless every point lies in the image and every box overlaps it."""
    for x, y in prompt.points:
        if not (0 <= x < size.width and 0 <= y < size.height):
            raise PromptError(
                f"prompt {prompt.id!r}: the point ({x:g}, {y:g}) lies outside the image of "
                f"{size.width}x{size.height} px"
            )
    for box in boxes_of(prompt):
        clipped_box(box, size, prompt.id)


def boxes_of(prompt: Prompt) -> Sequence[Box]:
    """Return the exemplars of a concept prompt, or the box of an interactive one if it has one."""
    if isinstance(prompt, InteractivePrompt):
        return (prompt.box,) if prompt.box is not None else ()
    return prompt.exemplars


def clipped_box(box: Box, size: ImageSize, prompt_id: str) -> Box:
    """Return the part of the box inside the image. Raises PromptError when there is none."""
    inside = box.clipped_to(size)
    if inside is None:
        corners = ", ".join(f"{value:g}" for value in box.as_tuple())
        raise PromptError(
            f"prompt {prompt_id!r}: the box ({corners}) lies outside the image of "
            f"{size.width}x{size.height} px"
        )
    return inside


def require_finite(what: str, values: npt.NDArray[Any]) -> None:
    """Raise InferenceError if any output is NaN or infinite, which an overflow leaves behind.

    Without this check it would pass for an answer of "nothing here".
    """
    if not np.isfinite(values).all():
        raise InferenceError(
            f"the model's {what} are not all finite numbers: use a precision whose verification "
            "passed (see `sam3-ros bundle inspect`), such as fp32"
        )
