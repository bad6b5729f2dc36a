"""What people are told about a prompt in use, each thing once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias
from weakref import WeakKeyDictionary

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.prompts import Prompt
from sam3_ros.ros.prompts.active import ActivePrompt

#: Segmenter.warnings: of a prompt, and the size of the image where that is known.
WarningsOn: TypeAlias = Callable[[Prompt, ImageSize | None], tuple[str, ...]]


class PromptRemarks:
    """Warnings on prompts. Called from the executor and from the inference thread."""

    def __init__(self, warnings_on: WarningsOn) -> None:
        self._warnings_on = warnings_on
        # By prompt, the cameras for whose images its points were looked at.
        self._looked_at: WeakKeyDictionary[ActivePrompt, frozenset[str]] = WeakKeyDictionary()

    def on_accepting(
        self, active: ActivePrompt, sizes: Mapping[str, ImageSize | None]
    ) -> tuple[str, ...]:
        """Return the warnings on a prompt that was accepted.

        sizes: by camera, of the image that it is asked of; None where that is not known yet.
        """
        found: dict[str, None] = {}
        for size in (None, *sizes.values()):
            found |= dict.fromkeys(self._warnings_on(active.prompt, size))
        known = frozenset(camera for camera, size in sizes.items() if size is not None)
        self._looked_at[active] = known
        return tuple(found)

    def on_image(self, active: ActivePrompt, camera: str, size: ImageSize) -> tuple[str, ...]:
        """Return the warnings that only the image gave, for the camera's first image."""
        looked_at = self._looked_at.get(active, frozenset())
        if not active.prompt.points or camera in looked_at:
            return ()
        self._looked_at[active] = looked_at | {camera}
        before = self._warnings_on(active.prompt, None)
        return tuple(w for w in self._warnings_on(active.prompt, size) if w not in before)
