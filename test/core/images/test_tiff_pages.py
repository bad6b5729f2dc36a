from __future__ import annotations

import struct
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.decoding import decode
from sam3_ros.core.images.orientation import upright


def noise(*shape: int, dtype: type = np.uint8, seed: int = 2) -> np.ndarray:
    numbers = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape)
    return numbers.astype(dtype)


def by_pillow(*pages: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    first, *others = (Image.fromarray(page) for page in pages)
    first.save(stream, "TIFF", save_all=bool(others), append_images=others, **options)
    return stream.getvalue()


class Tiff:
    """Writes a TIFF of directories with the tags that a test wants."""

    def __init__(self, order: str = "<") -> None:
        self._order = order
        self._data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))

    def page(self, pixels: np.ndarray, **tags: int | list[int]) -> int:
        """Add a directory with its strip; return its offset."""
        height, width = pixels.shape[:2]
        samples = 1 if pixels.ndim == 2 else pixels.shape[2]
        strip = self._put(pixels.astype(pixels.dtype.newbyteorder(self._order)).tobytes())
        fields = {
            254: tags.get("subfile", 0),
            256: width,
            257: height,
            258: [pixels.itemsize * 8] * samples,
            259: 1,
            262: tags.get("photometric", 2 if samples == 3 else 1),
            273: strip,
            277: samples,
            278: height,
            279: pixels.nbytes,
        }
        if "sub_pages" in tags:
            fields[330] = tags["sub_pages"]
        if "dng" in tags:
            fields[50706] = tags["dng"]
        return self._directory(fields)

    def chain(self, *offsets: int) -> bytes:
        """Return the file with these directories in its chain."""
        struct.pack_into(f"{self._order}I", self._data, 4, offsets[0])
        for offset, after in zip(offsets, (*offsets[1:], 0), strict=True):
            count = struct.unpack_from(f"{self._order}H", self._data, offset)[0]
            struct.pack_into(f"{self._order}I", self._data, offset + 2 + 12 * count, after)
        return bytes(self._data)

    def _directory(self, fields: dict[int, int | list[int]]) -> int:
        packed = bytearray(struct.pack(f"{self._order}H", len(fields)))
        for tag, value in sorted(fields.items()):
            values = value if isinstance(value, list) else [value]
            numbers = struct.pack(f"{self._order}{len(values)}I", *values)
            if len(values) > 1:
                numbers = struct.pack(f"{self._order}I", self._put(numbers))
            packed += struct.pack(f"{self._order}HHI", tag, 4, len(values)) + numbers
        return self._put(bytes(packed) + bytes(4))

    def _put(self, content: bytes) -> int:
        self._data += bytes(len(self._data) % 2)
        offset = len(self._data)
        self._data += content
        return offset


SMALL, LARGE = noise(12, 16, 3), noise(48, 64, 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_page_that_is_marked_smaller_is_passed_over(order: str) -> None:
    tiff = Tiff(order)
    small, large = tiff.page(SMALL, subfile=1), tiff.page(LARGE)
    np.testing.assert_array_equal(decode(tiff.chain(small, large)).pixels, LARGE)
    np.testing.assert_array_equal(decode(tiff.chain(large, small)).pixels, LARGE)


def test_the_image_may_lie_below_its_thumbnail() -> None:
    tiff = Tiff()
    large = tiff.page(LARGE)
    data = tiff.chain(tiff.page(SMALL, subfile=1, sub_pages=large))
    np.testing.assert_array_equal(decode(data).pixels, LARGE)


def test_a_larger_image_below_one_that_is_not_marked_is_refused() -> None:
    tiff = Tiff()
    large = tiff.page(LARGE)
    data = tiff.chain(tiff.page(SMALL, sub_pages=large))
    with pytest.raises(ImageError, match=r"page is 16x12 px and that has another of 64x48"):
        decode(data)


def test_smaller_copies_below_an_image_are_passed_over() -> None:
    tiff = Tiff()
    copies = [tiff.page(SMALL, subfile=1), tiff.page(SMALL)]
    data = tiff.chain(tiff.page(LARGE, sub_pages=copies))
    np.testing.assert_array_equal(decode(data).pixels, LARGE)


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_a_raw_photo_is_refused(photometric: int) -> None:
    tiff = Tiff()
    raw = tiff.page(noise(48, 64, dtype=np.uint16), photometric=photometric)
    for data in (
        tiff.chain(raw),
        tiff.chain(tiff.page(SMALL, subfile=1, sub_pages=raw)),
        tiff.chain(tiff.page(SMALL, subfile=1), raw),
    ):
        with pytest.raises(ImageError, match="raw photo"):
            decode(data)


def test_a_dng_is_refused_whatever_its_pages_are() -> None:
    tiff = Tiff()
    large = tiff.page(LARGE)
    data = tiff.chain(tiff.page(SMALL, subfile=1, sub_pages=large, dng=0x01040000))
    with pytest.raises(ImageError, match="raw photo"):
        decode(data)


def test_several_pages_are_refused() -> None:
    with pytest.raises(ImageError, match="a TIFF of 3 pages"):
        decode(by_pillow(SMALL, SMALL[::-1], SMALL[:, ::-1]))


def test_pages_in_a_circle_end() -> None:
    tiff = Tiff()
    first, second = tiff.page(LARGE), tiff.page(SMALL, subfile=1)
    np.testing.assert_array_equal(decode(tiff.chain(first, second, first)).pixels, LARGE)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_eight_bits(shape: tuple[int, ...], compression: str | None) -> None:
    pixels = noise(*shape)
    found = decode(by_pillow(pixels, compression=compression)).pixels
    np.testing.assert_array_equal(found, pixels)


def test_sixteen_bits_keep_their_values() -> None:
    grey, colour = noise(20, 30, dtype=np.uint16), noise(20, 30, 3, dtype=np.uint16)
    np.testing.assert_array_equal(decode(by_pillow(grey)).pixels, grey)
    coded = cv2.imencode(".tiff", colour[:, :, ::-1])[1].tobytes()
    np.testing.assert_array_equal(decode(coded).pixels, colour)


def test_sixteen_bits_whose_lowest_value_is_white() -> None:
    grey = noise(20, 30, dtype=np.uint16)
    tiff = Tiff()
    data = tiff.chain(tiff.page(grey, photometric=0))
    np.testing.assert_array_equal(decode(data).pixels, 65535 - grey)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_once(orientation: int) -> None:
    for pixels in (LARGE, noise(48, 64, dtype=np.uint16)):
        found = decode(by_pillow(pixels, tiffinfo={0x0112: orientation}))
        stored = pixels if pixels.dtype == np.uint16 else LARGE
        assert found.orientation == orientation
        np.testing.assert_array_equal(found.pixels, stored)
        assert upright(found.pixels, orientation).shape[0] == (64 if orientation > 4 else 48)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_without_a_known_range_are_refused(dtype: type) -> None:
    with pytest.raises(ImageError, match="32 bits"):
        decode(by_pillow(np.ones((4, 5), dtype)))


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.9])
def test_what_was_cut_is_refused(part: float) -> None:
    tiff = Tiff()
    for whole in (tiff.chain(tiff.page(LARGE)), by_pillow(LARGE, compression="tiff_lzw")):
        with pytest.raises(ImageError):
            decode(whole[: int(len(whole) * part)])
