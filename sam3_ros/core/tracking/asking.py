"""What a session asks of the segmenter that made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt, Prompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.follower import Follower
from sam3_ros.core.tracking.settings import TrackingSettings


class Detect(Protocol):
    """Finds what answers texts."""

    def __call__(
        self,
        image: ImageEmbedding,
        prompts: Sequence[ConceptPrompt],
        score_thresholds: Sequence[float | None],
    ) -> list[list[Segment]]:
        """Return the segments of each prompt, best first; None: the bundle's threshold."""
        ...


@dataclass(frozen=True, eq=False)
class Asking:
    """The segmenter, as a session sees it."""

    #: Raises unless the image was encoded by this segmenter.
    require_own: Callable[[ImageEmbedding], None]
    #: Returns a prompt as it is put to the model. Raises PromptError where it cannot be asked.
    askable: Callable[[ImageEmbedding, Prompt], Prompt]
    detect: Detect
    timings: CallTimings
    #: Which bundle it is, with the sums of its files.
    bundle: str


@dataclass(frozen=True, eq=False)
class Following:
    """How a bundle's objects are followed."""

    #: Makes the follower for settings, which may change later.
    follower: Callable[[TrackingSettings], Follower]
    #: It sees nothing between detections, so texts are looked for in every image.
    every_image: bool = False
