"""The markers of a JPEG, read as leniently as libjpeg reads them (ITU T.81, B)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sam3_ros.core.errors import ImageError

JPEG_START = b"\xff\xd8"
END_OF_IMAGE = 0xD9
#: Frames that are coded arithmetically.
ARITHMETIC = {0xC9, 0xCA}
_SOI, _SOS, _DRI, _TEM = 0xD8, 0xDA, 0xDD, 0x01
_RESTARTS = range(0xD0, 0xD8)
JPEG_LS = 0xF7
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}
_ALL_FRAMES = (*range(0xC0, 0xD0), JPEG_LS)
# In a scan FF00 is a data byte (ITU T.81, B.1.1.5).
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff]")
_FILL = re.compile(rb"\xff+")
# Encoders write some ten scans; each costs as much as the pixels. Markers cost by their number.
_MOST_SCANS, _MOST_MARKERS = 100, 65_536
_COLOURS = (1, 3, 4)


@dataclass(frozen=True)
class Scan:
    """One scan of a JPEG."""

    #: Identifiers of its components.
    components: tuple[int, ...]
    #: First and last coefficient, and the bit that is still missing after it.
    first: int
    last: int
    missing_bits: int
    #: Where its entropy-coded data begins and ends, and the marker there; None at the end of all.
    start: int
    end: int
    ended_by: int | None
    #: Restart intervals that are there, and that there should be.
    intervals: int
    expected_intervals: int
    #: Blocks of 8x8 px that it codes, of all its components.
    blocks: int


@dataclass(frozen=True)
class JpegLayout:
    """The markers of a JPEG."""

    frame: int
    precision: int
    width: int
    height: int
    components: tuple[int, ...]
    scans: tuple[Scan, ...]

    @property
    def is_sequential(self) -> bool:
        return self.frame in (0xC0, 0xC1)

    @property
    def is_arithmetic(self) -> bool:
        return self.frame in ARITHMETIC

    def missing_bytes(self) -> int:
        """Return how many bytes the scans lack even if every block has the shortest code.

        With Huffman codes a block takes a bit for its first coefficient, and in a sequential JPEG
        another for its end; only the other coefficients of a progressive one may take none.
        """
        if self.is_arithmetic:
            return 0
        least = [
            scan.blocks * (2 if self.is_sequential else 1) // 8 if scan.first == 0 else 0
            for scan in self.scans
        ]
        there = (scan.end - scan.start for scan in self.scans)
        return sum(max(0, need - have) for need, have in zip(least, there, strict=True))


def jpeg_layout(data: bytes) -> JpegLayout:
    """Read the markers of a JPEG; raises ImageError where it has no frame or no scan."""
    return _Walk(data).layout()


class _Walk:
    """Reads the markers one after another, and skips what stands between them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._frame: tuple[int, int, int, int] | None = None
        #: Sampling factors by component, horizontally and vertically.
        self._sampling: dict[int, tuple[int, int]] = {}
        self._restart_interval = 0
        self._scans: list[Scan] = []
        self._markers = 0

    def layout(self) -> JpegLayout:
        self._walk()
        if self._frame is None or not self._scans:
            raise ImageError(
                f"expected a whole JPEG, got {len(self._data)} bytes that hold no image data"
            )
        frame, precision, width, height = self._frame
        components = tuple(self._sampling)
        if len(components) not in _COLOURS:
            raise ImageError(f"expected a JPEG of 1, 3 or 4 colours, got {len(components)}")
        return JpegLayout(frame, precision, width, height, components, tuple(self._scans))

    def _walk(self) -> None:
        """Read to the end marker, to another picture, or to what is cut."""
        data, position = self._data, len(JPEG_START)
        while (position := data.find(b"\xff", position)) >= 0:
            fill = _FILL.match(data, position)
            assert fill is not None
            position = fill.end()
            if position >= len(data):
                return
            self._count_marker()
            marker = data[position]
            position += 1
            if marker in (END_OF_IMAGE, _SOI):
                return
            if marker in (0, _TEM) or marker in _RESTARTS:
                continue
            length = int.from_bytes(data[position : position + 2], "big")
            if length < 2 or position + length > len(data):
                return
            if self._is_another_frame(marker) and self._scans:
                return
            content = data[position + 2 : position + length]
            position = self._segment(marker, content, position + length)

    def _count_marker(self) -> None:
        self._markers += 1
        if self._markers > _MOST_MARKERS:
            raise ImageError(
                f"expected a JPEG of at most {_MOST_MARKERS} markers, got more: it is damaged or "
                "an attack"
            )

    def _is_another_frame(self, marker: int) -> bool:
        is_frame = marker in _ALL_FRAMES and marker not in _NOT_FRAMES
        return is_frame and self._frame is not None

    def _segment(self, marker: int, content: bytes, after: int) -> int:
        """Take in a segment; return where the next may begin."""
        if self._is_another_frame(marker):
            raise ImageError("expected a JPEG of one frame, got two headers with a size: damaged")
        is_frame = marker in _ALL_FRAMES and marker not in _NOT_FRAMES
        if is_frame and len(content) >= 6:
            self._take_frame(marker, content)
        elif marker == _DRI and len(content) >= 2:
            self._restart_interval = int.from_bytes(content[:2], "big")
        elif marker == _SOS and content and len(content) >= 4 + 2 * content[0]:
            return self._take_scan(content, after)
        return after

    def _take_frame(self, marker: int, content: bytes) -> None:
        height, width = (int.from_bytes(content[at : at + 2], "big") for at in (1, 3))
        self._frame = (marker, content[0], width, height)
        self._sampling = {
            content[at]: (content[at + 1] >> 4 or 1, content[at + 1] & 15 or 1)
            for at in range(6, min(len(content) - 2, 6 + 3 * content[5]), 3)
        }

    def _take_scan(self, content: bytes, start: int) -> int:
        if len(self._scans) == _MOST_SCANS:
            raise ImageError(
                f"expected a JPEG of at most {_MOST_SCANS} scans, got more: encoders write some "
                "ten; save it as a baseline JPEG"
            )
        count = content[0]
        components = tuple(content[1 : 1 + 2 * count : 2])
        first, last, bits = content[1 + 2 * count : 4 + 2 * count]
        if self._frame is not None and self._frame[0] not in (0xC2, 0xCA):
            first, last, bits = 0, 63, 0
        units, blocks = self._units(components)
        expected = 1
        if self._restart_interval and units:
            expected = max(_ceiling(units, self._restart_interval), 1)
        end, ended_by, intervals = self._scan_data(start, expected)
        self._scans.append(
            Scan(
                components,
                first,
                min(last, 63),
                bits & 15,
                start,
                end,
                ended_by,
                intervals,
                expected,
                blocks,
            )
        )
        return end

    def _scan_data(self, start: int, expected: int) -> tuple[int, int | None, int]:
        """Return where a scan's data ends, the marker there, and how many restart intervals it has.

        A restart marker that is not due ends it, as it does for libjpeg.
        """
        data, position, intervals, before_last = self._data, start, 1, start
        while (found := _MARKER_IN_SCAN.search(data, position)) is not None:
            marker = data[found.end() - 1]
            if intervals == expected or marker != _RESTARTS[(intervals - 1) % 8]:
                break
            intervals += 1
            before_last, position = found.start(), found.end()
        end = found.start() if found else len(data)
        while end > position and data[end - 1] == 0xFF:  # fill bytes
            end -= 1
        if end == position and intervals > 1:  # nothing behind the last restart marker
            end, intervals = before_last, intervals - 1
        return end, data[found.end() - 1] if found else None, intervals

    def _units(self, components: tuple[int, ...]) -> tuple[int, int]:
        """Return how many units a scan has that a restart may follow, and how many blocks."""
        if self._frame is None or not self._sampling:
            return 0, 0
        _, _, width, height = self._frame
        across = max(each[0] for each in self._sampling.values())
        down = max(each[1] for each in self._sampling.values())
        if len(components) == 1 and components[0] in self._sampling:
            own = self._sampling[components[0]]
            units = _ceiling(width * own[0], across * 8) * _ceiling(height * own[1], down * 8)
            return units, units
        units = _ceiling(width, across * 8) * _ceiling(height, down * 8)
        sampling = (self._sampling[each] for each in components if each in self._sampling)
        return units, units * sum(across * down for across, down in sampling)


def _ceiling(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
