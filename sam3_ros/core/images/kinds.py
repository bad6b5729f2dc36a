"""What a file is, by its first bytes; its name says nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sam3_ros.core.images.jpeg_layout import JPEG_START
from sam3_ros.core.images.png import PNG_START
from sam3_ros.core.images.tiff_pages import TIFF_STARTS

_CONVERT = "convert it to JPEG or PNG"
_DEVELOP = "develop it, for example with darktable, and save a JPEG or PNG"
_FRAMES = "save its frames as pictures (ffmpeg -i FILE frame_%d.png), or play it with sam3-ros node"
_DECODE = "decode it, or republish the topic as raw or compressed images"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"mif1", b"mif2", b"msf1", b"miaf"}


@dataclass(frozen=True)
class FileKind:
    """One kind of file."""

    #: With an article, as in "a PDF".
    name: str
    #: What reads it, by its name in decoding.py; empty for a kind that is not read.
    reader: str = ""
    #: Pillow's name for it.
    pillow: str = ""
    #: What to do with a kind that is not read.
    advice: str = ""


HEIC = FileKind("a HEIC file", "heif")
AVIF = FileKind("an AVIF file", "avif", "AVIF")
_RAW_PHOTO = FileKind("a raw photo", advice=_DEVELOP)
_VIDEO = FileKind("a video (MP4 or MOV)", advice=_FRAMES)

# In the order in which they are tried.
_BY_START: tuple[tuple[bytes, FileKind], ...] = (
    (JPEG_START, FileKind("a JPEG", "jpeg", "JPEG")),
    (PNG_START, FileKind("a PNG", "png")),
    (b"IIRO", _RAW_PHOTO),  # Olympus
    (b"IIRS", _RAW_PHOTO),
    (b"MMOR", _RAW_PHOTO),
    (b"IIU\0", _RAW_PHOTO),  # Panasonic
    (b"FUJIFILMCCD-RAW", _RAW_PHOTO),
    (b"FOVb", _RAW_PHOTO),  # Sigma
    (b"\0MRM", _RAW_PHOTO),  # Minolta
    *((start, FileKind("a TIFF", "tiff", "TIFF")) for start in TIFF_STARTS),
    (b"GIF8", FileKind("a GIF", "gif", "GIF")),
    (b"BM", FileKind("a BMP", "bmp", "BMP")),
    (b"\0\0\0\x0cjP  \r\n", FileKind("a JPEG 2000", "jpeg2000", "JPEG2000")),
    (b"\xff\x4f\xff\x51", FileKind("a JPEG 2000", "jpeg2000", "JPEG2000")),
    (b"qoif", FileKind("a QOI", "pillow", "QOI")),
    (b"II\xbc\x01", FileKind("a JPEG XR", advice=_CONVERT)),
    (b"P7\n", FileKind("a PAM", advice=_CONVERT)),
    (b"\0\0\x01\0", FileKind("an icon", advice=_CONVERT)),
    (b"DDS ", FileKind("a DDS texture", advice=_CONVERT)),
    (b"\x01\xda", FileKind("an SGI image", advice=_CONVERT)),
    (b"\x0a\x05\x01", FileKind("a PCX", advice=_CONVERT)),
    (b"SDPX", FileKind("a DPX", advice=_CONVERT)),
    (b"XPDS", FileKind("a DPX", advice=_CONVERT)),
    (b"SIMPLE  =", FileKind("a FITS image", advice=_CONVERT)),
    (b"gimp xcf", FileKind("a GIMP file", advice=_CONVERT)),
    (b"8BPS", FileKind("a Photoshop file", advice=_CONVERT)),
    (b"\xff\x0a", FileKind("a JPEG XL", advice=_CONVERT)),
    (b"\0\0\0\x0cJXL ", FileKind("a JPEG XL", advice=_CONVERT)),
    (b"\x76\x2f\x31\x01", FileKind("an OpenEXR file", advice=_CONVERT)),
    (b"#?RADIANCE", FileKind("a Radiance HDR file", advice=_CONVERT)),
    (b"%PDF", FileKind("a PDF", advice="save its page as PNG (pdftoppm -png)")),
    (b"%!PS", FileKind("a PostScript file", advice=_CONVERT)),
    (b"\xc5\xd0\xd3\xc6", FileKind("a PostScript file (EPS of Windows)", advice=_CONVERT)),
    (b"\xd7\xcd\xc6\x9a", FileKind("a WMF drawing", advice=_CONVERT)),
    (b"\xd0\xcf\x11\xe0", FileKind("an OLE file (FlashPix, MIC or Office)", advice=_CONVERT)),
    (b"Y\xa6j\x95", FileKind("a Sun raster image", advice=_CONVERT)),
    (b"icns", FileKind("an icon", advice=_CONVERT)),
    (b"\0\0\2\0", FileKind("a cursor or a Targa image", advice=_CONVERT)),
    (b"BLP", FileKind("a BLP texture", advice=_CONVERT)),
    (b"/* XPM */", FileKind("an XPM image", advice=_CONVERT)),
    (b"#EXTM3U", FileKind("a playlist", advice="name the video or picture itself")),
    (b"ffconcat", FileKind("a playlist", advice="name the video or picture itself")),
    (b"\x1a\x45\xdf\xa3", FileKind("a video (MKV or WebM)", advice=_FRAMES)),
    (b"\0\0\0\x01", FileKind("a video stream (H.264 or H.265)", advice=_DECODE)),
    (b"\0\0\x01\xba", FileKind("a video (MPEG)", advice=_FRAMES)),
    (b"FLV\x01", FileKind("a video (FLV)", advice=_FRAMES)),
    (b"OggS", FileKind("an Ogg file", advice=_FRAMES)),
    (b"PK\x03\x04", FileKind("a zip archive", advice="unpack it, and name the pictures in it")),
    (b"\x1f\x8b", FileKind("a gzip archive", advice="unpack it, and name the pictures in it")),
    (b"7z\xbc\xaf", FileKind("a 7z archive", advice="unpack it, and name the pictures in it")),
    (b"Rar!", FileKind("a RAR archive", advice="unpack it, and name the pictures in it")),
    (b"\x89MCAP", FileKind("an MCAP bag", advice="play it with sam3-ros replay")),
    (b"SQLite format 3", FileKind("an SQLite bag", advice="play it with sam3-ros replay")),
    (b"#ROSBAG", FileKind("a ROS 1 bag", advice="convert it with rosbags-convert")),
    (b"\x93NUMPY", FileKind("a numpy array", advice="save it as PNG, or pass it in Python")),
    (b"version https://git-lfs", FileKind("a pointer of Git LFS", advice="run git lfs pull")),
)
_UNREADABLE_FLOATS = FileKind("a PFM (32 bits a pixel)", advice="save it with 8 or 16 bits")


def kind_of(data: bytes) -> FileKind | None:
    """Return what the bytes are; None for what is not known."""
    if data[8:10] == b"CR" and data.startswith(TIFF_STARTS):  # Canon
        return _RAW_PHOTO
    for start, kind in _BY_START:
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        return _by_brands(data)
    if data[:4] == b"RIFF":
        return _of_riff(data[8:12])
    if data[128:132] == b"DICM":
        return FileKind("a DICOM image", advice=_CONVERT)
    if re.match(rb"P[1-6]\s", data):
        return FileKind("a PBM, PGM or PPM", "pnm")
    if re.match(rb"P[fF]\s", data):
        return _UNREADABLE_FLOATS
    return _of_text(data)


def _by_brands(data: bytes) -> FileKind:
    """Return the kind of an ISO media file (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(data[:4], "big") or len(data), len(data), 4096)
    major = data[8:12]
    brands = {major, *(data[at : at + 4] for at in range(16, end - 3, 4))}
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return AVIF
    if major in _HEIC_BRANDS | _HEIF_BRANDS:
        return HEIC
    if major == b"crx ":  # Canon
        return _RAW_PHOTO
    return _VIDEO


def _of_riff(form: bytes) -> FileKind | None:
    if form == b"WEBP":
        return FileKind("a WebP", "webp")
    if form == b"AVI ":
        return FileKind("a video (AVI)", advice=_FRAMES)
    return None


def _of_text(data: bytes) -> FileKind | None:
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start:
        return FileKind("an SVG drawing", advice="render it as PNG")
    if start.startswith((b"<!doctype html", b"<html")):
        return FileKind("a web page", advice="the download gave a page in place of the picture")
    if start.startswith(b"<?xml"):
        return FileKind("an XML file", advice="name a picture")
    if start.startswith((b"{", b"[")):
        return FileKind("a JSON text", advice="name a picture")
    return None
