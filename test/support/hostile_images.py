"""Pictures that attack: small files that claim much, and seeded mutations of whole ones.

`hostile_images(seed, count)` yields a name and the bytes; none has more than 4 MB. `bombs()` yields
those that were made by hand, `mutations(seed, count)` whole pictures with a few bytes changed.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO

import cv2
import numpy as np
from PIL import Image, features

Named = tuple[str, bytes]
PNG_START = b"\x89PNG\r\n\x1a\n"
#: Millions of pixels of those that just keep within the bound of 50.
_LARGE = 7000
_MANY = 300_000


def hostile_images(seed: int, count: int) -> Iterator[Named]:
    """Yield all bombs, then mutations of whole pictures until there are so many."""
    number = 0
    for number, named in enumerate(bombs(), start=1):
        if number > count:
            return
        yield named
    yield from mutations(seed, count - number)


def bombs() -> Iterator[Named]:
    """Yield each of BOMBS, made when it is asked for."""
    for name, make in BOMBS.items():
        yield name, make()


def mutations(seed: int, count: int) -> Iterator[Named]:
    """Yield whole small pictures of every kind with changed, cut, doubled or inserted bytes."""
    chance = random.Random(seed)
    pictures = whole_pictures()
    for number in range(count):
        kind = chance.choice(sorted(pictures))
        yield f"mutation {number} of a {kind}", _mutated(pictures[kind], chance)


def _mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        # Headers are where it hurts.
        at = chance.randrange(min(len(changed), chance.choice((32, 128, 1 << 20))) or 1)
        match chance.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                changed[at : at + 1] = bytes([changed[at] ^ 1 << chance.randrange(8)])
            case 2:
                changed[at : at + 4] = chance.choice(_EXTREMES)
            case 3:
                del changed[at : at + chance.randrange(1, 64)]
            case 4:
                changed[at:at] = changed[at : at + chance.randrange(1, 64)]
            case 5:
                changed[at:at] = chance.randbytes(chance.randrange(1, 16))
            case _:
                del changed[max(at, 16) :]
        if not changed:
            return bytes(changed)
    return bytes(changed)


_EXTREMES = (
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\x7f"),
    *(b"\0\0\0\x80", b"\0\1\0\0", b"\0\0\1\0", b"\xff\xda\xff\xd9"),
)


@cache
def _noise() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (40, 56, 3), np.uint8)


def _saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    stream = BytesIO()
    (image or Image.fromarray(_noise())).save(stream, kind, **options)
    return stream.getvalue()


@cache
def whole_pictures() -> dict[str, bytes]:
    """Return a small picture of each kind, by name."""
    picture = Image.fromarray(_noise())
    found = {
        "JPEG": _saved("JPEG"),
        "grey JPEG": _saved("JPEG", picture.convert("L")),
        "progressive JPEG": _saved("JPEG", progressive=True),
        "CMYK JPEG": _saved("JPEG", picture.convert("CMYK")),
        "PNG": _saved("PNG"),
        "PNG of 16 bits": _saved("PNG", Image.fromarray(_noise()[:, :, 0].astype(np.uint16) * 200)),
        "palette PNG": _saved("PNG", picture.quantize(16)),
        "TIFF": _saved("TIFF"),
        "LZW TIFF": _saved("TIFF", compression="tiff_lzw"),
        "deflate TIFF": _saved("TIFF", compression="tiff_adobe_deflate"),
        "JPEG TIFF": _saved("TIFF", compression="jpeg"),
        "fax TIFF": _saved("TIFF", picture.convert("1"), compression="group4"),
        "BMP": _saved("BMP"),
        "GIF": _saved("GIF", picture.quantize(32)),
        "WebP": _saved("WEBP"),
        "lossless WebP": _saved("WEBP", lossless=True),
        "PPM": _saved("PPM"),
        "PBM": _saved("PPM", picture.convert("1")),
        "JPEG 2000": _saved("JPEG2000"),
        "QOI": b"qoif"
        + struct.pack(">IIBB", 56, 40, 3, 0)
        + b"\xfe\1\2\3" * 2240
        + bytes(7)
        + b"\1",
    }
    done, deep = cv2.imencode(".tiff", _noise().astype(np.uint16) * 200)
    if done:
        found["TIFF of 16 bits"] = deep.tobytes()
    if features.check("avif"):
        found["AVIF"] = _saved("AVIF")
    return found


# JPEG.


def jpeg_of_size(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose frame states another size."""
    at = next(data.index(start) for start in (b"\xff\xc0\0", b"\xff\xc2\0") if start in data)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def _small_jpeg(**options: object) -> bytes:
    return _saved("JPEG", Image.new("RGB", (16, 16), (90, 120, 30)), **options)


def _two_frames() -> bytes:
    """Return a JPEG that states 32000x32000, and 16x16 behind the picture."""
    data = jpeg_of_size(_small_jpeg(), 32000, 32000)
    at = data.index(b"\xff\xc0\0")
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    small = data[at : at + 5] + struct.pack(">HH", 16, 16) + data[at + 9 : end]
    return data[:-2] + small + b"\xff\xd9"


def progressive_of_scans(size: int, scans: int) -> bytes:
    """Return a grey progressive JPEG that sends the same refinement again and again."""
    whole = _saved("JPEG", Image.new("L", (size, size), 77), progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (scans - whole.count(b"\xff\xda") + 1) + b"\xff\xd9"


def _large_jpeg(**options: object) -> bytes:
    return _saved("JPEG", Image.new("RGB", (_LARGE, _LARGE), (90, 120, 30)), **options)


def _padded(data: bytes) -> bytes:
    return data[:-2] + bytes(64) + b"\xff\xd9"


def _jpeg_with(segments: bytes) -> bytes:
    data = _small_jpeg()
    return data[:2] + segments + data[2:]


def _restart_flood() -> bytes:
    data = jpeg_of_size(_saved("JPEG", Image.new("L", (16, 16), 77)), 7000, 7000)
    at = data.index(b"\xff\xda")
    head = data[:at] + b"\xff\xdd\0\4\0\1" + data[at : at + 2 + 8]
    one = data[at + 10 : -2]
    return (
        head + b"".join(one[:1] + bytes([0xFF, 0xD0 + n % 8]) for n in range(700_000)) + b"\xff\xd9"
    )


def _exif_flood() -> bytes:
    fields = struct.pack("<HHII", 0x100, 4, 16000, 8) * 5400
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5400) + fields
    return _jpeg_with((b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block) * 60)


# PNG.


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk with its checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    width: int, height: int, packed: bytes, *, before: bytes = b"", colour: int = 2, bits: int = 8,
    interlaced: bool = False, first: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a PNG; first stands before its header, before between header and pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    chunks = png_chunk(b"IHDR", header) + before + png_chunk(b"IDAT", packed)
    return PNG_START + first + chunks + png_chunk(b"IEND", b"")


def packed_zeros(megabytes: int) -> bytes:
    """Return so many MB of zeros as zlib packs them (RFC 1950)."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (megabytes * 1_000_000 % 65_521) << 16 | 1
    return b"\x78\x9c" + block * megabytes + b"\3\0" + struct.pack(">I", checksum)


def _small_png(before: bytes = b"", first: bytes = b"") -> bytes:
    return png(2, 2, zlib.compress(bytes(2 * 7)), before=before, first=first)


def _animated_png() -> bytes:
    frame = struct.pack(">IIIIHHBB", 2, 2, 0, 0, 1, 30, 0, 0)
    shown = png_chunk(b"acTL", struct.pack(">II", 20_000, 0))
    frames = b"".join(
        png_chunk(b"fcTL", struct.pack(">I", 2 * n + 1) + frame)
        + png_chunk(b"fdAT", struct.pack(">I", 2 * n + 2) + zlib.compress(bytes(14)))
        for n in range(20_000)
    )
    return _small_png(before=shown + frames)


# TIFF.


def tiff(
    fields: list[tuple[int, int, int, bytes]], behind: bytes = b"", big: bool = False
) -> bytes:
    """Return a TIFF of one page: tag, type, count and the value, or where it is, of each field."""
    head, count, form, room = (b"II*\0\x08\0\0\0", "<H", "<HHI", 4)
    if big:
        head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16)
        count, form, room = "<Q", "<HHQ", 8
    entries = b"".join(
        struct.pack(form, tag, kind, number) + value.ljust(room, b"\0")
        for tag, kind, number, value in fields
    )
    return head + struct.pack(count, len(fields)) + entries + bytes(room) + behind


def _short(tag: int, *values: int) -> tuple[int, int, int, bytes]:
    return tag, 3, len(values), struct.pack(f"<{len(values)}H", *values)


def _long(tag: int, value: int) -> tuple[int, int, int, bytes]:
    return tag, 4, 1, struct.pack("<I", value)


def _plain_fields(width: int, height: int) -> list[tuple[int, int, int, bytes]]:
    return [
        _long(256, width), _long(257, height), _short(258, 8), _short(259, 1), _short(262, 1),
        _long(273, 8), _short(277, 1), _long(278, height), _long(279, 64),
    ]  # fmt: skip


def _hidden_width() -> bytes:
    """Return a TIFF whose width is a float, with another behind it that is a whole number."""
    wide = struct.pack("<f", 40_000.0)
    fields = _plain_fields(8, 8)
    return tiff([(256, 11, 1, wide), (257, 11, 1, wide), *fields], bytes(64))


def _deflate_tiff() -> bytes:
    packed = packed_zeros(100)
    fields = _plain_fields(8, 8)
    fields[3], fields[5] = _short(259, 8), _long(273, 256)
    fields[8] = _long(279, len(packed))
    start = tiff(fields)
    return start + bytes(256 - len(start)) + packed


def _tiled(side: int) -> bytes:
    fields = [
        *(_long(256, 8), _long(257, 8), _short(258, 8), _short(259, 1), _short(262, 1)),
        *(_short(277, 1), _long(322, side), _long(323, side), _long(324, 8), _long(325, 64)),
    ]
    return tiff(fields, bytes(64))


def _chain_of_pages() -> bytes:
    """Return a TIFF of thousands of pages that share their thousands of fields."""
    step, count = 1000, 3990
    field = struct.pack("<HHII", 256, 3, 1, 8)
    data = bytearray(
        b"II*\0\x08\0\0\0" + (struct.pack("<H", count) + field * 40).ljust(step) * 3900
    )
    for number in range(3800):
        behind = 8 + number * step + 2 + count * 12
        data[behind : behind + 4] = struct.pack("<I", 8 + (number + 1) * step)
    return bytes(data)


def _pages_below() -> bytes:
    pages = struct.pack("<4000I", *(range(20_000, 24_000)))
    fields = [*_plain_fields(8, 8), (330, 4, 4000, struct.pack("<I", 2000))]
    start = tiff(sorted(fields))
    return start + bytes(2000 - len(start)) + pages + b"\xff\x0f\1\1" * 500_000


def _page_in_circle() -> bytes:
    data = bytearray(tiff(_plain_fields(8, 8), bytes(64)))
    data[8 + 2 + 9 * 12 : 8 + 2 + 9 * 12 + 4] = struct.pack("<I", 8)
    return bytes(data)


def _many_strips() -> bytes:
    count = 400_000
    fields = _plain_fields(100, count)
    fields[5], fields[8] = (273, 4, count, struct.pack("<I", 256)), (279, 4, count, b"\0\1\0\0")
    fields[7] = _long(278, 1)
    start = tiff(fields)
    return start + bytes(256 - len(start)) + struct.pack("<I", 256) * count


# The others.


def _gif_of_size(width: int, height: int) -> bytes:
    data = whole_pictures()["GIF"]
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def _gif_with(blocks: bytes) -> bytes:
    data = _saved("GIF", Image.new("P", (4, 4)))
    at = data.index(b"\x2c\0\0\0\0")
    return data[:at] + blocks + data[at:]


def _gif_of_frames() -> bytes:
    data = _saved("GIF", Image.new("P", (4, 4)))
    at = data.index(b"\x2c\0\0\0\0")
    return data[:at] + data[at:-1] * 100_000 + b";"


def _large_frame_in_gif() -> bytes:
    data = bytearray(whole_pictures()["GIF"])
    at = data.index(b"\x2c\0\0\0\0")
    data[at + 5 : at + 9] = struct.pack("<HH", 65_000, 65_000)
    return bytes(data)


def bmp(
    width: int, height: int, bits: int = 24, compression: int = 0, content: bytes = b""
) -> bytes:
    """Return a BMP; of 8 bits and fewer with a grey palette."""
    colours = (1 << bits if bits <= 8 else 0) * 4
    palette = bytes(n // 4 for n in range(colours))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 1, 1, 0, 0)
    start = 14 + len(header) + colours
    return (
        b"BM" + struct.pack("<IHHI", start + len(content), 0, 0, start) + header + palette + content
    )


def webp_canvas(width: int, height: int, flags: int = 0, behind: bytes = b"") -> bytes:
    """Return an extended WebP whose canvas is so large."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + canvas + behind
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _webp_frames() -> bytes:
    picture = whole_pictures()["lossless WebP"][12:]
    frame = struct.pack("<I", 0)[:3] * 2 + b"\x37\0\0\x27\0\0" + b"\x64\0\0\0" + picture
    frame = b"ANMF" + struct.pack("<I", len(frame)) + frame + bytes(len(frame) % 2)
    shown = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    return webp_canvas(56, 40, 2, shown + frame * (3_000_000 // len(frame)))


def _jp2(**changes: int) -> bytes:
    """Return a JPEG 2000 with other numbers: width, height, tile, layers; box leaves its box so."""
    data = bytearray(whole_pictures()["JPEG 2000"])
    size, style = data.index(b"\xff\x51"), data.index(b"\xff\x52")
    for name, at in (("width", size + 6), ("height", size + 10)):
        if name in changes:
            data[at : at + 4] = struct.pack(">I", changes[name])
    if "tile" in changes:
        data[size + 22 : size + 30] = struct.pack(">II", changes["tile"], changes["tile"])
    if "layers" in changes:
        data[style + 5 : style + 7] = struct.pack(">H", changes["layers"])
    if "box" in changes:
        at = data.index(b"ihdr") + 4
        data[at : at + 8] = struct.pack(">II", changes["box"], changes["box"])
    return bytes(data)


def _qoi(width: int, height: int, content: bytes) -> bytes:
    return b"qoif" + struct.pack(">IIBB", width, height, 3, 0) + content + bytes(7) + b"\1"


def _avif_of_size(width: int, height: int) -> bytes:
    data = whole_pictures().get("AVIF", b"")
    at = data.find(b"ispe")
    if at < 0:
        return b"\0\0\0\x1cftypavif\0\0\0\0mif1avif"
    return data[: at + 8] + struct.pack(">II", width, height) + data[at + 16 :]


BOMBS: dict[str, Callable[[], bytes]] = {
    "JPEG of 32000x32000": lambda: jpeg_of_size(_small_jpeg(), 32000, 32000),
    "JPEG of 65500x65500": lambda: jpeg_of_size(_small_jpeg(), 65500, 65500),
    "JPEG of 7000x7000 without data": lambda: jpeg_of_size(_small_jpeg(), 7000, 7000),
    "JPEG of height 0": lambda: jpeg_of_size(_small_jpeg(), 16, 0),
    "progressive JPEG of 32000x32000": lambda: jpeg_of_size(
        _small_jpeg(progressive=True), 32000, 32000
    ),
    "progressive JPEG of 7000x7000 without data": lambda: jpeg_of_size(
        _small_jpeg(progressive=True), 7000, 7000
    ),
    "JPEG with two frames": _two_frames,
    "JPEG of 2000 scans": lambda: progressive_of_scans(1500, 2000),
    "JPEG of 2000 small scans": lambda: progressive_of_scans(64, 2000),
    "JPEG of 95 large scans": lambda: progressive_of_scans(6000, 95),
    "large JPEG": _large_jpeg,
    "large JPEG that ends in zeros": lambda: _padded(_large_jpeg()),
    "large progressive JPEG": lambda: _large_jpeg(progressive=True),
    "large progressive JPEG that ends in zeros": lambda: _padded(_large_jpeg(progressive=True)),
    "JPEG of empty segments": lambda: _jpeg_with(b"\xff\xe1\0\2" * 900_000),
    "JPEG of stuffed bytes": lambda: _jpeg_with(b"\xff\0" * 1_900_000),
    "JPEG of fill bytes": lambda: _jpeg_with(b"\xff" * 3_900_000),
    "JPEG of tables": lambda: _jpeg_with(
        (b"\xff\xdb\0\x43\0" + b"\1" * 64) * 50_000
    ),
    "JPEG of restarts": _restart_flood,
    "JPEG of EXIF blocks": _exif_flood,
    "JPEG of large segments": lambda: _jpeg_with((b"\xff\xe2\xff\xff" + bytes(65_533)) * 58),
    "arithmetic JPEG of 7000x7000": lambda: jpeg_of_size(_small_jpeg(), 7000, 7000).replace(
        b"\xff\xc0\0", b"\xff\xc9\0"
    ),
    "PNG of 32000x32000": lambda: png(32000, 32000, zlib.compress(bytes(99))),
    "PNG of 2147483647 px": lambda: png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(99))),
    "PNG of 0 px": lambda: png(0, 0, zlib.compress(bytes(99))),
    "PNG whose header comes second": lambda: png(
        32000, 32000, packed_zeros(9), first=png_chunk(b"tEXt", b"a\0b")
    ),
    "PNG with two headers": lambda: _small_png(
        before=png_chunk(b"IHDR", struct.pack(">IIBBBBB", 32000, 32000, 8, 2, 0, 0, 0))
    ),
    "PNG of zTXt bombs": lambda: _small_png(
        before=png_chunk(b"zTXt", b"Raw profile type exif\0\0" + packed_zeros(1)) * 3500
    ),
    "PNG of a zTXt bomb": lambda: _small_png(
        before=png_chunk(b"zTXt", b"Raw profile type exif\0\0" + packed_zeros(1000))
    ),
    "PNG of an iTXt bomb": lambda: _small_png(
        before=png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed_zeros(1000))
    ),
    "PNG of an iCCP bomb": lambda: _small_png(
        before=png_chunk(b"iCCP", b"profile\0\0" + packed_zeros(1000))
    ),
    "PNG whose data is too long": lambda: png(8, 8, packed_zeros(1000)),
    "PNG of empty chunks": lambda: _small_png(before=png_chunk(b"tEXt", b"") * _MANY),
    "PNG of empty data chunks": lambda: _small_png(before=png_chunk(b"IDAT", b"") * _MANY),
    "large PNG": lambda: png(_LARGE, _LARGE, packed_zeros(148)),
    "large interlaced PNG": lambda: png(_LARGE, _LARGE, packed_zeros(148), interlaced=True),
    "large PNG of 16 bits": lambda: png(
        _LARGE, _LARGE, packed_zeros(393), bits=16, colour=6
    ),
    "PNG of 20000 frames": _animated_png,
    "TIFF of 60000x60000": lambda: tiff(_plain_fields(60_000, 60_000), bytes(64)),
    "TIFF of 4294967295 px": lambda: tiff(_plain_fields(2**32 - 1, 2**32 - 1), bytes(64)),
    "BigTIFF of 60000x60000": lambda: tiff(_plain_fields(60_000, 60_000), bytes(64), big=True),
    "TIFF with a hidden width": _hidden_width,
    "TIFF with a strip that is too long": _deflate_tiff,
    "TIFF with a tile of 60000x60000": lambda: _tiled(60_000),
    "TIFF of many pages": _chain_of_pages,
    "TIFF of many pages below": _pages_below,
    "TIFF in a circle": _page_in_circle,
    "TIFF of many strips": _many_strips,
    "TIFF of 65535 samples": lambda: tiff(
        [_short(277, 65_535) if each[0] == 277 else each for each in _plain_fields(5000, 5000)]
    ),
    "GIF of 65535x65535": lambda: _gif_of_size(65_535, 65_535),
    "GIF with a frame of 65000x65000": _large_frame_in_gif,
    "GIF of 100000 frames": _gif_of_frames,
    "GIF with a comment of single bytes": lambda: _gif_with(
        b"\x21\xfe" + b"\1a" * 1_900_000 + b"\0"
    ),
    "GIF of empty extensions": lambda: _gif_with(b"\x21\xfe\0" * 1_200_000),
    "BMP of 32000x32000": lambda: bmp(32_000, 32_000),
    "BMP of -2147483648 rows": lambda: bmp(8, -(2**31)),
    "BMP of 2147483647 columns": lambda: bmp(2**31 - 1, 1),
    "large RLE BMP": lambda: bmp(_LARGE, _LARGE, 8, 1, b"\xff\7" * 1_900_000),
    "RLE BMP of line ends": lambda: bmp(_LARGE, _LARGE, 8, 1, b"\0\0" * 1_900_000),
    "RLE BMP of jumps": lambda: bmp(_LARGE, _LARGE, 8, 1, b"\0\2\0\0" * 900_000),
    "WebP of 16777216x255": lambda: webp_canvas(2**24, 255),
    "WebP of 16383x16383": lambda: webp_canvas(
        16_383, 16_383, 0, whole_pictures()["lossless WebP"][12:]
    ),
    "WebP of many frames": _webp_frames,
    "WebP of empty chunks": lambda: webp_canvas(8, 8, 0, b"ABCD\0\0\0\0" * 450_000),
    "PPM of 999999999 px": lambda: b"P6 999999999 999999999 255 " + bytes(99),
    "PPM of many numbers": lambda: b"P3 4000 4000 255\n" + b"1 " * 1_900_000,
    "PPM of long numbers": lambda: b"P3 4 4 255\n" + (b"9" * 1_000_000 + b" ") * 3,
    "PPM of comments": lambda: b"P6 " + b"#\n" * 1_900_000,
    "PBM of many digits": lambda: b"P1 7000 7000\n" + b"1" * 3_900_000,
    "JPEG 2000 of 2147483647 px": lambda: _jp2(width=2**31 - 1, height=2**31 - 1),
    "JPEG 2000 of 60000x60000 in a small box": lambda: _jp2(width=60_000, height=60_000, box=8),
    "JPEG 2000 of many tiles": lambda: _jp2(width=7000, height=7000, tile=28),
    "JPEG 2000 of 65535 layers": lambda: _jp2(layers=65_535),
    "QOI of 60000x60000": lambda: _qoi(60_000, 60_000, b"\xfd" * 99),
    "QOI of many runs": lambda: _qoi(_LARGE, _LARGE, b"\xfd" * 800_000),
    "QOI of many pixels": lambda: _qoi(1000, 1900, b"\xc0" * 1_900_000),
    "AVIF of 60000x60000": lambda: _avif_of_size(60_000, 60_000),
    "AVIF of 8x8": lambda: _avif_of_size(8, 8),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    "EPS of Windows": lambda: b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 99) + bytes(20)
    + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    "PSD of 30000x30000": lambda: b"8BPS\0\1" + bytes(6)
    + struct.pack(">HIIHH", 3, 30000, 30000, 8, 3),
    "FITS": lambda: b"SIMPLE  =                    T".ljust(2880),
    "icon": lambda: b"\0\0\1\0\1\0\0\0" + bytes(14),
    "SGI of 65535x65535": lambda: b"\x01\xda\1\1\0\3"
    + struct.pack(">HHH", 65535, 65535, 3) + bytes(500),
    "Radiance of 60000x60000": lambda: b"#?RADIANCE\n\n-Y 60000 +X 60000\n" + bytes(99),
    "Sun raster of 65535x65535": lambda: struct.pack(
        ">8I", 0x59A66A95, 65535, 65535, 24, 0, 1, 0, 0
    ),
    "PFM of 60000x60000": lambda: b"PF 60000 60000 -1.0\n" + bytes(99),
    "nothing": lambda: b"",
    "zeros": lambda: bytes(4_000_000),
}  # fmt: skip
