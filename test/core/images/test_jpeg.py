"""What has all its pixels is decoded, what lacks some is refused; both ways, at random places."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images import jpeg
from sam3_ros.core.images.jpeg import decode_jpeg
from sam3_ros.core.images.jpeg_layout import jpeg_layout

END = b"\xff\xd9"
HEIGHT, WIDTH = 120, 152


def decoded(data: bytes) -> np.ndarray:
    return decode_jpeg(data, jpeg_layout(data))


def picture() -> np.ndarray:
    """Return RGB [H, W, 3] with detail everywhere."""
    coarse = np.random.default_rng(3).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def by_pillow(pixels: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def with_restarts(interval: int, progressive: bool) -> bytes:
    options = [cv2.IMWRITE_JPEG_RST_INTERVAL, interval]
    options += [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode(".jpg", picture()[:, :, ::-1], options)[1].tobytes()


JPEGS = {
    "4:2:0": by_pillow(picture(), quality=80),
    "4:4:4": by_pillow(picture(), quality=90, subsampling=0),
    "4:2:2, own tables": by_pillow(picture(), quality=60, subsampling=1, optimize=True),
    "grey": by_pillow(picture()[:, :, 1], quality=85),
    "progressive": by_pillow(picture(), quality=80, progressive=True),
    "progressive, grey": by_pillow(picture()[:, :, 1], progressive=True),
    "restarts": with_restarts(3, progressive=False),
    "restarts, progressive": with_restarts(5, progressive=True),
}


def harmlessly_damaged(data: bytes) -> dict[str, bytes]:
    """Return variants that have all their pixels."""
    tables, scan = data.index(b"\xff\xdb"), data.index(b"\xff\xda")
    return {
        "no end marker": data[:-2],
        "half an end marker": data[:-1],
        "zeros behind the end": data + bytes(100),
        "zeros for the end": data[:-2] + bytes(100),
        "a byte behind the start": data[:2] + b"\0" + data[2:],
        "a byte before the tables": data[:tables] + b"\x13" + data[tables:],
        "bytes before the scan": data[:scan] + b"\x13\x00\x42" + data[scan:],
        "restart before the tables": data[:tables] + b"\xff\xd3" + data[tables:],
        "restart before the end": data[:-2] + b"\xff\xd3" + END,
        "restart for the end": data[:-2] + b"\xff\xd3",
        "fill bytes": data[:-2] + b"\xff\xff\xff" + END,
        "the next image behind it": data[:-2] + data,
        "text behind it": data + b"--boundary",
    }


TAILS = {
    "nothing": b"",
    "end marker": END,
    "zeros": bytes(200),
    "zeros and end marker": bytes(50) + END,
    "restart and end marker": b"\xff\xd2" + END,
}


@cache
def whole(name: str) -> np.ndarray:
    return decoded(JPEGS[name])


@pytest.mark.parametrize("name", JPEGS)
def test_pixels_are_those_of_pillow(name: str) -> None:
    with Image.open(BytesIO(JPEGS[name])) as image:
        np.testing.assert_array_equal(whole(name), np.array(image))


@pytest.mark.parametrize("damage", harmlessly_damaged(JPEGS["4:2:0"]))
@pytest.mark.parametrize("name", JPEGS)
def test_what_has_all_its_pixels_is_decoded(name: str, damage: str) -> None:
    data = harmlessly_damaged(JPEGS[name])[damage]
    np.testing.assert_array_equal(decoded(data), whole(name))


def cuts() -> Iterator[float]:
    yield from np.random.default_rng(11).uniform(0.02, 0.97, 8)
    yield 0.99


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", JPEGS)
def test_what_was_cut_is_refused(name: str, tail: str) -> None:
    data = JPEGS[name]
    for part in cuts():
        with pytest.raises(ImageError, match="expected a whole JPEG, got"):
            decoded(data[: int(len(data) * part)] + TAILS[tail])


@pytest.mark.parametrize("name", ["4:2:0", "4:4:4", "grey", "restarts"])
def test_a_cut_by_few_bytes_is_refused(name: str) -> None:
    data = JPEGS[name][:-2]
    for lost in (3, 5, 9, 14):
        try:
            rest = decoded(data[:-lost])
        except ImageError:
            continue
        np.testing.assert_array_equal(rest, whole(name))  # what was lost meant nothing


def test_a_cut_at_a_row_of_blocks_is_refused() -> None:
    data = with_restarts(-(-WIDTH // 16), progressive=False)  # an interval is a row
    restarts = [
        at for at in range(len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7
    ]
    for at in restarts[1::2]:
        for cut in (data[:at], data[: at + 2]):
            for tail in (b"", END):
                with pytest.raises(ImageError, match="restart intervals"):
                    decoded(cut + tail)


def test_a_lost_interval_in_the_middle_is_refused() -> None:
    data = JPEGS["restarts"]
    first, second = data.index(b"\xff\xd3"), data.index(b"\xff\xd4")
    with pytest.raises(ImageError, match="restart intervals"):
        decoded(data[:first] + data[second:])


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
def test_an_image_of_one_colour_is_whole(level: int, options: dict[str, bool]) -> None:
    """Its data ends in zeros, and its last pixels may be the grey of what is missing."""
    data = by_pillow(np.full((120, 160, 3), level, np.uint8), **options)
    assert (decoded(data) == level).all()
    assert (decoded(data[:-2]) == level).all()


def test_an_opencv_that_does_not_ask_for_data_is_served_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jpeg, "_opencv_asks_for_more", lambda: False)
    for name, data in JPEGS.items():
        np.testing.assert_array_equal(decoded(data), whole(name))
        np.testing.assert_array_equal(decoded(data[:-2]), whole(name))
        for part in (0.4, 0.9):
            with pytest.raises(ImageError, match="whole JPEG"):
                decoded(data[: int(len(data) * part)] + END)


def test_a_progressive_image_without_its_last_scans_is_refused() -> None:
    data = JPEGS["progressive"]
    layout = jpeg_layout(data)
    for scan in layout.scans[2:-1]:
        with pytest.raises(ImageError, match="without its last scans"):
            decoded(data[: scan.end] + END)


def with_frame(marker: int, precision: int) -> bytes:
    data = bytearray(JPEGS["4:2:0"])
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, precision
    return bytes(data)


def test_other_processes_are_refused_by_name() -> None:
    with pytest.raises(ImageError, match="of 8 bits, got one of 12"):
        decoded(with_frame(0xC1, 12))
    with pytest.raises(ImageError, match="C3: lossless or hierarchical"):
        decoded(with_frame(0xC3, 8))


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xd9", JPEGS["grey"][:40]])
def test_what_holds_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="hold no image data"):
        decoded(data)
