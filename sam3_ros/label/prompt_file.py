"""Prompts as people write them into a YAML file.

- red cube
- {text: "mug, cup or glass", label: mug, score_threshold: 0.6}
"""

from __future__ import annotations

from pathlib import Path

from sam3_ros.core.checked_yaml import DocumentKind, read_document
from sam3_ros.core.errors import PromptError
from sam3_ros.label.job import LabelPrompt

_PROMPTS = DocumentKind(
    "the file of prompts", Path(__file__).with_name("prompts.json"), PromptError
)


def read_prompt_list(path: Path) -> tuple[LabelPrompt, ...]:
    """Read the prompts of a file, in its order. Raises PromptError with line and entry."""
    document = read_document(path, _PROMPTS)
    prompts: list[LabelPrompt] = []
    for number, entry in enumerate(document.value):
        fields = {"text": entry} if isinstance(entry, str) else entry
        try:
            prompts.append(LabelPrompt(**fields))
        except PromptError as error:
            raise document.error((number,), str(error)) from error
    return tuple(prompts)
