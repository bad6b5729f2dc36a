"""The pages of a TIFF: which one is the image, and whether it is a raw photo.

The structure is also that of EXIF, from which only the orientation is read. Facts: TIFF 6.0, the
TIFF/EP and DNG specifications, and BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sam3_ros.core.errors import ImageError

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_ORIENTATION, _SAMPLES, _SUB_PAGES, _DNG = 274, 277, 330, 50706
_COMPRESSION, _PLANES, _TILE_WIDTH, _TILE_HEIGHT, _FORMAT = 259, 284, 322, 323, 339
_REDUCED, _MASK = 1, 4
# Colour filter array, and linear raw.
_RAW_PHOTOMETRICS = (32803, 34892)
# Bytes of the types of whole numbers, and what struct calls them.
_SIZES = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 13: 4, 16: 8, 18: 8}
# Text, fractions, bytes of no type, and floats.
_OTHER_SIZES = {2: 1, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
# Of all fields only these are read here.
_READ = {
    *(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES),
    *(_PLANES, _TILE_WIDTH, _TILE_HEIGHT, _SUB_PAGES, _FORMAT, _DNG),
}
# Enough for any picture. Pages may share their fields, so that a small file has many of both.
_MOST_PAGES, _MOST_FIELDS, _MOST_FIELDS_OF_ALL = 1024, 4096, 65_536
# Bytes of a value: of the places of strips or tiles, and of tables.
_LARGEST_VALUE = 1 << 21


@dataclass(frozen=True)
class TiffValue:
    """The value of one field: its type and count as TIFF has them, and its bytes."""

    kind: int
    count: int
    content: bytes

    def part(self, number: int, of: int) -> TiffValue:
        """Return one of several equal parts, counted from 0."""
        count = self.count // of
        size = len(self.content) // self.count * count
        return TiffValue(self.kind, count, self.content[number * size : (number + 1) * size])


@dataclass(frozen=True)
class TiffPage:
    """One directory of a TIFF."""

    offset: int
    #: "<" or ">", as struct calls the order of its bytes.
    order: str
    #: Values of the fields that are whole numbers, by tag.
    fields: dict[int, tuple[int, ...]]

    def first(self, tag: int, default: int) -> int:
        return self.fields.get(tag, (default,))[0]

    @property
    def width(self) -> int:
        return self.first(_WIDTH, 0)

    @property
    def height(self) -> int:
        return self.first(_HEIGHT, 0)

    @property
    def bits(self) -> int:
        return self.first(_BITS, 1)

    @property
    def samples(self) -> int:
        return self.first(_SAMPLES, 1)

    @property
    def photometric(self) -> int:
        return self.first(_PHOTOMETRIC, 1)

    @property
    def orientation(self) -> int:
        """How it was held, 1 to 8 as EXIF counts; 1 for what makes no sense."""
        return self.stated_orientation or 1

    @property
    def stated_orientation(self) -> int | None:
        value = self.first(_ORIENTATION, 0)
        return value if 1 <= value <= 8 else None

    @property
    def is_reduced(self) -> bool:
        return bool(self.first(_SUBFILE, 0) & (_REDUCED | _MASK))

    @property
    def is_raw(self) -> bool:
        return _DNG in self.fields or self.photometric in _RAW_PHOTOMETRICS


def orientation_of(exif: bytes) -> int | None:
    """Return the orientation, 1 to 8, that an EXIF block states; None where it cannot be found.

    Only this tag is read, so that no other can do harm.
    """
    if not exif.startswith(TIFF_STARTS):
        return None
    reader = _Reader(exif)
    page = reader.page(reader.first_offset())
    return None if page is None else page.stated_orientation


def main_page(data: bytes) -> TiffPage:
    """Return the page of a TIFF that is its image.

    Smaller copies and masks are passed over, where they are marked as such. Raises ImageError for a
    raw photo, and where several pages could be meant.
    """
    reader = _Reader(data)
    pages = list(reader.pages())
    below = [page for each in pages for page in reader.pages_below(each)]
    if any(page.is_raw for page in (*pages, *below)):
        raise ImageError(
            "expected a finished picture, got a raw photo (DNG, NEF, ARW or the like): what can be "
            "read of it without its camera's colours is a preview; develop it, for example with "
            "darktable, and save a JPEG or PNG"
        )
    if not pages:
        raise ImageError(f"expected a whole TIFF, got {len(data)} bytes without a page")
    full = [page for page in pages if not page.is_reduced]
    if not full:
        full = [page for page in below if not page.is_reduced] or pages[:1]
    if len(full) > 1:
        raise ImageError(
            f"expected one image, got a TIFF of {len(full)} pages: save the one that you mean as a "
            "file of its own"
        )
    largest = max((*pages, *below), key=lambda page: page.width * page.height)
    if largest.width * largest.height > full[0].width * full[0].height:
        raise ImageError(
            f"expected one image, got a TIFF whose page is {full[0].width}x{full[0].height} px and "
            f"that has another of {largest.width}x{largest.height} px inside it: save the one that "
            "you mean as a file of its own"
        )
    return full[0]


def page_values(data: bytes, page: TiffPage, tags: Collection[int]) -> dict[int, TiffValue]:
    """Return the values of these tags, of a BigTIFF as a TIFF has them; none that is damaged.

    Raises ImageError for one that is larger than any picture needs.
    """
    return _Reader(data).contents(page.offset, tags)


def _order(data: bytes) -> str:
    return "<" if data[:2] == b"II" else ">"


class _Reader:
    """Reads directories, and leaves out whatever of them is damaged."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = _order(data)
        self._big = data[2:4] in (b"+\0", b"\0+")
        self._pages = self._fields = 0

    def first_offset(self) -> int:
        return self._number("Q", 8) if self._big else self._number("I", 4)

    def pages(self) -> Iterator[TiffPage]:
        """Yield the pages of the chain."""
        offset, seen = self.first_offset(), set[int]()
        while offset and offset not in seen:
            seen.add(offset)
            page = self.page(offset)
            if page is None:
                return
            yield page
            offset = self._next(offset)

    def pages_below(self, page: TiffPage) -> Iterator[TiffPage]:
        """Yield the pages that a page names as its own."""
        for offset in page.fields.get(_SUB_PAGES, ()):
            below = self.page(offset)
            if below is not None:
                yield below

    def page(self, offset: int) -> TiffPage | None:
        """Return the directory at an offset; None where there is none. Raises ImageError."""
        fields: dict[int, tuple[int, ...]] = {}
        places = self._places(offset)
        self._pages, self._fields = self._pages + 1, self._fields + len(places)
        if self._pages > _MOST_PAGES or self._fields > _MOST_FIELDS_OF_ALL:
            raise ImageError(
                f"expected one image, got a TIFF of more than {_MOST_PAGES} pages or "
                f"{_MOST_FIELDS_OF_ALL} fields: save the one that you mean as a file of its own"
            )
        for position in places:
            tag = self._number("H", position)
            if tag not in _READ:
                continue
            if values := self._values(position):
                fields.setdefault(tag, values)
        return TiffPage(offset, self._order, fields) if places else None

    def contents(self, offset: int, tags: Collection[int]) -> dict[int, TiffValue]:
        """Return the values of these tags in the directory at an offset."""
        found: dict[int, TiffValue] = {}
        for position in self._places(offset):
            tag = self._number("H", position)
            if tag in tags and tag not in found:
                value = self._content(position)
                if value is not None:
                    found[tag] = value
        return found

    def _content(self, position: int) -> TiffValue | None:
        kind = self._number("H", position + 2)
        count = self._number("Q" if self._big else "I", position + 4)
        size = count * {**_SIZES, **_OTHER_SIZES}.get(kind, 0)
        room, place = (8, position + 12) if self._big else (4, position + 8)
        if size > room:
            place = self._number("Q" if self._big else "I", place)
        if size > _LARGEST_VALUE:
            raise ImageError(
                f"expected a TIFF whose values have at most {_LARGEST_VALUE} bytes, got {size}: it "
                "is damaged, or has too many strips or tiles; save it again"
            )
        content = self._data[place : place + size]
        if not size or len(content) < size:
            return None
        if _SIZES.get(kind) != 8:
            return TiffValue(kind, count, content)
        numbers = struct.unpack(f"{self._order}{count}Q", content)
        if max(numbers) >= 1 << 32:
            return None
        return TiffValue(4, count, struct.pack(f"{self._order}{count}I", *numbers))

    def _places(self, offset: int) -> range:
        """Return where the fields of a directory are."""
        count, start = self._count(offset)
        size = 20 if self._big else 12
        end = start + min(count, _MOST_FIELDS) * size
        return range(start, min(end, len(self._data) - size + 1), size)

    def _values(self, position: int) -> tuple[int, ...]:
        kind = self._number("H", position + 2)
        if kind not in _CODES:
            return ()
        count = self._number("Q" if self._big else "I", position + 4)
        room, place = (8, position + 12) if self._big else (4, position + 8)
        count = min(count, _MOST_PAGES)
        if count * _SIZES[kind] > room:
            place = self._number("Q" if self._big else "I", place)
        try:
            return struct.unpack_from(f"{self._order}{count}{_CODES[kind]}", self._data, place)
        except (struct.error, OverflowError):
            return ()

    def _count(self, offset: int) -> tuple[int, int]:
        if self._big:
            return self._number("Q", offset), offset + 8
        return self._number("H", offset), offset + 2

    def _next(self, offset: int) -> int:
        count, start = self._count(offset)
        if self._big:
            return self._number("Q", start + count * 20)
        return self._number("I", start + count * 12)

    def _number(self, code: str, position: int) -> int:
        """Return the number at a position; 0 behind the end."""
        try:
            number: int = struct.unpack_from(f"{self._order}{code}", self._data, position)[0]
        except (struct.error, OverflowError):
            return 0
        return number
