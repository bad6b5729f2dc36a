"""How an image's pixels relate to the model's frame, and back.

Frames: `source` is the image as it came, px. `model` is the network's input of
preprocessing.height x width. `prompt space` is the frame of point_coords, which covers the same
picture as the model frame and may have another scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest, Preprocessing
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.masks import FoundMask, patch_of
from sam3_ros.core.segmenter.pixels import write_resized
from sam3_ros.core.segmenter.resize_weights import ResizeWeights, resize_weights

MaskFit = Literal["direct", "through_padded_input"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImageTransform:
    """Maps an image and prompts into the model's frame, boxes and masks back out."""

    #: The size of the source image.
    source: ImageSize
    preprocessing: Preprocessing
    #: None where it is the model frame.
    prompt_space: ImageSize | None = None

    @classmethod
    def of(cls, source: ImageSize, manifest: Manifest) -> ImageTransform:
        """Make the transform of images of this size for the model of a manifest."""
        space = manifest.interactive.prompt_space if manifest.interactive else None
        return cls(source, manifest.preprocessing, space)

    def pixel_values(self, image: npt.NDArray[np.uint8]) -> Floats:
        """Return f32[1, 3, h, w] of an image uint8 [H, W, 3] in RGB; the padding is 0."""
        how = self.preprocessing
        content = self._content_in(how.size)
        shape = (1, 3, *how.size)
        full = content == how.size
        values = np.empty(shape, np.float32) if full else np.zeros(shape, np.float32)
        write_resized(image, content, how.interpolation, how.mean, how.std, values[0])
        return values

    def to_model_frame(self, values: Floats, size: ImageSize) -> Floats:
        """Return f32[h, w]: one value for each source px, f32[H, W], in a frame of another size.

        The frame covers the picture of the model frame; its padding is 0. Bilinear, with
        antialiasing where the picture shrinks.
        """
        content = self._content_in(size)
        if content.height >= self.source.height and content.width >= self.source.width:
            wanted = (content.width, content.height)
            inner = cv2.resize(values, wanted, interpolation=cv2.INTER_LINEAR)
            if content == size:
                return np.asarray(inner, np.float32)
            frame = np.zeros(size, np.float32)
            frame[: content.height, : content.width] = inner
            return frame
        weights = resize_weights(self.source, content, size, "bilinear_antialias")
        across = values @ weights.columns.T
        return np.asarray(weights.rows @ across, np.float32)

    def resize_weights(self) -> ResizeWeights:
        """Return the matrices that resize an image as pixel_values does, but for its rounding."""
        how = self.preprocessing
        content = self._content_in(how.size)
        return resize_weights(self.source, content, how.size, how.interpolation)

    def points_to_prompt_space(self, points: Sequence[tuple[float, float]]) -> Floats:
        """Return f32[N, 2] in prompt space px of points in source px."""
        content = self._content_in(self._prompt_frame())
        scale = np.array(
            [content.width / self.source.width, content.height / self.source.height], np.float64
        )
        in_source = np.asarray(points, np.float64).reshape(-1, 2)
        return (in_source * scale).astype(np.float32)

    def boxes_to_model(self, boxes: Sequence[Box]) -> Floats:
        """Return f32[N, 4], cxcywh as fractions of the model frame, of boxes in source px."""
        corners = np.array([box.as_tuple() for box in boxes], np.float64).reshape(-1, 4)
        low, high = corners[:, :2], corners[:, 2:]
        parts = np.concatenate([(low + high) / 2, high - low], axis=1)
        return (parts / self._source_px_per_frame()).astype(np.float32)

    def boxes_to_source(self, boxes: npt.NDArray[Any]) -> Floats:
        """Return f32[N, 4], xyxy in source px, not clipped, of boxes cxcywh in the model frame."""
        boxes = boxes.astype(np.float32, copy=False)
        # A box needs an extent, and a sigmoid may round to 0.
        centre, half = boxes[:, :2], np.maximum(boxes[:, 2:], 1e-6) / 2
        corners = np.concatenate([centre - half, centre + half], axis=1)
        return corners * self._source_px_per_frame().astype(np.float32)

    def mask_to_source(
        self, logits: npt.NDArray[Any], threshold: float, fit: MaskFit = "direct"
    ) -> npt.NDArray[np.bool_]:
        """Return bool [H, W], the mask of found_in_source."""
        return self.found_in_source(logits, threshold, fit).mask

    def mask_in_frame(self, mask: npt.NDArray[np.bool_], frame: ImageSize) -> Floats:
        """Return f32 [h, w] in [0, 1] of a mask, bool [H, W], over the model's frame; padding is 0.

        frame: the size of what covers the model's frame. Bilinear between pixel centres without
        antialias, as torch with align_corners=False.
        """
        content = self._content_in(frame)
        target = (content.width, content.height)
        resized = cv2.resize(mask.astype(np.float32), target, interpolation=cv2.INTER_LINEAR)
        if content == frame:
            return np.asarray(resized, np.float32)
        values = np.zeros(frame, np.float32)
        values[: content.height, : content.width] = resized
        return values

    def found_in_source(
        self, logits: npt.NDArray[Any], threshold: float, fit: MaskFit = "direct"
    ) -> FoundMask:
        """Resize mask logits [h, w] to the source image, then compare with the threshold.

        Bilinear between pixel centres without antialias, as torch with align_corners=False.
        `direct` resizes once; `through_padded_input` goes by the prompt space's size as SAM does
        (segment-anything, modeling/sam.py, postprocess_masks).
        """
        patch = patch_of(logits, threshold)
        if patch is None:
            return FoundMask(np.zeros(self.source, np.bool_), None)
        if fit == "through_padded_input":
            frame = self._prompt_frame()
            patch = patch.resized(frame)
            patch = patch.cropped(self._content_in(frame)).resized(self.source)
        else:
            patch = patch.resized_corner(self._canvas(), self.source)
        return patch.found(threshold)

    def _prompt_frame(self) -> ImageSize:
        return self.prompt_space or self.preprocessing.size

    def _content_in(self, frame: ImageSize) -> ImageSize:
        """Return the size of the picture without its padding in a frame of this size."""
        if self.preprocessing.fit == "stretch":
            return frame
        scale = min(frame.height / self.source.height, frame.width / self.source.width)
        height, width = (max(1, math.floor(side * scale + 0.5)) for side in self.source)
        return ImageSize(min(height, frame.height), min(width, frame.width))

    def _source_px_per_frame(self) -> npt.NDArray[np.float64]:
        """Return how many source px the model frame spans, padding included: [x, y, x, y]."""
        frame = self.preprocessing.size
        content = self._content_in(frame)
        x = frame.width * self.source.width / content.width
        y = frame.height * self.source.height / content.height
        return np.array([x, y, x, y], np.float64)

    def _canvas(self) -> ImageSize:
        """Return the size of the model frame, padding included, in source px."""
        x, y = self._source_px_per_frame()[:2]
        return ImageSize(max(round(y), self.source.height), max(round(x), self.source.width))
