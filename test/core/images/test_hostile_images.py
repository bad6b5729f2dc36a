"""Small files that claim much: refused by their headers, or read at a cost that is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hostile_images import (
    BOMBS,
    jpeg_of_size,
    packed_zeros,
    png,
    png_chunk,
    progressive_of_scans,
    tiff,
    whole_pictures,
)

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.decoding import decode

# Reasons by the beginning of a bomb's name; what is not here is read, or refused as damaged.
REFUSED = {
    "JPEG of 32000x32000": "at most 50 megapixels, got 32000x32000",
    "JPEG of 7000x7000 without data": "fewer than 7000x7000 px take",
    "progressive JPEG of 7000x7000 without data": "fewer than 7000x7000 px take",
    "JPEG of height 0": "at least 1x1 px",
    "JPEG with two frames": "at most 50 megapixels, got 32000x32000",
    "JPEG of 2000 small scans": "at most 100 scans",
    "JPEG of 95 large scans": "in 95 scans, which takes too long",
    "JPEG of empty segments": "at most 65536 markers",
    "JPEG of stuffed bytes": "at most 65536 markers",
    "PNG of 0 px": "at least 1x1 px",
    "PNG of 2147483647 px": "at most 50 megapixels",
    "PNG whose header comes second": "begins with its header",
    "PNG whose data is too long": "whose data unpacks to more",
    "PNG of empty chunks": "fewer than 100000 chunks",
    "large PNG of 16 bits": "49 megapixels, which count twice",
    "PNG of 20000 frames": "an animated PNG",
    "TIFF of 4294967295 px": "at most 50 megapixels",
    "BigTIFF of 60000x60000": "at most 50 megapixels",
    "TIFF with a tile of 60000x60000": "tiles of 60000x60000 px",
    "TIFF of many pages": "more than 1024 pages or 65536 fields",
    "TIFF of many pages below": "more than 1024 pages or 65536 fields",
    "TIFF of many strips": "at most 65536 strips or tiles, got 400000",
    "GIF of 65535x65535": "at most 50 megapixels",
    "GIF with a frame of 65000x65000": "at most 50 megapixels",
    "GIF of 100000 frames": "a GIF of 100000 frames",
    "BMP of -2147483648 rows": "at most 50 megapixels",
    "BMP of 2147483647 columns": "at most 50 megapixels",
    "WebP of 16777216x255": "at most 50 megapixels",
    "WebP of 16383x16383": "at most 50 megapixels",
    "WebP of many frames": r"a WebP of \d+ frames",
    "PPM of 999999999 px": "at most 50 megapixels",
    "PPM of long numbers": "whole numbers",
    "PPM of comments": "header is wrong",
    "JPEG 2000 of 2147483647 px": "at most 50 megapixels",
    "JPEG 2000 of 60000x60000 in a small box": "at most 50 megapixels, got 60000x60000",
    "JPEG 2000 of many tiles": "at most 4096 tiles and 4 colours, got 62500 and 3",
    "JPEG 2000 of 65535 layers": "at most 2097152 packets, got 65535 layers",
    "QOI of 60000x60000": "at most 50 megapixels|this Pillow does not read a QOI",
    "EPS": "a PostScript file",
    "EPS of Windows": "a PostScript file",
    "PSD of 30000x30000": "a Photoshop file",
    "FITS": "a FITS image",
    "icon": "an icon",
    "Sun raster of 65535x65535": "a Sun raster image",
    "Radiance of 60000x60000": "a Radiance HDR file",
    "PFM of 60000x60000": "a PFM",
}
# Decoded whole, which takes a moment.
READ = (
    *("JPEG of fill bytes", "JPEG of EXIF blocks", "JPEG of large segments", "TIFF in a circle"),
    *(
        "PNG of zTXt bombs",
        "PNG of an iTXt bomb",
        "PNG of an iCCP bomb",
        "TIFF with a hidden width",
    ),
    *("TIFF with a strip that is too long", "GIF with a comment of single bytes"),
)
# Decodes and prints what it was: shape or reason, and the memory that it took beside the file, MB.
CHILD = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from hostile_images import mutations
from sam3_ros.core.errors import ImageError
from sam3_ros.core.image_file import decode_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read = refused = 0
for name, data in mutations(int(sys.argv[1]), int(sys.argv[2])):
    try:
        decode_picture(data)
        read += 1
    except ImageError:
        refused += 1
after = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([read, refused, (after.ru_maxrss - before) / 1024]))
"""


@pytest.mark.parametrize("name", REFUSED)
def test_a_bomb_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(ImageError, match=REFUSED[name]):
        decode(BOMBS[name]())


@pytest.mark.parametrize("name", READ)
def test_what_is_only_around_the_pixels_does_no_harm(name: str) -> None:
    assert decode(BOMBS[name]()).pixels.size <= 16 * 16 * 3


def test_changed_pictures_of_every_kind_are_read_or_refused_within_bounds() -> None:
    support = Path(__file__).parents[2] / "support"
    run = subprocess.run(
        [sys.executable, "-c", CHILD, "7", "1500"],
        cwd=support,
        capture_output=True,
        text=True,
        check=True,
    )
    read, refused, megabytes = json.loads(run.stdout)
    assert read + refused == 1500
    assert read > 100
    assert megabytes < 300


@pytest.mark.parametrize("scans", [10, 90])
def test_a_small_progressive_jpeg_may_have_many_scans(scans: int) -> None:
    assert decode(progressive_of_scans(64, scans)).pixels.shape == (64, 64)


def test_the_bound_holds_for_the_frame_that_the_decoder_takes() -> None:
    data = BOMBS["JPEG with two frames"]()
    with pytest.raises(ImageError, match="32000x32000"):
        decode(data)
    # A second one before any scan is what no decoder takes.
    at = data.index(b"\xff\xc0\0")
    twice = data[:at] + data[at : at + 19] + data[at:]
    with pytest.raises(ImageError, match="two headers"):
        decode(twice)


def test_a_text_that_states_the_orientation_is_unpacked_and_a_thousand_are_not() -> None:
    text = b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation='6'/>"
    rows = packed_zeros(1)
    one = png(300, 300, rows, before=png_chunk(b"iTXt", text))
    assert decode(one).orientation == 6
    others = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + packed_zeros(1)) * 20
    assert decode(png(300, 300, rows, before=others + png_chunk(b"iTXt", text))).orientation == 1


def test_a_png_with_much_flat_colour_is_no_bomb() -> None:
    rng = np.random.default_rng(2)
    picture = np.zeros((2400, 2000), np.uint8)
    picture[:400] = rng.integers(0, 256, (400, 2000))
    data = cv2.imencode(".png", picture)[1].tobytes()
    assert len(data) > 200_000
    np.testing.assert_array_equal(decode(data).pixels, picture)


def test_a_large_picture_has_its_colours_in_order() -> None:
    picture = np.zeros((4000, 5400, 3), np.uint8)
    picture[:, :, 0] = 250
    for kind in (".jpg", ".png"):
        found = decode(cv2.imencode(kind, picture[:, :, ::-1])[1].tobytes()).pixels
        assert np.abs(found[::999, ::999].astype(int) - (250, 0, 0)).max() < 6, kind


def test_progressive_jpeg_inside_a_tiff_is_refused() -> None:
    jpeg = whole_pictures()["progressive JPEG"]
    short = {258: 8, 259: 7, 262: 6, 277: 3}
    values = {256: 56, 257: 40, **short, 273: 512, 278: 40, 279: len(jpeg)}
    fields = [(tag, 4, 1, value.to_bytes(4, "little")) for tag, value in sorted(values.items())]
    start = tiff(fields)
    with pytest.raises(ImageError, match="progressive JPEG: save it as JPEG"):
        decode(start + bytes(512 - len(start)) + jpeg)


def test_pillow_loads_no_plugin_that_is_not_needed() -> None:
    program = (
        "import sys, hostile_images as h\n"
        "from sam3_ros.core.errors import ImageError\n"
        "from sam3_ros.core.images.decoding import decode\n"
        "for name in list(sys.modules):\n"
        "    if name.startswith('PIL.') and name.endswith('Plugin'): del sys.modules[name]\n"
        "for name in ('EPS', 'EPS of Windows', 'PSD of 30000x30000', 'FITS', 'icon', 'zeros'):\n"
        "    try: decode(h.BOMBS[name]())\n"
        "    except ImageError: pass\n"
        "print([n for n in sys.modules if n.startswith('PIL.') and n.endswith('Plugin')])\n"
    )
    support = Path(__file__).parents[2] / "support"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=support, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_the_bound_is_the_one_that_is_given() -> None:
    data = jpeg_of_size(whole_pictures()["JPEG"], 9000, 9000)
    with pytest.raises(ImageError, match=r"81 megapixels\): if that is meant, set max_megapixels"):
        decode(data)
    with pytest.raises(ImageError, match="fewer than 9000x9000 px take"):
        decode(data, max_megapixels=82)
