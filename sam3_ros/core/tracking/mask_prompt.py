"""An object that is shown by its mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.prompts import MAX_TEXT_CHARACTERS


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """A request to track one object, shown by its mask. Raises PromptError unless it is one."""

    #: bool [H, W] at the size of its image, with at least one pixel. It must not change later.
    mask: np.ndarray
    #: Names the answers.
    id: str = "mask"
    #: What people read beside a segment; by default the id.
    label: str = ""

    def __post_init__(self) -> None:
        mask: Any = self.mask
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.ndim != 2:
            got = f"{mask.dtype} {list(mask.shape)}" if hasattr(mask, "dtype") else type(mask)
            raise PromptError(f"a mask prompt needs a mask of bool [H, W], got {got}")
        if not mask.any():
            raise PromptError("a mask prompt needs at least one pixel of the object, got none")
        object.__setattr__(self, "label", self.label or self.id)
        for what, name in (("id", self.id), ("label", self.label)):
            if not isinstance(name, str) or not 0 < len(name) <= MAX_TEXT_CHARACTERS:
                given = len(name) if isinstance(name, str) else type(name).__name__
                raise PromptError(
                    f"the {what} of a prompt has 1 to {MAX_TEXT_CHARACTERS} characters, got {given}"
                )
