"""PBM, PGM and PPM: values from 0 to any maximum (netpbm's pages pbm(5), pgm(5) and ppm(5))."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError

# Numbers, with comments between them.
_SPACE = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P([2356])" + 3 * (_SPACE + rb"(\d{1,9})") + rb"(?:#[^\n]*\n|\s)")
_BITMAP = re.compile(rb"P([14])" + 2 * (_SPACE + rb"(\d{1,9})") + rb"(?:#[^\n]*\n|\s)")
_COMMENT = re.compile(rb"#[^\n]*")
# Comments take memory while they are matched.
_MOST_HEADER = 65_536
_LONGEST_NUMBER = 20


def _matched(header: re.Pattern[bytes], data: bytes) -> re.Match[bytes] | None:
    return header.match(data, 0, _MOST_HEADER)


def netpbm_size(data: bytes) -> tuple[int, int]:
    """Return width and height. Raises ImageError where the header is wrong."""
    found = _matched(_HEADER, data) or _matched(_BITMAP, data)
    if found is None:
        raise ImageError("expected a PBM, PGM or PPM, got one whose header is wrong")
    return int(found[2]), int(found[3])


def decode_netpbm(data: bytes) -> tuple[npt.NDArray[np.uint8] | npt.NDArray[np.uint16], int]:
    """Return the pixels, [H, W, 3] for a PPM and otherwise [H, W], and which value is white.

    Raises ImageError for a header that is wrong, and for a file that was cut.
    """
    if (bitmap := _matched(_BITMAP, data)) is not None:
        return _decoded_bitmap(data, bitmap), 255
    found = _matched(_HEADER, data)
    if found is None:
        raise ImageError("expected a PGM or PPM, got one whose header is wrong")
    kind, width, height, white = (int(found[group]) for group in range(1, 5))
    if not 0 < white < 65536 or not width or not height:
        raise ImageError(
            f"expected a PGM or PPM of 1 to 65535 levels, got {width}x{height} px with the highest "
            f"level {white}"
        )
    channels = 3 if kind in (3, 6) else 1
    count = width * height * channels
    deep = white > 255
    if kind in (2, 3):
        numbers = _COMMENT.sub(b"", data[found.end() - 1 :]).split(maxsplit=count)[:count]
        if odd := next((each for each in numbers if not _is_number(each)), None):
            raise ImageError(f"expected a PGM or PPM of whole numbers from 0, got {odd[:20]!r}")
        values: npt.NDArray[np.generic] = np.array([int(each) for each in numbers], np.int64)
    else:
        wire = np.dtype(">u2" if deep else "u1")
        start = _start(data, found.end(), count * wire.itemsize)
        there = (len(data) - start) // wire.itemsize
        values = np.frombuffer(data, wire, min(count, there), start)
        _require_last(data[start + values.nbytes :])
    if values.size < count:
        raise ImageError(
            f"expected a whole PGM or PPM of {count} values, got {values.size}: it was cut off"
        )
    pixels = np.minimum(values, white).astype(np.uint16 if deep else np.uint8)
    return pixels.reshape((height, width, 3) if channels == 3 else (height, width)), white


def _is_number(text: bytes) -> bool:
    return len(text) <= _LONGEST_NUMBER and text.isdigit()


def _start(data: bytes, start: int, needed: int) -> int:
    """Return where the values begin: behind one character, or the two that end a line of Windows.

    The second would be taken for a value, and the image be shifted by one.
    """
    is_windows = data[start - 1 : start + 1] == b"\r\n" and len(data) == start + 1 + needed
    return start + 1 if is_windows else start


def _require_last(rest: bytes) -> None:
    if _matched(_HEADER, rest[:_MOST_HEADER].lstrip()):
        raise ImageError(
            "expected one image, got a PGM or PPM of several: save the one that you mean as a file "
            "of its own"
        )


def _decoded_bitmap(data: bytes, header: re.Match[bytes]) -> npt.NDArray[np.uint8]:
    """Return uint8 [H, W], 0 or 255; in the file a one is black."""
    width, height = int(header[2]), int(header[3])
    content = data[header.end() :]
    if header[1] == b"1":
        digits = re.findall(rb"[01]", _COMMENT.sub(b"", content))
        bits = np.array(digits, "S1").view(np.uint8) - ord("0")
        needed = width * height
    else:
        needed = -(-width // 8) * 8 * height
        bits = np.unpackbits(np.frombuffer(content[: needed // 8], np.uint8))
    if not needed or bits.size < needed:
        raise ImageError(f"expected a whole PBM of {width}x{height} px, got one that was cut off")
    rows = bits[:needed].reshape(height, -1)[:, :width]
    return np.asarray((1 - rows) * 255, np.uint8)
