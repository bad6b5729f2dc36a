"""Objects that were clicked once and are followed from frame to frame."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.following import Followed
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.prompts.active import ActivePrompt

_WAS_INACTIVE = "no longer followed: the node was inactive in between: click again"
_JUMPED_BACK = "no longer followed: the clock jumped back in between: click again"


@dataclass(frozen=True, eq=False)
class _Last:
    """received: when the frame it was found on came, or the click; time.monotonic() seconds."""

    found: Followed
    received: float


class StickyObjects:
    """Of each sticky prompt and camera, where it was last; for the inference thread alone.

    least_score: as the parameter.
    """

    def __init__(self, segmenter: Segmenter, least_score: Callable[[], float]) -> None:
        self._segmenter = segmenter
        self._least_score = least_score
        self._last: dict[tuple[ActivePrompt, str], _Last] = {}

    def find(
        self, active: ActivePrompt, camera: str, embedding: ImageEmbedding, received: float
    ) -> Segment:
        """The object in this image. Raises PromptError once it is lost, InferenceError.

        received: of the image, or the click on it, time.monotonic() seconds.
        """
        prompt, key = active.prompt, (active, camera)
        assert isinstance(prompt, InteractivePrompt)  # a request for another was refused
        last = self._last.pop(key, None)
        if last is None:
            found = self._segmenter.start_following(embedding, prompt)
        else:
            try:
                found = self._segmenter.follow(embedding, prompt, last.found, self._least_score())
            except Exception:
                self._last[key] = last  # the next image may do better
                raise
        if found.segment is None:
            raise PromptError(f"no longer followed: {found.lost}")
        self._last[key] = _Last(found, received)
        return found.segment

    def cut_off(
        self, camera: str, active_since: float | None, clock_went_on: bool
    ) -> dict[ActivePrompt, str]:
        """Forget those between whose last image and the next anything may have happened; why.

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
        """Forget those that are asked no longer."""
        self._last = {key: last for key, last in self._last.items() if key[0] in asked}
