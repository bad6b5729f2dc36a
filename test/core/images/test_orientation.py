from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from sam3_ros.core.image_file import decode_rgb
from sam3_ros.core.images.orientation import orientation_in, upright


def exif(*fields: bytes, order: str = "<") -> bytes:
    """Return a TIFF of these fields, 12 bytes each."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    start = mark + struct.pack(f"{order}IH", 8, len(fields))
    return start + b"".join(fields) + bytes(4)


def tag(value: int, order: str = "<", kind: int = 3) -> bytes:
    code = {3: "HHIHH", 4: "HHII"}[kind]
    values = (value, 0) if kind == 3 else (value,)
    return struct.pack(f"{order}{code}", 0x0112, kind, 1, *values)


# What other software gets wrong: a type that the tag cannot have, one that there is not, an offset
# behind the end, and a count that no file has.
BROKEN = [
    struct.pack("<HHIBxxx", 0x0128, 1, 1, 2),
    struct.pack("<HHII", 0x010F, 99, 4, 0),
    struct.pack("<HHII", 0x011A, 5, 1, 0xFFFFFFF0),
    struct.pack("<HHII", 0x8769, 4, 0xFFFFFFFF, 4),
]
PICTURE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)


def jpeg(exif_block: bytes) -> bytes:
    stream = BytesIO()
    Image.fromarray(PICTURE).save(stream, "JPEG", quality=95, subsampling=0)
    data, content = stream.getvalue(), b"Exif\0\0" + exif_block
    return data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + data[2:]


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    stream = BytesIO()
    Image.fromarray(PICTURE).save(stream, "PNG")
    data = stream.getvalue()
    added = b"".join(
        len(content).to_bytes(4, "big")
        + kind
        + content
        + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in chunks
    )
    return data[:33] + added + data[33:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_pillow_turns_it(orientation: int) -> None:
    image = Image.fromarray(PICTURE)
    image.getexif()[0x0112] = orientation
    expected = np.array(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright(PICTURE, orientation), expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_the_tag_is_found_in_a_jpeg(order: str, kind: int) -> None:
    data = jpeg(exif(tag(6, order, kind), order=order))
    assert orientation_in(data) == 6
    assert decode_rgb(data).shape == (32, 24, 3)


@pytest.mark.parametrize("broken", BROKEN, ids=["type", "no type", "offset", "count"])
@pytest.mark.parametrize("make", [jpeg, lambda block: png((b"eXIf", block))], ids=["jpeg", "png"])
def test_it_is_found_beside_damaged_tags(make, broken: bytes) -> None:
    for fields in ((broken, tag(6)), (tag(6), broken)):
        assert decode_rgb(make(exif(*fields))).shape == (32, 24, 3)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"no TIFF",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        exif(tag(0)),
        exif(tag(9)),
        exif(tag(6))[:15],
        exif(*BROKEN),
    ],
)
def test_without_a_tag_that_makes_sense_nothing_is_turned(block: bytes) -> None:
    assert decode_rgb(jpeg(block)).shape == (24, 32, 3)
    np.testing.assert_array_equal(decode_rgb(png((b"eXIf", block))), PICTURE)


def test_other_places_of_the_tag() -> None:
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    assert orientation_in(png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))) == 8
    digits = b"\nexif\n     40\n" + (b"Exif\0\0" + exif(tag(3))).hex().encode()
    text = b"Raw profile type exif\0\0" + zlib.compress(digits)
    assert orientation_in(png((b"zTXt", text))) == 3
    stream = BytesIO()
    Image.fromarray(PICTURE).save(stream, "WEBP", lossless=True, exif=b"Exif\0\0" + exif(tag(5)))
    assert orientation_in(stream.getvalue()) == 5


def test_texts_of_a_png_are_read_packed_or_not() -> None:
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    assert orientation_in(png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)))) == 8
    digits = b"\nexif\n     40\n" + (b"Exif\0\0" + exif(tag(3))).hex().encode()
    assert orientation_in(png((b"tEXt", b"Raw profile type exif\0" + digits))) == 3
    for content in (b"", b"\1", b"\1\0\0\0junk", b"\0"):
        assert orientation_in(png((b"iTXt", b"XML:com.adobe.xmp\0" + content))) == 1
        assert orientation_in(png((b"zTXt", b"Raw profile type exif\0" + content))) == 1


def test_what_exif_states_counts_before_xmp() -> None:
    def with_xmp(data: bytes) -> bytes:
        content = b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'/>"
        return data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + data[2:]

    assert orientation_in(with_xmp(jpeg(exif(tag(1))))) == 1
    assert orientation_in(with_xmp(jpeg(exif(tag(8))))) == 8
    assert orientation_in(with_xmp(jpeg(exif(*BROKEN)))) == 6


def test_a_damaged_block_hides_no_other() -> None:
    content = b"Exif\0\0junk"
    added = b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content
    data = jpeg(exif(tag(6)))
    assert orientation_in(data[:2] + added + data[2:]) == 6


def test_a_wrong_count_of_fields_hides_no_tag() -> None:
    block = bytearray(exif(tag(6)))
    block[8:10] = b"\xff\xff"
    assert orientation_in(jpeg(bytes(block))) == 6


def test_a_tiff_is_turned_by_its_own_tag() -> None:
    stream = BytesIO()
    Image.fromarray(PICTURE).save(stream, "TIFF", tiffinfo={0x0112: 6})
    np.testing.assert_array_equal(decode_rgb(stream.getvalue()), upright(PICTURE, 6))
