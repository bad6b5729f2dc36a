"""From a frame's message to its pixels and to its embedding; the frame keeps both."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.timings import Timings
from sam3_ros.ros.frames.image_watch import ImageWatch
from sam3_ros.ros.frames.memory import SeenFrame
from sam3_ros.ros.images.camera_image import camera_image
from sam3_ros.ros.images.conversion import ImageConverter
from sam3_ros.ros.images.messages import Pixels


class FrameImages:
    """Decodes and encodes frames; for the inference thread."""

    def __init__(
        self,
        segmenter: Segmenter,
        converter: ImageConverter,
        cameras: Collection[str],
        bit_depth: Callable[[], int],
        max_megapixels: Callable[[], float],
        logger: Any,
    ) -> None:
        """cameras: their names. The others return the parameters as they are now."""
        self._segmenter = segmenter
        self._converter = converter
        self._cameras = cameras
        self._bit_depth = bit_depth
        self._max_megapixels = max_megapixels
        #: By camera, of its last image that was decoded.
        self.sizes: dict[str, ImageSize] = {}
        self.watch = ImageWatch(logger)

    def pixels(self, seen: SeenFrame, steps: Timings) -> Pixels:
        """Return uint8 [H, W, 3] RGB, decoded once. Raises ImageError."""
        if seen.image_rgb is None:
            assert seen.message is not None
            with steps.measure("convert"):
                image = camera_image(
                    seen.message, self._converter, self._bit_depth(), self._max_megapixels()
                )
            seen.image_rgb, seen.message = image.rgb, None
            if seen.camera in self._cameras:  # the image of a call has no camera
                self.sizes[seen.camera] = ImageSize(*seen.image_rgb.shape[:2])
                self.watch.see(seen.camera, image.levels)
        return seen.image_rgb

    def embedding(self, seen: SeenFrame, steps: Timings) -> ImageEmbedding:
        """Return the frame's embedding, made once. Raises ImageError, InferenceError."""
        if seen.embedding is None:
            seen.embedding = self._segmenter.encode_image(self.pixels(seen, steps))
            steps.absorb(seen.embedding.timings)
        return seen.embedding
