"""A JPEG: its pixels where they are all there, and the reason where they are not.

OpenCV fills what a cut JPEG lacks with grey and reports nothing, and refuses one that lacks nothing
but its end marker. So the pixels decide: those that need bytes from behind the end of the data were
not in the file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.colour_order import rgb_of_bgr
from sam3_ros.core.images.jpeg_layout import (
    ARITHMETIC,
    END_OF_IMAGE,
    JPEG_LS,
    JPEG_START,
    JpegLayout,
)
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS

_END = b"\xff\xd9"
# Baseline, extended and progressive with Huffman codes.
_FRAMES = {0xC0, 0xC1, 0xC2}
# What libjpeg leaves where it has no data: luma and both chromas in the middle of their range.
_NO_DATA = 128
# Fewer zeros before the end marker are the end of the data, as in an image that ends in black.
_FEW_ZEROS = 8
# A component's coefficients are visited in each of its scans, up to six times where they are all
# refined, and its samples become pixels once. A picture may be decoded about twice in this way.
_MOST_WORK, _WORK_A_SAMPLE = 48, 3
# Arithmetic codes take longer, and a few bytes of them stand for any number of pixels. No camera
# writes them.
_ARITHMETIC_WORK = 8
# Megapixels that are always allowed; and samples that make a picture a large one.
_SMALL, _LARGE = 4, 24_000_000
# libjpeg looks up to 64 bits ahead. No FF, which would begin a marker.
_LOOKAHEAD, _OTHER_LOOKAHEAD = b"\x55" * 8, bytes(range(0x9E, 0xDE, 8))


def decode_jpeg(
    data: bytes, layout: JpegLayout, max_megapixels: float = MAX_MEGAPIXELS
) -> npt.NDArray[np.uint8]:
    """Decode a JPEG to uint8 [H, W] if it is grey, otherwise [H, W, 3], RGB; not turned upright.

    Raises ImageError where pixels are missing, for what OpenCV does not decode, and for what takes
    more work than a picture of max_megapixels does.
    """
    _require_known_frame(layout)
    _require_all_scans(layout, len(data))
    work = _Work(layout, max_megapixels)
    last = layout.scans[-1]
    # libjpeg wants a marker behind the first one; between the others it skips what is not one.
    body = JPEG_START + data[data.index(b"\xff", len(JPEG_START)) : last.end]
    if not _decoded_at_once(body, layout, work):
        whole = work.decoded(body + _END)
        if whole is None:
            raise ImageError(f"expected a whole JPEG, got {len(data)} damaged bytes")
        _require_all_pixels(body, layout, work)
        if work.sum() != whole:
            work.decoded(body + _END)
    pixels = work.taken_pixels()
    if pixels.ndim == 2:
        return pixels
    return np.asarray(rgb_of_bgr(pixels), np.uint8)


# What two decodings of the same pixels have in common: their shape and a checksum.
_Sum = tuple[tuple[int, ...], int]


class _Work:
    """Decodes one JPEG with other bytes behind it, as often as its size allows.

    Only the last pixels are kept, and of those before a checksum: no picture is in memory twice.
    """

    def __init__(self, layout: JpegLayout, max_megapixels: float) -> None:
        self._layout = layout
        samples = layout.width * layout.height * len(layout.components)
        self._each = 64 * sum(scan.blocks for scan in layout.scans) + _WORK_A_SAMPLE * samples
        if layout.frame in ARITHMETIC:
            self._each *= _ARITHMETIC_WORK
        self._left = _MOST_WORK * max(max_megapixels, _SMALL) * 1e6
        #: Whether it is so large that one other end must do to see whether it matters.
        self.is_large = samples > _LARGE
        self._pixels: npt.NDArray[np.uint8] | None = None

    def decoded(self, data: bytes) -> _Sum | None:
        """Decode, and return the sum of the pixels; None where OpenCV returns none."""
        self.decode(data)
        return self.sum()

    def sum(self) -> _Sum | None:
        """Return the sum of the last decoding."""
        pixels = self._pixels
        return None if pixels is None else (pixels.shape, zlib.crc32(pixels.data))

    def decode(self, data: bytes) -> bool:
        """Decode; return whether OpenCV returns pixels. Raises ImageError."""
        self._left -= self._each
        if self._left < 0:
            raise ImageError(
                f"expected a JPEG that is soon decoded, got {self._layout.width}x"
                f"{self._layout.height} px in {len(self._layout.scans)} scans, which takes too "
                "long, or too long to see whether it is whole: save it as a baseline JPEG"
            )
        self._pixels = None  # before there are others
        self._pixels = _decoded(data)
        return self._pixels is not None

    def taken_pixels(self) -> npt.NDArray[np.uint8]:
        """Return the pixels of the last decoding, which had some."""
        assert self._pixels is not None
        return self._pixels


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


def _decoded_at_once(body: bytes, layout: JpegLayout, work: _Work) -> bool:
    """Decode what certainly is whole; return False for what needs a closer look.

    Without an end marker OpenCV returns nothing where data is missing, but for the few bytes that
    it looks ahead. Where the marker was missing before, those must not matter either.
    """
    if not (_is_plain(layout) and _opencv_asks_for_more()) or body.endswith(b"\0\0"):
        return False
    has_pixels = work.decode(body + _LOOKAHEAD)
    if not has_pixels or layout.scans[-1].ended_by == END_OF_IMAGE:
        return has_pixels
    before = work.sum()
    return work.decoded(body + _OTHER_LOOKAHEAD) == before


def _require_all_scans(layout: JpegLayout, size: int) -> None:
    for scan in layout.scans:
        if scan.intervals < scan.expected_intervals:
            raise _cut(
                f"{size} bytes with {scan.intervals} of {scan.expected_intervals} restart intervals"
            )
    if missing := _missing_scans(layout):
        raise _cut(f"{size} bytes without {missing}")
    # The decoder looks ahead: what lacks only this may pass.
    if layout.missing_bytes() > len(_LOOKAHEAD):
        raise _cut(
            f"{size} bytes, fewer than {layout.width}x{layout.height} px take in any JPEG of its "
            "kind"
        )


def _require_all_pixels(body: bytes, layout: JpegLayout, work: _Work) -> None:
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
        and not (work.taken_pixels()[-1, -1] == _NO_DATA).all()
    ):
        return
    head = len(body) - (layout.scans[-1].end - layout.scans[-1].start)
    if not _has_all_data(body, head, at_end, work):
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


def _has_all_data(data: bytes, head: int, ends_by_marker: bool, work: _Work) -> bool:
    """Return whether the last scan has data for all its pixels; it is all of data behind the head.

    The data itself, with an end marker, was decoded last.

    Buffers of a fixed size are filled with zeros behind the image, and so is what was lost.
    """
    without_zeros = data[:head] + data[head:].rstrip(b"\0")
    if without_zeros.endswith(b"\xff"):
        without_zeros += b"\0"
    zeros = len(data) - len(without_zeros)
    whole = work.sum()
    if zeros < (_FEW_ZEROS if ends_by_marker else 2):
        return _is_determined(data, work, whole)
    if _is_determined(without_zeros, work):
        return True
    # Zeros that are used up to the last are data; of those behind an image none is used.
    if _is_determined(data, work, whole) and not _is_determined(data[:-3], work):
        return True
    with_one = without_zeros + b"\0"
    return _is_determined(with_one, work) and _uses_last_bit(with_one, work)


def _uses_last_bit(data: bytes, work: _Work) -> bool:
    """Return whether the pixels are others where the last bit of the data, a zero, is a one."""
    before, after = (work.decoded(data[:-1] + bit + _LOOKAHEAD + _END) for bit in (b"\0", b"\x01"))
    return before is None or before != after


def _is_determined(data: bytes, work: _Work, with_end: _Sum | None = None) -> bool:
    """Return whether the pixels stay the same with other bytes behind the data.

    with_end: what the data and an end marker were decoded to, where that is known.
    """
    first = with_end or work.decoded(data + _END)
    return first is not None and all(
        work.decoded(data + each + _END) == first for each in _noise(1 if work.is_large else 2)
    )


def _noise(number: int) -> Iterator[bytes]:
    """Yield bytes without an FF, which would begin a marker."""
    for seed in range(1, number + 1):
        yield np.random.default_rng(seed).integers(0, 255, 64, np.uint8).tobytes()


def _decoded(data: bytes) -> npt.NDArray[np.uint8] | None:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode this JPEG: {error}") from error
    return None if pixels is None else np.asarray(pixels, np.uint8)
