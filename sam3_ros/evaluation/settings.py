"""What is asked of each picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import SingleMask
from sam3_ros.core.errors import PromptError

PromptKind = Literal["text", "point", "box"]
#: Which of a model's masks answers a box or clicks: by the bundle's own rule, as in the node; or
#: the best of three by the model's own estimate, as in EfficientViT-SAM's evaluation.
MaskChoice = Literal["bundle", "best"]

#: A found mask is right if its IoU with a true one is at least this.
MATCH_IOU = 0.5
#: As COCO's evaluation: more answers of a category and picture are not counted.
MOST_ANSWERS = 100


@dataclass(frozen=True)
class EvaluationSettings:
    """The prompts, and what counts."""

    prompt: PromptKind = "text"
    #: Of a point prompt: how many, each after the answer to those before.
    clicks: int = 1
    #: Of a text prompt: answers with a score above this count for the average precision; the other
    #: figures are of the answers above the bundle's own threshold.
    least_score: float = 0.05
    #: Point at crowds too, as EfficientViT-SAM's evaluation does.
    with_crowds: bool = False


def require_capability(bundle: Bundle, prompt: PromptKind) -> None:
    """Raise PromptError for a bundle that takes no such prompt."""
    capability = "concept" if prompt == "text" else "interactive"
    if capability not in bundle.capabilities:
        others = "point or box" if prompt == "text" else "text"
        raise PromptError(
            f"bundle {bundle.manifest.name!r} takes no {prompt} prompts; it can be evaluated with "
            f"--prompt {others}"
        )


def with_mask_choice(bundle: Bundle, choice: MaskChoice) -> Bundle:
    """Return the bundle with the rule by which one of its masks answers a box or clicks."""
    interactive = bundle.manifest.interactive
    if choice == "bundle" or interactive is None:
        return bundle
    # No mask is so stable, so the best-rated of the other three answers whatever is asked.
    never_first = SingleMask("stability", interactive.single_mask.delta, threshold=2.0)
    changed = replace(interactive, single_mask=never_first)
    return Bundle(bundle.path, replace(bundle.manifest, interactive=changed))
