"""Pictures of the worst frames: golden, got and their difference, over the camera's image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.image_file import write_png
from sam3_ros.core.out_folder import OutFolder
from sam3_ros.core.pictures.contact_sheet import Tile, contact_sheet
from sam3_ros.core.pictures.palette import prompt_colour
from sam3_ros.replay.bag.bag import COMPRESSED_IMAGE, Bag, BagMessage
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.golden.judge import WorstFrame
from sam3_ros.ros.images.compressed import decode_compressed
from sam3_ros.ros.images.conversion import OwnConverter

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_OPACITY = 0.55
_BOTH, _MISSING, _EXTRA = (255, 255, 255), (230, 40, 40), (50, 90, 255)


def write_worst_frames(
    frames: Sequence[WorstFrame], bag: Bag, topics: Mapping[str, str], out: OutFolder
) -> tuple[Path, ...]:
    """Write worst_1_....png and so on to a folder.

    topics: the image topic in the bag, by camera. Pictures of an earlier run are deleted. Raises
    OutputExistsError for pictures of others.
    """
    out.remove_written("worst_*.png")
    images = _camera_images(frames, bag, topics)
    written = []
    for number, frame in enumerate(frames, start=1):
        key = frame.comparison.key
        image = images.get((key.camera, key.stamp_ns))
        (path,) = out.claim(f"worst_{number}_{_file_part(frame)}.png")
        write_png(path, worst_picture(frame, image))
        written.append(path)
    return tuple(written)


def worst_picture(frame: WorstFrame, image: Pixels | None) -> Pixels:
    """Return golden, got and difference, uint8 [H, W, 3] RGB.

    image: the camera's, uint8 [H, W, 3] RGB; None if it cannot be read.
    """
    prompt_id = frame.comparison.prompt_id
    golden, got = frame.golden.mask_of(prompt_id), frame.got.mask_of(prompt_id)
    colour = prompt_colour(1)
    tiles = [
        Tile(_tinted(image, {colour: golden}), f"golden: {prompt_id}"),
        Tile(_tinted(image, {colour: got}), f"got, IoU {frame.comparison.iou:.3f}"),
        Tile(_difference(image, golden, got), "red missing, blue extra"),
    ]
    return contact_sheet(tiles, columns=3, tile_width=max(240, min(golden.shape[1], 640)))


def _difference(image: Pixels | None, golden: Mask, got: Mask) -> Pixels:
    if golden.shape != got.shape:
        return _tinted(None, {_MISSING: golden})
    # In grey: a red object would look like a missing one.
    grey: Pixels | None = None
    if image is not None:
        dim = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] // 2
        grey = np.asarray(np.repeat(dim, 3, axis=2), np.uint8)
    return _tinted(grey, {_BOTH: golden & got, _MISSING: golden & ~got, _EXTRA: got & ~golden})


def _tinted(image: Pixels | None, masks: Mapping[tuple[int, int, int], Mask]) -> Pixels:
    """Return a tinted copy of the image, or of plain grey if no image of that size is given."""
    height, width = next(iter(masks.values())).shape
    fits = image is not None and image.shape[:2] == (height, width)
    canvas = np.array(image if fits else np.full((height, width, 3), 60), np.uint8)
    for colour, mask in masks.items():
        mixed = canvas[mask] * (1 - _OPACITY) + np.array(colour) * _OPACITY
        canvas[mask] = mixed.astype(np.uint8)
    return canvas


def _camera_images(
    frames: Sequence[WorstFrame], bag: Bag, topics: Mapping[str, str]
) -> dict[tuple[str, int], Pixels]:
    wanted = {(frame.comparison.key.camera, frame.comparison.key.stamp_ns) for frame in frames}
    camera_of = {topic: camera for camera, topic in topics.items()}
    found = {}
    for message in bag.messages(camera_of):
        place = camera_of[message.topic], read_header(message.cdr).stamp_ns
        if place in wanted:
            image = _decoded(bag, message)
            if image is not None:
                found[place] = image
    return found


def _decoded(bag: Bag, message: BagMessage) -> Pixels | None:
    content = bag.decode(message)
    try:
        if message.type_name == COMPRESSED_IMAGE:
            return decode_compressed(content)
        return OwnConverter().to_rgb(content)
    except ImageError:  # the node could not read it either
        return None


def _file_part(frame: WorstFrame) -> str:
    key, prompt = frame.comparison.key, frame.comparison.prompt_id
    words = [key.camera, re.sub(r"[^A-Za-z0-9]+", "-", prompt)[:40], str(key).replace(" ", "-")]
    return "_".join(word for word in words if word)
