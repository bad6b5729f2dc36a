"""Images as messages: every encoding with every mistake, and files that are none."""

from __future__ import annotations

import array
import random
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from hostile_images import BOMBS, mutations
from sensor_msgs.msg import CompressedImage, Image

from hostile.odd_values import TEXTS, odd_header
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.ros.images.messages import image_message

# A whole picture of nearly as many pixels as are allowed takes memory in proportion, which is no
# fault: docs/images.md says how much. The node gets none of those.
_NOT_WHOLE = tuple(name for name in BOMBS if not name.startswith("large "))
# Bytes a pixel; 0.5 stands for planes of half size.
ENCODINGS = {
    "mono8": 1.0,
    "mono16": 2.0,
    "rgb8": 3.0,
    "bgr8": 3.0,
    "rgba8": 4.0,
    "bgra8": 4.0,
    "rgb16": 6.0,
    "bgr16": 6.0,
    "rgba16": 8.0,
    "bgra16": 8.0,
    **{f"8UC{n}": float(n) for n in (1, 2, 3, 4)},
    **{f"8SC{n}": float(n) for n in (1, 3)},
    **{f"16UC{n}": 2.0 * n for n in (1, 2, 3, 4)},
    "16SC1": 2.0,
    "32SC1": 4.0,
    "32FC1": 4.0,
    "32FC3": 12.0,
    "64FC1": 8.0,
    "64FC4": 32.0,
    **{f"bayer_{pattern}8": 1.0 for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{pattern}16": 2.0 for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    "yuv422": 2.0,
    "yuv422_yuy2": 2.0,
    "uyvy": 2.0,
    "yuyv": 2.0,
    "nv12": 1.5,
    "nv21": 1.5,
    "nv24": 3.0,
    "i420": 1.5,
}
_NO_ENCODINGS = (
    *("", "RGB8", "rgb8 ", "rgb8\0", "jpeg", "mono1", "mono32", "8UC0", "8UC513", "8UC9999999999"),
    *(
        "7UC3",
        "8XC3",
        "-8UC1",
        "16uc1",
        "bayer_rgbg8",
        "\x1b[31m",
        "e" * 10_000,
        "\U0001d7f4UC1",
        "rgb",
    ),
)
_SIZES = (0, 1, 2, 3, 7, 16, 33, 64, 64, 120, 120, 255, 641)
_CLAIMED = (0, 1, 2**16, 50_000, 2**31 - 1, 2**31, 2**32 - 1)
_FORMATS = ("jpeg", "png", "", "rgb8; jpeg compressed bgr8", "bgr8; png compressed", "tiff", "webp")
_MOST_BYTES = 8_000_000


def odd_image(chance: random.Random, near_ns: int) -> tuple[str, Image]:
    """Return an image of any kind, by its description. near_ns: the stamp of a sound one."""
    encoding = chance.choice(tuple(ENCODINGS))
    a_pixel = ENCODINGS[encoding]
    height, width = chance.choice(_SIZES), chance.choice(_SIZES)
    if chance.random() < 0.05:
        height, width = chance.choice(((1, 1_000_000), (1_000_000, 1), (1200, 1600)))
    step = int(width * a_pixel)
    size = int(height * width * a_pixel)
    what = f"{encoding} {width}x{height}"
    message = Image(header=odd_header(chance, near_ns), encoding=encoding)
    message.is_bigendian = chance.choice((0, 0, 0, 1, 255))
    match chance.randrange(12):
        case 0:
            step += chance.choice((1, 7, 64, 2**31))
        case 1:
            step = chance.choice((0, 1, max(0, step - 1), 2**32 - 1))
        case 2:
            size = chance.choice((0, 1, max(0, size - 1), size + 1, 2 * size))
        case 3:
            height = chance.choice(_CLAIMED)
        case 4:
            width = chance.choice(_CLAIMED)
        case 5:
            height, width, step = (chance.choice(_CLAIMED) for _ in range(3))
        case 6:
            message.encoding = chance.choice((*_NO_ENCODINGS, *TEXTS))
        case _:
            pass
    message.height, message.width, message.step = height, width, min(step, 2**32 - 1)
    size = min(size, _MOST_BYTES)
    content = chance.randbytes(min(size, 4096))
    message.data = _array((content * (size // 4096 + 1))[:size])
    said = f"{what}, stated {width}x{height}, step {message.step}, {len(message.data)} bytes"
    return said, message


def odd_compressed(chance: random.Random, near_ns: int) -> tuple[str, CompressedImage]:
    """Return a compressed image of any kind, by its description."""
    what, data = odd_file(chance, _NOT_WHOLE)
    form = chance.choice((*_FORMATS, *TEXTS))
    header = odd_header(chance, near_ns)
    return what, CompressedImage(header=header, format=form, data=_array(data))


def odd_file(chance: random.Random, names: Sequence[str] = tuple(BOMBS)) -> tuple[str, bytes]:
    """Return the bytes of what may be an image, by its description. names: of the bombs."""
    kind = chance.randrange(10)
    if kind < 2:
        name = chance.choice(names)
        return name, bomb(name)
    if kind == 2:
        return "random bytes", chance.randbytes(chance.choice((0, 1, 3, 100, 5000)))
    ((name, data),) = mutations(chance.randrange(2**32), 1)
    return name, data


@cache
def bomb(name: str) -> bytes:
    """Return the bomb of this name; some take long to make."""
    return BOMBS[name]()


@cache
def good_picture() -> np.ndarray:
    """Return the picture that must be answered rightly, uint8 [H, W, 3] RGB."""
    return read_rgb(TABLE)


def good_image() -> Image:
    """Return the good picture as a raw image."""
    return image_message(good_picture(), "rgb8")


def good_message(transport: str) -> Image | CompressedImage:
    """Return the good picture as the node takes images, raw or compressed, without loss."""
    if transport == "raw":
        return good_image()
    return CompressedImage(format="png", data=_array(_good_png()))


def _array(content: bytes) -> array.array[int]:
    """Return what a message takes without a look at each byte."""
    return array.array("B", content)


@cache
def _good_png() -> bytes:
    bgr = cv2.cvtColor(good_picture(), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", bgr, (cv2.IMWRITE_PNG_COMPRESSION, 1))[1])
