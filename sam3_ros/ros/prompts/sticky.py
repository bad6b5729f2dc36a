"""Objects that were clicked once and are followed from frame to frame."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.following import Followed
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros.prompts.active import ActivePrompt

_WAS_INACTIVE = "no longer followed: the node was inactive in between: click again"
_JUMPED_BACK = "no longer followed: the clock jumped back in between: click again"


@dataclass(frozen=True, eq=False)
class _Last:
    """Where an object was found last."""

    found: Followed
    #: When that frame, or the click, was received; time.monotonic() seconds.
    received: float


class StickyObjects:
    """Where each sticky prompt was found last, by camera; for the inference thread alone."""

    def __init__(self, segmenter: Segmenter, least_score: Callable[[], float]) -> None:
        """Follow with this segmenter; least_score() returns sticky_least_score as it is now."""
        self._segmenter = segmenter
        self._least_score = least_score
        self._last: dict[tuple[ActivePrompt, str], _Last] = {}

    def find(
        self, active: ActivePrompt, camera: str, embedding: ImageEmbedding, received: float
    ) -> Followed:
        """Find the object in this image, and forget it where it is lost. Raises InferenceError.

        received: when the image, or the click on it, was received; time.monotonic() seconds.
        """
        prompt, key = active.prompt, (active, camera)
        assert isinstance(prompt, InteractivePrompt)  # PromptRequest refuses sticky concepts
        last = self._last.pop(key, None)
        if last is None:
            found = self._segmenter.start_following(embedding, prompt)
        else:
            try:
                found = self._segmenter.follow(embedding, prompt, last.found, self._least_score())
            except Exception:
                self._last[key] = last  # try again on the next image
                raise
        if found.segment is not None:
            self._last[key] = _Last(found, received)
        return found

    def cut_off(
        self, camera: str, active_since: float | None, clock_went_on: bool
    ) -> dict[ActivePrompt, str]:
        """Forget objects after a gap in which anything may have happened; return the reasons.

        active_since: time.monotonic() seconds, None if the node is not active. clock_went_on: the
        camera's stamps did not jump back.
        """
        gone = {}
        for active, where in tuple(self._last):
            last = self._last[active, where]
            was_inactive = active_since is not None and last.received < active_since
            if where == camera and (was_inactive or not clock_went_on):
                gone[active] = _WAS_INACTIVE if was_inactive else _JUMPED_BACK
                del self._last[active, where]
        return gone

    def keep_only(self, asked: Collection[ActivePrompt]) -> None:
        """Forget the objects of all other prompts."""
        self._last = {key: last for key, last in self._last.items() if key[0] in asked}
