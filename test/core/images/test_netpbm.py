from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.core.image_file import decode_rgb
from sam3_ros.core.images.netpbm import decode_netpbm


def values(white: int, channels: int) -> np.ndarray:
    shape = (6, 7) if channels == 1 else (6, 7, 3)
    numbers = np.random.default_rng(9).integers(0, white + 1, shape)
    return numbers.astype(np.uint16 if white > 255 else np.uint8)


@pytest.mark.parametrize("white", [1, 100, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("as_text", [False, True])
def test_values_and_white_are_those_of_the_file(white: int, channels: int, as_text: bool) -> None:
    pixels = values(white, channels)
    kind = {(1, True): 2, (3, True): 3, (1, False): 5, (3, False): 6}[channels, as_text]
    header = f"P{kind}\n# a comment\n7 6 # another\n{white}\n".encode()
    wire = " ".join(map(str, pixels.ravel())).encode()
    if not as_text:
        wire = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    found, found_white = decode_netpbm(header + wire)
    np.testing.assert_array_equal(found, pixels)
    assert found_white == white
    scaled = np.rint(pixels * (255.0 / white))
    rgb = decode_rgb(header + wire)
    assert np.abs(rgb - (scaled if channels == 3 else scaled[:, :, None])).max() <= 1
    assert rgb.shape == (6, 7, 3)


def test_two_levels() -> None:
    expected = [[255, 0, 255], [0, 255, 0]]
    for data in (b"P1\n# c\n3 2\n0 1 0\n1 0 1\n", b"P1 3 2\n010101", b"P4\n3 2\n\x40\xa0"):
        assert decode_rgb(data)[:, :, 0].tolist() == expected
    for data in (b"P1\n3 2\n0 1 0\n1 0", b"P4\n3 2\n\x40"):
        with pytest.raises(ImageError, match="whole PBM"):
            decode_rgb(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"P5\n7 6\n255\n" + bytes(41), "of 42 values, got 41"),
        (b"P6\n7 6\n1023\n" + bytes(251), "of 126 values, got 125"),
        (b"P2\n2 2\n255\n1 2 3", "of 4 values, got 3"),
        (b"P5\n7 6\n65536\n" + bytes(100), "highest level 65536"),
        (b"P5\n0 6\n255\n", "0x6 px"),
        (b"P5\nseven 6\n255\n", "header is wrong"),
        (b"P2\n2 2\n255\n1 2 x 4", "whole numbers from 0, got b'x'"),
        (b"P2\n2 2\n255\n1 2 -3 4", "whole numbers from 0, got b'-3'"),
        (2 * (b"P5\n7 6\n255\n" + bytes(42)), "one image, got a PGM or PPM of several"),
    ],
)
def test_what_is_not_whole_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        decode_rgb(data)


@pytest.mark.parametrize("white", [255, 65535])
def test_lines_may_end_as_windows_ends_them(white: int) -> None:
    pixels = values(white, 1)
    wire = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    found, _ = decode_netpbm(f"P5\r\n7 6\r\n{white}\r\n".encode() + wire)
    np.testing.assert_array_equal(found, pixels)
    begins_with_a_newline = b"\n" + wire[1:]
    found, _ = decode_netpbm(f"P5\n7 6\n{white}\r".encode() + begins_with_a_newline)
    assert found.tobytes()[0 if white == 255 else 1] == 10
