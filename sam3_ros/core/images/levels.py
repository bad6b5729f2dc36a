"""Which levels an image uses: to 8 bits, and what is to be said of a dark or empty one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError

#: What a depth of bits may be; 0 means all that the encoding holds.
BIT_DEPTHS = (0, *range(8, 17))
# Depths of cameras that put their bits into the lower end of 16.
_USUAL_DEPTHS = (8, 10, 12, 14)
# Of 255: below this nothing can be seen, and what varies less has nothing in it.
_BLACK, _CONSTANT = 16, 2
# Values looked at first; only what looks suspicious is looked at whole.
_SAMPLED = 16_384


@dataclass(frozen=True)
class Levels:
    """The range of an image's values."""

    highest: int
    #: The largest difference of two values of the same channel.
    spread: int
    #: The value that is white.
    white: int
    #: The largest value that the encoding holds: 255 or 65535.
    largest: int

    def per_255(self, value: int) -> float:
        return value * 255 / self.white


def white_of(pixels: npt.NDArray[np.generic], bit_depth: int) -> int:
    """Return the value that is white: of bit_depth for 16 bits, where it is not 0."""
    if pixels.dtype == np.uint8:
        return 255
    return (1 << (bit_depth or 16)) - 1


def check_bit_depth(bit_depth: int) -> None:
    """Raise ImageError unless it is one of BIT_DEPTHS."""
    if bit_depth not in BIT_DEPTHS:
        raise ImageError(f"expected a bit depth of 8 to 16, or 0 for all bits; got {bit_depth}")


def levels_of(pixels: npt.NDArray[np.generic], white: int) -> Levels:
    """Look at uint8 or uint16 [H, W] or [H, W, C]."""
    height, width = pixels.shape[:2]
    step = max(1, int((height * width / _SAMPLED) ** 0.5))
    found = _range_of(pixels[::step, ::step], white)
    is_suspicious = _says_something(found)
    return _range_of(pixels, white) if is_suspicious and step > 1 else found


def to_eight_bits(
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], white: int
) -> npt.NDArray[np.uint8]:
    """Scale to 255, rounded; what is brighter than white stays 255."""
    if white == 255 and pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    scaled = cv2.convertScaleAbs(pixels, alpha=255 / white)
    return np.asarray(scaled, np.uint8).reshape(pixels.shape)


def finding_on(levels: Levels, remedy: Callable[[int], str], highest_before: int = 0) -> str:
    """Return what to say of the image; empty if there is nothing.

    remedy says how to set a bit depth; highest_before is the highest value of earlier images.
    """
    highest = max(levels.highest, highest_before)
    if levels.highest > levels.white:
        return (
            f"values go up to {levels.highest}, above the {levels.white} of the bit depth that is "
            f"set: what is brighter is cut off; {remedy(levels.highest.bit_length())}"
        )
    if 0 < highest < 2 ** _USUAL_DEPTHS[-1] and levels.white == levels.largest == 65535:
        return _too_few_bits(highest, remedy)
    if levels.per_255(levels.highest) < _BLACK:
        return (
            f"the image is nearly black: no value is above {levels.highest} of {levels.white}; the "
            "scene is dark, the lens covered, or the exposure too short"
        )
    if levels.per_255(levels.spread) <= _CONSTANT:
        return (
            f"the image is nearly constant: no channel varies by more than {levels.spread} of "
            f"{levels.white}; the lens is covered, or no picture comes from the sensor"
        )
    return ""


def _too_few_bits(highest: int, remedy: Callable[[int], str]) -> str:
    bits = next(each for each in _USUAL_DEPTHS if highest < 2**each)
    dark = "nearly black" if highest < 4096 else "dark"
    if highest == 2**bits - 1:
        return (
            f"the image is {dark}: values up to {highest} of 65535: the camera sends {bits} bits "
            f"in 16; {remedy(bits)}"
        )
    return (
        f"the image is {dark}: values up to {highest} of 65535; if the camera sends {bits} bits in "
        f"16, {remedy(bits)}; a depth image looks so too, and is no picture"
    )


def _says_something(levels: Levels) -> bool:
    return bool(finding_on(levels, str))


def _range_of(pixels: npt.NDArray[np.generic], white: int) -> Levels:
    channels = [pixels] if pixels.ndim == 2 else list(np.moveaxis(pixels, 2, 0))
    ranges = [(int(each.min()), int(each.max())) for each in channels]
    return Levels(
        highest=max(high for _, high in ranges),
        spread=max(high - low for low, high in ranges),
        white=white,
        largest=255 if pixels.dtype == np.uint8 else 65535,
    )
