from __future__ import annotations

import sys

import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.decoding import decode

RAW = "raw photo: develop it"


def media(major: bytes, *compatible: bytes) -> bytes:
    content = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(content) + 4).to_bytes(4, "big") + content + bytes(64)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (media(b"heic", b"mif1", b"heic"), "a HEIC file: convert it .*pip install pillow-heif"),
        (media(b"mif1", b"heic"), "a HEIC file"),
        (media(b"msf1", b"hevc"), "a HEIC file"),
        (media(b"crx ", b"crx ", b"isom"), RAW),
        (media(b"isom", b"avc1"), r"a video \(MP4 or MOV\): save its frames"),
        (media(b"qt  "), r"a video \(MP4 or MOV\)"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), RAW),
        (b"IIRO" + bytes(64), RAW),
        (b"IIU\0" + bytes(64), RAW),
        (b"FUJIFILMCCD-RAW 0201" + bytes(64), RAW),
        (b"FOVb" + bytes(64), RAW),
        (b"%PDF-1.7\n" + bytes(64), "a PDF: save its page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg xmlns=''/>", "an SVG drawing"),
        (b"\n<!DOCTYPE html><html>404</html>", "a web page: the download gave a page"),
        (b'{"error": "no such file"}', "a JSON text"),
        (b"\x1aE\xdf\xa3" + bytes(64), r"a video \(MKV or WebM\)"),
        (b"RIFF\0\0\0\0AVI LIST", r"a video \(AVI\)"),
        (b"\0\0\0\1\x67\x42" + bytes(64), r"a video stream \(H.264 or H.265\): decode it"),
        (b"\0\0\1\xba" + bytes(64), r"a video \(MPEG\)"),
        (b"PK\3\4" + bytes(64), "a zip archive: unpack it"),
        (b"\x89MCAP0\r\n", "an MCAP bag: play it with sam3-ros replay"),
        (b"SQLite format 3\0", "an SQLite bag"),
        (b"#ROSBAG V2.0\n", "a ROS 1 bag"),
        (b"\x93NUMPY\1\0", "a numpy array"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\xff\x0a\0\0", "a JPEG XL"),
        (b"v/1\x01", "an OpenEXR file"),
        (b"PF\n4 4\n-1.0\n", r"a PFM \(32 bits a pixel\)"),
        (b"II\xbc\x01" + bytes(64), "a JPEG XR: convert it"),
        (b"P7\nWIDTH 4\n", "a PAM: convert it"),
        (bytes(128) + b"DICM" + bytes(64), "a DICOM image: convert it"),
        (b"\xff\xd8\xff\xf7\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xda\0\x08\1\1\0\0\0\0 ", "a JPEG-LS"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"", "0 bytes of no known format"),
        (b"not a picture", "13 bytes of no known format, which begin with 6e6f7420"),
    ],
)
def test_what_is_not_read_is_named(
    data: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=words):
        decode(data)
