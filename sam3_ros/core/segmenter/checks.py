"""Checks of a prompt against the bundle, and of what the model computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import InferenceError, PromptError
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


def require_finite(what: str, values: npt.NDArray[Any]) -> None:
    """Raise InferenceError if any output is NaN or infinite, which an overflow leaves behind.

    Without this check it would pass for an answer of "nothing here".
    """
    if not np.isfinite(values).all():
        raise InferenceError(
            f"the model's {what} are not all finite numbers: use a precision whose verification "
            "passed (see `sam3-ros bundle inspect`), such as fp32"
        )
