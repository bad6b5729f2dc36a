"""Kinds that Pillow and its plugins read, and the limit of size."""

from __future__ import annotations

import importlib.util
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, features

from sam3_ros.core.errors import ImageError
from sam3_ros.core.image_file import decode_picture, decode_rgb
from sam3_ros.core.images.decoding import decode

PICTURE = np.random.default_rng(8).integers(0, 256, (24, 32, 3), np.uint8)


def saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    stream = BytesIO()
    (image or Image.fromarray(PICTURE)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [("BMP", {}), ("WEBP", {"lossless": True}), ("JPEG2000", {"irreversible": False})],
)
def test_other_kinds_are_read(kind: str, options: dict[str, bool]) -> None:
    np.testing.assert_array_equal(decode(saved(kind, **options)).pixels, PICTURE)


@pytest.mark.parametrize(
    "options",
    [
        {"no_jp2": True},
        {"tile_size": (16, 16)},
        {"num_resolutions": 1},
        {"precinct_size": (128, 128)},
        {"codeblock_size": (16, 16)},
        {"progression": "RPCL"},
    ],
)
def test_jpeg_2000_of_any_style_is_read(options: dict[str, object]) -> None:
    np.testing.assert_array_equal(decode(saved("JPEG2000", **options)).pixels, PICTURE)


def test_a_gif_of_one_frame_is_read_and_an_animation_refused() -> None:
    frame = Image.fromarray(PICTURE).quantize(32)
    expected = np.array(frame.convert("RGB"))
    np.testing.assert_array_equal(decode(saved("GIF", frame)).pixels, expected)
    others = [frame.rotate(90), frame.rotate(180)]
    with pytest.raises(ImageError, match="a GIF of 3 frames: save the frame"):
        decode(saved("GIF", frame, save_all=True, append_images=others, duration=100))
    with pytest.raises(ImageError, match="a WebP of 2 frames"):
        others = [Image.fromarray(PICTURE[::-1])]
        decode(saved("WEBP", save_all=True, append_images=others, lossless=True, duration=100))


def test_cmyk_is_what_pillow_makes_of_it() -> None:
    cmyk = Image.fromarray(PICTURE).convert("CMYK")
    data = saved("JPEG", cmyk, quality=95)
    with Image.open(BytesIO(data)) as image:
        np.testing.assert_array_equal(decode(data).pixels, np.array(image.convert("RGB")))
    assert np.abs(decode(data).pixels.mean(axis=(0, 1)) - PICTURE.mean(axis=(0, 1))).max() < 8
    np.testing.assert_array_equal(decode(data[:-2]).pixels, decode(data).pixels)
    with pytest.raises(ImageError, match="whole JPEG"):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["BMP", "WEBP", "GIF", "JPEG2000"])
@pytest.mark.parametrize("part", [0.3, 0.8])
def test_what_was_cut_is_refused(kind: str, part: float) -> None:
    data = saved(kind)
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * part)])


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read_whatever_it_is_called() -> None:
    smooth = np.zeros((24, 32, 3), np.uint8) + np.arange(32, dtype=np.uint8)[None, :, None] * 8
    found = decode_rgb(saved("AVIF", Image.fromarray(smooth), quality=95), "photo.jpg")
    assert np.abs(found.astype(int) - smooth).max() < 12


def test_avif_without_a_pillow_that_reads_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda _: False)
    brand = b"\0\0\0\x1cftypavif\0\0\0\0mif1avif"
    with pytest.raises(ImageError, match=r"an AVIF file: .*pip install 'pillow>=11.3'"):
        decode(brand)


@pytest.mark.skipif(not importlib.util.find_spec("pillow_heif"), reason="needs pillow-heif")
def test_heic_is_read_by_pillow_heif() -> None:
    import pillow_heif

    stream = BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PICTURE)).save(stream, quality=100)
    assert decode_rgb(stream.getvalue()).shape == PICTURE.shape


def claiming(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = saved("PNG")
    return data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]


def test_the_limit_of_size_names_what_allows_more() -> None:
    with pytest.raises(ImageError, match=r"20000x10000 \(200 megapixels\): .*--max-megapixels 201"):
        decode(claiming(20000, 10000))
    with pytest.raises(ImageError, match="damaged"):  # allowed, and then not there
        decode(claiming(20000, 10000), max_megapixels=200)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM"])
def test_the_limit_holds_for_each_kind(kind: str) -> None:
    data = saved(kind)
    with pytest.raises(ImageError, match=r"at most 0\.0005 megapixels, got 32x24"):
        decode(data, max_megapixels=0.0005)
    assert decode(data, max_megapixels=0.001).pixels.shape[:2] == (24, 32)


def test_pillows_own_limits_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"):
        assert decode(saved(kind)).pixels.shape[:2] == (24, 32)


def test_bits_of_a_file_may_be_stated() -> None:
    deep = np.random.default_rng(1).integers(0, 1024, (24, 32)).astype(np.uint16)
    deep[0, 0] = 1023
    data = saved("PNG", Image.fromarray(deep))
    dark = decode_picture(data)
    assert dark.rgb.max() == 4
    (warning,) = dark.warnings
    assert "the camera sends 10 bits in 16; set --bit-depth 10 (bit_depth=10 in Python)" in warning
    bright = decode_picture(data, bit_depth=10)
    assert bright.warnings == ()
    assert np.abs(bright.rgb[:, :, 0] - deep * (255 / 1023)).max() <= 0.5 + 1e-6
    with pytest.raises(ImageError, match="8 to 16, or 0"):
        decode_picture(data, bit_depth=7)
