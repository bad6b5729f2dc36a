"""How an image is asked: by itself, or as the next one of a stream whose objects are followed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.label.job import LabelPrompt

Pixels = npt.NDArray[np.uint8]


class FrameAsker:
    """Asks for each image by itself."""

    def __init__(self, segmenter: Segmenter, prompts: Sequence[LabelPrompt]) -> None:
        self._segmenter = segmenter
        self._prompts = [each.concept for each in prompts]
        self._thresholds = [each.score_threshold for each in prompts]

    def ask(self, rgb: Pixels) -> list[Segment]:
        """Return the segments of an image, uint8 [H, W, 3] RGB, in the order of the prompts.

        Raises ImageError and InferenceError.
        """
        embedding = self._segmenter.encode_image(rgb)
        return self._segmenter.ask(embedding, self._prompts, self._thresholds)


class TrackingAsker(FrameAsker):
    """Follows objects from image to image, each under an id of its own."""

    def __init__(self, segmenter: Segmenter, prompts: Sequence[LabelPrompt]) -> None:
        super().__init__(segmenter, prompts)
        self._tracking = segmenter.track()
        self._has_begun = False

    def ask(self, rgb: Pixels) -> list[Segment]:
        """Return the objects of the next image in the order of their ids, unseen ones too."""
        embedding = self._segmenter.encode_image(rgb)
        if self._has_begun:
            return self._tracking.step(embedding)
        found: list[Segment] = []
        for prompt, threshold in zip(self._prompts, self._thresholds, strict=True):
            found += self._tracking.add(embedding, prompt, threshold)
        self._has_begun = True
        return found
