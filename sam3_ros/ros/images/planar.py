"""Images whose colours have planes of their own, as video hardware writes them.

`height` is that of the image, and `step` that of its luma rows; the chroma follows the luma in
`data`, where each plane may have spare rows. nv12, nv21: chroma of 2x2 px in pairs, U first or V
first. nv24: pairs for each pixel, U first. yuv420, yuv420p and i420: a plane of U and one of V, of
half the width and height; yv12: V first. (Linux, "Planar YUV formats";
sensor_msgs/image_encodings.hpp; drivers of libcamera, Isaac ROS and DepthAI.) The colours are
BT.601 with limited range, as those of the other YUV encodings.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.images.messages import (
    PLANAR_ENCODINGS,
    ImageMessage,
    Pixels,
    described,
    require_data,
    require_pixels,
)

_IN_PAIRS = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
_APART = dict.fromkeys(("yuv420", "yuv420p", "i420"), cv2.COLOR_YUV2RGB_I420) | {
    "yv12": cv2.COLOR_YUV2RGB_YV12
}
# Of the rows of a plane, as video hardware has them.
_ALIGNMENTS = (16, 32, 64, 128)
# ITU-R BT.601: Y from 16 to 235, U and V from 16 to 240.
_LUMA, _TO_RED, _TO_GREEN, _TO_BLUE = 255 / 219, 1.596027, (-0.391762, -0.812968), 2.017232
_TO_RGB = np.array(
    [
        [_LUMA, 0, _TO_RED, -16 * _LUMA - 128 * _TO_RED],
        [_LUMA, *_TO_GREEN, -16 * _LUMA - 128 * sum(_TO_GREEN)],
        [_LUMA, _TO_BLUE, 0, -16 * _LUMA - 128 * _TO_BLUE],
    ]
)


def is_planar(encoding: str) -> bool:
    """Return whether an encoding has planes, in capitals or not."""
    return encoding.strip().casefold() in PLANAR_ENCODINGS


def planar_rgb(message: ImageMessage) -> Pixels:
    """Return uint8 [H, W, 3], RGB. Raises ImageError where the planes do not fit the data."""
    name = message.encoding.strip().casefold()
    height, width = message.height, message.width
    step = _checked_step(message, name)
    data = np.frombuffer(memoryview(message.data), np.uint8)  # type: ignore[arg-type]
    luma = _plane(data, (height, width), step)
    rows = _luma_rows(data, height, step, name)
    chroma = data[step * rows :]
    if name == "nv24":
        pairs = _plane(chroma, (height, width * 2), step * 2).reshape(height, width, 2)
        return np.asarray(cv2.transform(np.dstack([luma, pairs]), _TO_RGB), np.uint8)
    half = height // 2, width // 2
    if name in _IN_PAIRS:
        pairs = _plane(chroma, (half[0], width), step).reshape(*half, 2)
        return np.asarray(cv2.cvtColorTwoPlane(luma, pairs, _IN_PAIRS[name]), np.uint8)
    first = _plane(chroma, half, step // 2)
    second = _plane(chroma[step // 2 * (rows // 2) :], half, step // 2)
    planes = np.concatenate([each.ravel() for each in (luma, first, second)])
    return np.asarray(cv2.cvtColor(planes.reshape(-1, width), _APART[name]), np.uint8)


def _luma_rows(data: npt.NDArray[np.uint8], height: int, step: int, name: str) -> int:
    """Return how many rows lie before the chroma.

    Hardware aligns the rows of each plane: 1080 become 1088. The spare rows may also lie behind
    the image; then they all have one value, as colours do not.
    """
    if name == "nv24":
        return height
    for alignment in _ALIGNMENTS:
        rows = -(-height // alignment) * alignment
        if rows > height and data.size == step * rows * 3 // 2:
            behind = data[step * height * 3 // 2 :]
            return height if behind.min() == behind.max() else rows
    return height


def _plane(data: npt.NDArray[np.uint8], shape: tuple[int, int], step: int) -> Pixels:
    return np.ndarray(shape, np.uint8, buffer=data, strides=(step, 1))


def _checked_step(message: ImageMessage, name: str) -> int:
    """Return the bytes from one luma row to the next."""
    require_pixels(message)
    if name != "nv24" and (message.width % 2 or message.height % 2):
        raise ImageError(
            "expected an even width and height, because 2x2 px share their colour; got "
            f"{described(message)}"
        )
    twice_as_much = 6 if name == "nv24" else 3  # of the luma, with its chroma
    step = message.step or message.width
    # Some drivers count the chroma into the rows.
    if step * 2 == message.width * twice_as_much and len(message.data) == step * message.height:
        step = message.width
    if step < message.width:
        raise ImageError(
            f"expected a step of at least {message.width} bytes for {described(message)}, got "
            f"{step}"
        )
    rows = message.height * twice_as_much // 2
    needed = step * rows
    if name in _APART:  # their rows end with the first half of the step
        needed = step * message.height + 2 * (step // 2) * (message.height // 2)
    require_data(message, needed, f"{rows} rows with the chroma", step)
    return step
