"""Objects that were clicked once and are followed from frame to frame."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sam3_ros.core.errors import PromptError
from sam3_ros.core.following import Followed
from sam3_ros.core.image_embedding import ImageEmbedding
from sam3_ros.core.prompts import InteractivePrompt
from sam3_ros.core.segmenter import Segmenter
from sam3_ros.core.segments import Segment
from sam3_ros.ros.active_prompts import ActivePrompt


class StickyObjects:
    """Of each sticky prompt and camera, where it was last. least_score: as the parameter."""

    def __init__(self, segmenter: Segmenter, least_score: Callable[[], float]) -> None:
        self._segmenter = segmenter
        self._least_score = least_score
        self._last: dict[tuple[ActivePrompt, str], Followed] = {}

    def find(self, active: ActivePrompt, camera: str, embedding: ImageEmbedding) -> Segment:
        """The object in this image. Raises PromptError once it is lost, InferenceError."""
        prompt, key = active.prompt, (active, camera)
        assert isinstance(prompt, InteractivePrompt)  # a request for another was refused
        last = self._last.pop(key, None)
        if last is None:
            found = self._segmenter.start_following(embedding, prompt)
        else:
            try:
                found = self._segmenter.follow(embedding, prompt, last, self._least_score())
            except Exception:
                self._last[key] = last  # the next image may do better
                raise
        if found.segment is None:
            raise PromptError(f"no longer followed: {found.lost}")
        self._last[key] = found
        return found.segment

    def keep_only(self, asked: Collection[ActivePrompt]) -> None:
        """Forget those that are asked no longer."""
        self._last = {key: last for key, last in self._last.items() if key[0] in asked}
