"""The answer to one image: its files, and what the JSON says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.cli.segment.output_names import OutputFiles
from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_file import Picture, read_picture, write_png
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.core.pictures.label_image import label_image
from sam3_ros.core.pictures.overlay import draw_overlay
from sam3_ros.core.pictures.segment_document import segment_document
from sam3_ros.core.segmenter.prompts import Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.depth_image import DepthImage
from sam3_ros.core.space.lift import lift
from sam3_ros.core.space.object_document import object_document
from sam3_ros.core.space.sizes import camera_of_size, pixels_per_depth

_WHITE = np.uint8(255)


@dataclass(frozen=True, eq=False)
class ImageDepth:
    """Depth that is registered to the image, and the camera of both."""

    depth: DepthImage
    camera: PinholeCamera

    def require_fit(self, picture: Picture) -> None:
        """Raise SpaceError for a picture that they cannot be of."""
        if picture.is_turned:
            raise SpaceError(
                "its orientation tag turns the picture, and not its depth: write the pixels as the "
                "camera saw them, without the tag"
            )
        pixels_per_depth(ImageSize(*picture.rgb.shape[:2]), self.depth.size)
        camera_of_size(self.camera, self.depth.size)


@dataclass(frozen=True)
class ImageQuestion:
    """What is asked of each image, and how its masks are written."""

    prompts: Sequence[Prompt]
    score_threshold: float | None
    masks_as_png: bool
    masks_as_rle: bool
    #: Bits that the camera put into 16; 0 for what the file says.
    bit_depth: int = 0
    #: Larger pictures are refused.
    max_megapixels: float = MAX_MEGAPIXELS
    #: None where nothing is asked about space.
    space: ImageDepth | None = None

    @property
    def label_values(self) -> dict[str, int]:
        """The value of each prompt in a label image, by its id."""
        return {prompt.id: value for value, prompt in enumerate(self.prompts, start=1)}


def answer(
    segmenter: Segmenter, image: Path, question: ImageQuestion, outputs: OutputFiles
) -> dict[str, Any]:
    """Segment an image file, write its outputs, and return what JSON shows.

    Raises ImageError, PromptError, SpaceError and InferenceError.
    """
    picture = read_picture(image, question.bit_depth, question.max_megapixels)
    if question.space is not None:
        question.space.require_fit(picture)
    rgb = picture.rgb
    embedding = segmenter.encode_image(rgb)
    segments = segmenter.ask(embedding, question.prompts, question.score_threshold)
    seconds = {**embedding.timings, **segments.timings}
    found = (segmenter.warnings(prompt, embedding.size) for prompt in question.prompts)
    of_picture = [f"{image}: {warning}" for warning in picture.warnings]
    warnings = [*of_picture, *dict.fromkeys(warning for each in found for warning in each)]
    values = question.label_values
    outputs.remove_old_masks()
    write_png(outputs.overlay, draw_overlay(rgb, segments, values))
    write_png(outputs.labels, label_image(segments, values, embedding.size))
    masks: Sequence[Path | None] = [None] * len(segments)
    if question.masks_as_png:
        masks = outputs.claim_masks(segment.label for segment in segments)
    places: Sequence[dict[str, Any]] = [{}] * len(segments)
    if question.space is not None:
        objects = lift(segments, question.space.depth, question.space.camera)
        places = [{"space": object_document(each)} for each in objects]
    return {
        "image": str(image),
        "width": embedding.size.width,
        "height": embedding.size.height,
        "overlay": str(outputs.overlay),
        "labels": str(outputs.labels),
        "label_values": values,
        "warnings": warnings,
        "segments": [
            _described(segment, values[segment.prompt_id], mask, question.masks_as_rle) | place
            for segment, mask, place in zip(segments, masks, places, strict=True)
        ],
        "seconds": {step: round(s, 6) for step, s in seconds.items()},
    }


def _described(
    segment: Segment, label_value: int, mask_file: Path | None, with_rle: bool
) -> dict[str, Any]:
    """Write the mask, if it has a file, and return what JSON shows of the segment."""
    if mask_file is not None:
        write_png(mask_file, segment.mask * _WHITE)
    name = None if mask_file is None else str(mask_file)
    return segment_document(segment, label_value, name, with_rle)
