"""The prompts of a call of ~/segment, which are asked once and never in use."""

from __future__ import annotations

from collections.abc import Sequence

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.checks import require_capability
from sam3_ros.core.segmenter.prompts import Prompt
from sam3_ros.msg import Prompt as PromptMessage
from sam3_ros.msg import Prompts
from sam3_ros.ros.prompts.label_values import require_label_values
from sam3_ros.ros.prompts.messages import requests_from_set
from sam3_ros.ros.prompts.requests import PromptRefusedError, refusing
from sam3_ros.ros.prompts.rules import PromptRules


def prompts_of_call(messages: Sequence[PromptMessage], rules: PromptRules) -> tuple[Prompt, ...]:
    """Return the prompts, checked as those of a topic are; whether they fit the image is left.

    Raises PromptError for none at all, and PromptRefusedError for one that cannot be asked.
    """
    if not messages:
        raise PromptError("expected at least one prompt, got none: say what to find")
    require_label_values(len(messages))
    asked = Prompts(prompts=[_asked_once(message) for message in messages])
    prompts: dict[str, Prompt] = {}
    for request in requests_from_set(asked, rules.cameras):
        prompt = request.prompt
        if prompt.id in prompts:
            raise PromptRefusedError.repeated_id(None, prompt.id)
        with refusing(prompt.id):
            require_capability(prompt, rules.manifest)
        prompts[prompt.id] = prompt
    return tuple(prompts.values())


def _asked_once(message: PromptMessage) -> PromptMessage:
    """Leave out what only a prompt in use has."""
    return PromptMessage(
        id=message.id,
        label=message.label,
        text=message.text,
        positive_points=message.positive_points,
        negative_points=message.negative_points,
        boxes=message.boxes,
        negative_boxes=message.negative_boxes,
    )
