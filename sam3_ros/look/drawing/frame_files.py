"""A frame to keep: the picture with its masks, the label image, and what JSON says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from sam3_ros.core.pictures.label_image import label_image
from sam3_ros.core.pictures.overlay import draw_overlay
from sam3_ros.core.pictures.segment_document import segment_document
from sam3_ros.core.segmenter.prompts import ConceptPrompt, Prompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.drawing.answered_picture import NANOSECONDS, AnsweredPicture, Pixels
from sam3_ros.look.viewing import FrameFiles

_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")


def frame_files(
    picture: AnsweredPicture, prompts: Sequence[tuple[Prompt, str]], bundle: str
) -> FrameFiles:
    """Return the files of a picture.

    prompts: each with its label; bundle: the name of the one that answered. The JSON is that of
    `sam3-ros segment`, with the stamp and the prompts beside it.
    """
    name = _file_name(picture)
    values = {prompt.id: place for place, (prompt, _) in enumerate(prompts, start=1)}
    seen = [segment for segment in picture.segments or () if segment.bounds is not None]
    height, width = picture.rgb.shape[:2]
    image = {
        "image": name,
        "camera": picture.camera,
        "stamp": picture.stamp._asdict(),
        "width": width,
        "height": height,
        "overlay": f"{name}.png",
        "labels": f"{name}_masks.png",
        "label_values": values,
        "prompts": [_described(prompt, label) for prompt, label in prompts],
        "segments": [_with_track(each, values[each.prompt_id]) for each in seen],
    }
    document = {"bundle": bundle, "images": [image]}
    overlay = draw_overlay(picture.rgb, picture.segments or (), picture.label_values)
    return FrameFiles(
        name=name,
        overlay_png=_png(overlay),
        mask_png=_png(np.asarray(label_image(seen, values, (height, width)), np.uint8)),
        json=(json.dumps(document, indent=2) + "\n").encode(),
    )


def _file_name(picture: AnsweredPicture) -> str:
    camera = _UNFIT.sub("_", picture.camera).strip("._") or "picture"
    seconds, rest = divmod(picture.stamp_ns, NANOSECONDS)
    return f"{camera}_{seconds}_{rest:09d}"


def _described(prompt: Prompt, label: str) -> dict[str, Any]:
    described: dict[str, Any] = {"id": prompt.id, "label": label}
    if isinstance(prompt, ConceptPrompt):
        return {**described, "text": prompt.text}
    points = [[*point] for point in prompt.points]
    box = None if prompt.box is None else prompt.box.as_tuple()
    return {**described, "points": points, "point_labels": prompt.point_labels, "box": box}


def _with_track(segment: Segment, value: int) -> dict[str, Any]:
    described = segment_document(segment, value, with_rle=True)
    if segment.track is not None:
        described["track"] = {**asdict(segment.track), "state": str(segment.track.state)}
    return described


def _png(pixels: Pixels) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()
