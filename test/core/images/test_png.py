from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.png import decode_png


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(4).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def png(image: Image.Image | np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes, wrong: bool = False) -> bytes:
    checksum = zlib.crc32(kind + content) ^ wrong
    return len(content).to_bytes(4, "big") + kind + content + checksum.to_bytes(4, "big")


def with_chunk(data: bytes, added: bytes) -> bytes:
    behind_header = 8 + 25
    return data[:behind_header] + added + data[behind_header:]


COLOUR = noise(30, 40, 3)


def test_colours_and_depths_are_kept() -> None:
    np.testing.assert_array_equal(decode_png(png(COLOUR)), COLOUR)
    np.testing.assert_array_equal(decode_png(png(COLOUR[:, :, 0])), COLOUR[:, :, 0])
    deep = noise(30, 40, dtype=np.uint16)
    np.testing.assert_array_equal(decode_png(png(deep)), deep)


def test_transparency_is_ignored() -> None:
    np.testing.assert_array_equal(decode_png(png(np.dstack([COLOUR, COLOUR[:, :, 0]]))), COLOUR)


def test_a_palette_is_resolved_with_transparency_or_without() -> None:
    image = Image.fromarray(COLOUR).quantize(16)
    expected = np.array(image.convert("RGB"))
    np.testing.assert_array_equal(decode_png(png(image)), expected)
    np.testing.assert_array_equal(decode_png(png(image, transparency=3)), expected)


def test_two_levels_are_black_and_white() -> None:
    bits = Image.fromarray(COLOUR[:, :, 0]).convert("1")
    np.testing.assert_array_equal(decode_png(png(bits)), np.array(bits) * np.uint8(255))


@pytest.mark.parametrize(
    "added",
    [
        chunk(b"eXIf", b"this is no TIFF"),
        chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 3_000_000)),
        chunk(b"tEXt", b"comment\0hello", wrong=True),
        chunk(b"gAMA", b"\0\0\0\0", wrong=True),
        chunk(b"pHYs", b""),
        chunk(b"tRNS", b"\0" * 5),
        chunk(b"PLTE", bytes(3), wrong=True),
    ],
    ids=lambda added: added[4:8].decode(),
)
def test_metadata_refuses_nothing(added: bytes) -> None:
    np.testing.assert_array_equal(decode_png(with_chunk(png(COLOUR), added)), COLOUR)


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_of_what_is_needed_is_refused(kind: bytes) -> None:
    data = bytearray(png(COLOUR))
    data[data.index(kind) + 9] ^= 1
    with pytest.raises(ImageError, match=f"wrong checksum in chunk {kind.decode()}"):
        decode_png(bytes(data))


def test_a_wrong_checksum_of_a_palette_that_is_used_is_refused() -> None:
    data = bytearray(png(Image.fromarray(COLOUR).quantize(8)))
    data[data.index(b"PLTE") + 4] ^= 1
    with pytest.raises(ImageError, match="wrong checksum in chunk PLTE"):
        decode_png(bytes(data))


@pytest.mark.parametrize("part", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_what_was_cut_is_refused(part: float) -> None:
    data = png(COLOUR)
    with pytest.raises(ImageError, match=r"expected a whole PNG, got \d+ bytes"):
        decode_png(data[: int(len(data) * part)])


def test_data_that_ends_early_is_refused() -> None:
    """Each chunk is sound, but the pixels in them are not all."""
    data = png(COLOUR)
    start = data.index(b"IDAT")
    size = int.from_bytes(data[start - 4 : start], "big")
    packed = data[start + 4 : start + 4 + size // 2]
    with pytest.raises(ImageError, match="PNG"):
        decode_png(data[: start - 4] + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def test_an_animation_is_refused() -> None:
    frames = [Image.fromarray(noise(8, 8, 3)), Image.fromarray(noise(8, 8, 3)[::-1])]
    data = png(frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="animated PNG"):
        decode_png(data)


def test_text_chunks_of_pillow_are_passed_over() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "y" * 2_000_000, zip=True)
    np.testing.assert_array_equal(decode_png(png(COLOUR, pnginfo=info)), COLOUR)
