"""A JPEG: its pixels where they are all there, and the reason where they are not.

OpenCV fills what a cut JPEG lacks with grey and reports nothing, and refuses one that lacks nothing
but its end marker. So the pixels decide: those that need bytes from behind the end of the data were
not in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.jpeg_layout import (
    ARITHMETIC,
    END_OF_IMAGE,
    JPEG_LS,
    JPEG_START,
    JpegLayout,
)

_END = b"\xff\xd9"
# Baseline, extended and progressive with Huffman codes.
_FRAMES = {0xC0, 0xC1, 0xC2}
# What libjpeg leaves where it has no data: luma and both chromas in the middle of their range.
_NO_DATA = 128
# Fewer zeros before the end marker are the end of the data, as in an image that ends in black.
_FEW_ZEROS = 8
# libjpeg looks up to 64 bits ahead. No FF, which would begin a marker.
_LOOKAHEAD, _OTHER_LOOKAHEAD = b"\x55" * 8, bytes(range(0x9E, 0xDE, 8))


def decode_jpeg(data: bytes, layout: JpegLayout) -> npt.NDArray[np.uint8]:
    """Decode a JPEG to uint8 [H, W] if it is grey, otherwise [H, W, 3], RGB; not turned upright.

    Raises ImageError where pixels are missing, and for what OpenCV does not decode.
    """
    _require_known_frame(layout)
    _require_all_scans(layout, len(data))
    last = layout.scans[-1]
    # libjpeg wants a marker behind the first one; between the others it skips what is not one.
    body = JPEG_START + data[data.index(b"\xff", len(JPEG_START)) : last.end]
    pixels = _decoded_at_once(body, layout)
    if pixels is None:
        pixels = _decoded(body + _END)
        if pixels is None:
            raise ImageError(f"expected a whole JPEG, got {len(data)} damaged bytes")
        _require_all_pixels(body, layout, pixels)
    if pixels.ndim == 2:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def _require_known_frame(layout: JpegLayout) -> None:
    if layout.frame == JPEG_LS:
        raise ImageError(
            "expected a baseline or progressive JPEG, got a JPEG-LS: convert it to PNG"
        )
    if layout.frame not in _FRAMES and layout.frame not in ARITHMETIC:
        raise ImageError(
            f"expected a baseline or progressive JPEG, got one of another process (frame marker "
            f"{layout.frame:02X}: lossless or hierarchical): convert it to PNG"
        )
    if layout.precision != 8:
        raise ImageError(
            f"expected a JPEG of 8 bits, got one of {layout.precision}: convert it to PNG with 16"
        )


def _decoded_at_once(body: bytes, layout: JpegLayout) -> npt.NDArray[np.uint8] | None:
    """Decode what certainly is whole; return None for what needs a closer look.

    Without an end marker OpenCV returns nothing where data is missing, but for the few bytes that
    it looks ahead. Where the marker was missing before, those must not matter either.
    """
    if not (_is_plain(layout) and _opencv_asks_for_more()) or body.endswith(b"\0\0"):
        return None
    pixels = _decoded(body + _LOOKAHEAD)
    if pixels is None or layout.scans[-1].ended_by == END_OF_IMAGE:
        return pixels
    again = _decoded(body + _OTHER_LOOKAHEAD)
    return pixels if again is not None and np.array_equal(pixels, again) else None


def _require_all_scans(layout: JpegLayout, size: int) -> None:
    for scan in layout.scans:
        if scan.intervals < scan.expected_intervals:
            raise _cut(
                f"{size} bytes with {scan.intervals} of {scan.expected_intervals} restart intervals"
            )
    if missing := _missing_scans(layout):
        raise _cut(f"{size} bytes without {missing}")


def _require_all_pixels(body: bytes, layout: JpegLayout, pixels: npt.NDArray[np.uint8]) -> None:
    at_end = layout.scans[-1].ended_by == END_OF_IMAGE
    if layout.is_arithmetic:
        # Its decoder takes zeros behind the end for data: what is missing cannot be told.
        if not at_end:
            raise _cut(f"{len(body)} bytes without the end marker")
        return
    # A scan that was cut ends in grey: one that ends in another colour is whole but for its last
    # 16x16 px. This spares a camera's frames the decodings below where OpenCV does not ask.
    if (
        not _opencv_asks_for_more()
        and _is_plain(layout)
        and at_end
        and not body.endswith(b"\0\0")
        and not (pixels[-1, -1] == _NO_DATA).all()
    ):
        return
    head = len(body) - (layout.scans[-1].end - layout.scans[-1].start)
    if not _has_all_data(body, head, at_end):
        raise _cut(f"{len(body)} bytes whose last pixels are missing")


def _cut(came: str) -> ImageError:
    return ImageError(
        f"expected a whole JPEG, got {came}: the image was cut off on its way, or the camera sends "
        "damaged files"
    )


def _missing_scans(layout: JpegLayout) -> str:
    """Return what of the coefficients no scan has brought in full; empty if nothing is missing."""
    missing = {component: [-1] * 64 for component in layout.components}
    for scan in layout.scans:
        for component in scan.components:
            if component in missing:
                count = scan.last - scan.first + 1
                missing[component][scan.first : scan.last + 1] = [scan.missing_bits] * count
    if all(bits == 0 for each in missing.values() for bits in each):
        return ""
    return "its last scans" if not layout.is_sequential else "the scan of a colour"


def _is_plain(layout: JpegLayout) -> bool:
    """Return whether libjpeg decodes it while it reads: one scan with everything in it."""
    return layout.is_sequential and len(layout.scans) == 1 and len(layout.components) <= 3


@cache
def _opencv_asks_for_more() -> bool:
    """Return whether this OpenCV returns nothing where a scan ends before its pixels do.

    Those with a memory source that suspends do; it is tried, since no version promises it.
    """
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()[: -len(_END)]
    return (
        _decoded(data + _LOOKAHEAD) is not None
        and _decoded(data[: len(data) // 2] + _LOOKAHEAD) is None
    )


def _has_all_data(data: bytes, head: int, ends_by_marker: bool) -> bool:
    """Return whether the last scan has data for all its pixels; it is all of data behind the head.

    Buffers of a fixed size are filled with zeros behind the image, and so is what was lost.
    """
    without_zeros = data[:head] + data[head:].rstrip(b"\0")
    if without_zeros.endswith(b"\xff"):
        without_zeros += b"\0"
    zeros = len(data) - len(without_zeros)
    if zeros < (_FEW_ZEROS if ends_by_marker else 2):
        return _is_determined(data)
    if _is_determined(without_zeros):
        return True
    # Zeros that are used up to the last are data; of those behind an image none is used.
    if _is_determined(data) and not _is_determined(data[:-3]):
        return True
    with_one = without_zeros + b"\0"
    return _is_determined(with_one) and _uses_last_bit(with_one)


def _uses_last_bit(data: bytes) -> bool:
    """Return whether the pixels are others where the last bit of the data, a zero, is a one."""
    before, after = (_decoded(data[:-1] + bit + _LOOKAHEAD + _END) for bit in (b"\0", b"\x01"))
    return before is None or after is None or not np.array_equal(before, after)


def _is_determined(data: bytes) -> bool:
    """Return whether the pixels stay the same with other bytes behind the data."""
    followed_by = [b"", *_noise()]
    first, *others = (_decoded(data + each + _END) for each in followed_by)
    return first is not None and all(
        other is not None and np.array_equal(first, other) for other in others
    )


def _noise() -> Iterator[bytes]:
    """Yield bytes without an FF, which would begin a marker."""
    for seed in (1, 2):
        yield np.random.default_rng(seed).integers(0, 255, 64, np.uint8).tobytes()


def _decoded(data: bytes) -> npt.NDArray[np.uint8] | None:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode this JPEG: {error}") from error
    return None if pixels is None else np.asarray(pixels, np.uint8)
