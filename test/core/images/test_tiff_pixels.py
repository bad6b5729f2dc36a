from __future__ import annotations

import struct

import numpy as np
import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.decoding import decode

GREY = np.random.default_rng(4).integers(0, 256, (24, 36), np.uint8)
COLOUR = np.random.default_rng(5).integers(0, 256, (24, 36, 3), np.uint8)
ROWS = 10
TYPES = {1: "B", 3: "H", 4: "I", 13: "I"}
DAMAGED = {
    "resolution as bytes": {282: (1, [3])},
    "a resolution of nothing": {282: (3, [])},
    "an unknown unit": {296: (3, [0])},
    "EXIF outside of the file": {34665: (4, [0xFFFFFFF0])},
    "a colour profile of junk": {34675: (1, [1, 2, 3])},
    "text that is a number": {270: (3, [5])},
    "a second channel of transparency": {338: (3, [0, 2])},
    "limits of too few channels": {340: (3, [0])},
    "what only EXIF has": {40965: (4, [9])},
}


def tiff(
    pixels: np.ndarray, order: str = "<", big: bool = False, planes: bool = False, **options: object
) -> bytes:
    """Return a TIFF of strips; other fields are (type, values) by tag."""
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    height, width, channels = pixels.shape
    wire = pixels.astype(pixels.dtype.newbyteorder(order))
    parts = [wire[:, :, at : at + 1] for at in range(channels)] if planes else [wire]
    strips = [part[y : y + ROWS].tobytes() for part in parts for y in range(0, height, ROWS)]
    data = bytearray(16)
    offsets = []
    for strip in strips:
        offsets.append(len(data))
        data += strip
    fields = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [pixels.itemsize * 8] * channels),
        259: (3, [1]),
        262: (3, [2 if channels > 2 else 1]),
        273: (4, offsets),
        277: (3, [channels]),
        278: (4, [ROWS]),
        279: (4, [len(strip) for strip in strips]),
        284: (3, [2 if planes else 1]),
        **({338: (3, [2])} if channels in (2, 4) else {}),
        **options.get("fields", {}),  # type: ignore[dict-item]
    }
    size, count = ("Q", "Q") if big else ("I", "H")
    directory = struct.pack(order + count, len(fields))
    for tag, (kind, values) in sorted(fields.items()):
        content = struct.pack(f"{order}{len(values)}{TYPES[kind]}", *values)
        if len(content) > (8 if big else 4):
            data += content
            content = struct.pack(order + size, len(data) - len(content))
        directory += struct.pack(f"{order}HH{size}", tag, kind, len(values))
        directory += content.ljust(8 if big else 4, b"\0")
    mark, version = (b"II" if order == "<" else b"MM"), 43 if big else 42
    start = struct.pack(f"{order}HHHQ", version, 8, 0, len(data))
    if not big:
        start = struct.pack(f"{order}HI", version, len(data))
    data[: 2 + len(start)] = mark + start
    return bytes(data) + directory + bytes(8)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_values_are_those_of_the_file(
    pixels: np.ndarray, order: str, big: bool, planes: bool
) -> None:
    for levels in (pixels, pixels.astype(np.uint16) * 251):
        found = decode(tiff(levels, order, big, planes))
        np.testing.assert_array_equal(found.pixels, levels)
        assert found.white == np.iinfo(levels.dtype).max


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_transparency_in_a_plane_is_ignored(pixels: np.ndarray, dtype: type) -> None:
    levels = pixels.astype(dtype)
    with_alpha = np.dstack([levels, GREY.astype(dtype)])
    np.testing.assert_array_equal(decode(tiff(with_alpha, planes=True)).pixels, levels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("damage", DAMAGED)
def test_metadata_refuses_nothing(damage: str, dtype: type) -> None:
    levels = COLOUR.astype(dtype)
    found = decode(tiff(levels, fields=DAMAGED[damage])).pixels
    np.testing.assert_array_equal(found, levels)


@pytest.mark.parametrize(
    ("dtype", "form", "words"),
    [
        (np.int8, 2, "signed numbers of 8 bits"),
        (np.int16, 2, "signed numbers of 16 bits"),
        (np.float16, 3, "floats of 16 bits"),
        (np.float64, 3, "floats of 64 bits"),
        (np.uint32, 1, "whole numbers of 32 bits"),
    ],
)
@pytest.mark.parametrize("planes", [False, True])
def test_numbers_without_a_known_range_are_refused(
    dtype: type, form: int, words: str, planes: bool
) -> None:
    for pixels in (GREY, COLOUR):
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        data = tiff(
            (pixels // 2).astype(dtype), planes=planes, fields={339: (3, [form] * channels)}
        )
        with pytest.raises(ImageError, match=words):
            decode(data)


def test_what_no_decoder_reads_is_described() -> None:
    both = np.dstack([GREY, GREY]).astype(np.uint16)
    with pytest.raises(ImageError, match="a TIFF of 2 x 16 bits with compression 1"):
        decode(tiff(both))
    with pytest.raises(ImageError, match="compression 34713"):
        decode(tiff(COLOUR, fields={259: (3, [34713])}))


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_strip_that_is_not_there_is_refused(dtype: type, planes: bool) -> None:
    whole = tiff(COLOUR.astype(dtype), planes=planes)
    strips = 9 if planes else 3
    outside = [16] * (strips - 1) + [len(whole) + 50]
    with pytest.raises(ImageError):
        decode(tiff(COLOUR.astype(dtype), planes=planes, fields={273: (4, outside)}))
