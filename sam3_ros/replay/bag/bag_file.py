"""Opens one file of a bag: what it is, is told by its first bytes, whatever it is called."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import zstandard

from sam3_ros.replay.bag.bag_folder import how_to_convert
from sam3_ros.replay.bag.mcap_file import McapFile, is_mcap
from sam3_ros.replay.bag.recording import (
    BagError,
    BagRemarks,
    Channel,
    RecordedMessage,
    Recording,
    TimeWindow,
)
from sam3_ros.replay.bag.sqlite_file import SqliteFile, is_sqlite
from sam3_ros.replay.bag.unpacking import ZSTD_MAGIC, TooLargeError, unpacked_frames

_ROS1_MAGIC = b"#ROSBAG V"
# age, GnuPG with and without armour, openssl enc, LUKS.
_ENCRYPTED = (
    *(b"age-encryption.", b"-----BEGIN PGP M", b"-----BEGIN AGE E", b"Salted__", b"LUKS\xba\xbe"),
    *(b"\x85\x01", b"\x85\x02", b"\x84^", b"\x8c\r\x04"),
)
_BEGIN, _PIECE = 16, 1 << 20
# What a file may become when it is decompressed: a gigabyte, or so many times its size. Raw images
# of a simulation become 100 times as many bytes, zeros 30,000 times.
_ALWAYS, _TIMES = 10**9, 1000
# Bytes that stay free in the temporary folder.
_KEPT_FREE = 10**9


def open_recording(path: Path) -> Recording:
    """Open a file of a bag. Raises BagError for what is none; OSError."""
    if path.exists() and not path.is_file():  # it may also block for ever
        raise BagError(
            f"{path} is a pipe or a device: a bag is read more than once, so write it to a file"
        )
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
        if begin.startswith(ZSTD_MAGIC):
            return _decompressed(file, path)
    return _opened(path, path, begin)


def _opened(path: Path, told: Path, begin: bytes) -> Recording:
    """Open an uncompressed file. told: the file that the user knows."""
    if is_mcap(begin):
        return McapFile(path, told.name)
    if is_sqlite(begin):
        return SqliteFile(path, told.name)
    if begin.startswith(_ROS1_MAGIC):
        raise BagError(f"{told} is a ROS 1 bag: {how_to_convert(told)}")
    if begin.startswith(_ENCRYPTED):
        raise BagError(f"{told} is encrypted: decrypt it first")
    if not begin:
        raise BagError(f"{told} is empty (0 bytes): nothing of its recording was written")
    raise BagError(
        f"{told} is no bag: expected an mcap or sqlite3 file of rosbag2, got one that begins with "
        f"{begin!r}"
    )


def _decompressed(file: IO[bytes], told: Path) -> Recording:
    """Open a file that was compressed as a whole, by a copy."""
    folder = TemporaryDirectory(prefix="sam3_ros_bag_")
    try:
        remarks = BagRemarks()
        copy = Path(folder.name) / told.name
        is_all = _decompress(file, copy, told)
        if not is_all:
            remarks.add(told.name, "cut off or damaged; what can be decompressed of it is read")
        with copy.open("rb") as opened:
            begin = opened.read(_BEGIN)
        if not begin:
            raise BagError(f"{told} is cut off or damaged: nothing of it can be decompressed")
        return _Copy(_opened(copy, told, begin), folder, remarks)
    except BaseException:
        folder.cleanup()
        raise


def _decompress(file: IO[bytes], copy: Path, told: Path) -> bool:
    """Write what can be decompressed; return whether it is all. Raises BagError for too much."""
    file.seek(0)
    usual = max(_ALWAYS, _TIMES * told.stat().st_size)
    free = max(0, shutil.disk_usage(copy.parent).free - _KEPT_FREE)
    with copy.open("wb") as out:
        try:
            pieces = iter(lambda: file.read(_PIECE), b"")
            for piece in unpacked_frames(pieces, min(usual, free)):
                out.write(piece)
        except TooLargeError as error:
            why = (
                f"and {copy.parent.parent} has no more room: set TMPDIR to where there is"
                if free < usual
                else f"{_TIMES} times its size, which no recording does: if you know it to be "
                "sound, decompress it by `unzstd`"
            )
            raise BagError(f"{told} is not decompressed: {error}, {why}") from error
        except (zstandard.ZstdError, EOFError):
            return False
    return True


class _Copy:
    """A recording in a temporary folder that is deleted with it."""

    def __init__(
        self, recording: Recording, folder: TemporaryDirectory[str], remarks: BagRemarks
    ) -> None:
        self._recording = recording
        self._folder = folder
        self.remarks = recording.remarks
        for remark in remarks:
            self.remarks.add(remark.part, remark.remark)

    @property
    def channels(self) -> tuple[Channel, ...]:
        return self._recording.channels

    @property
    def span(self) -> tuple[int, int] | None:
        return self._recording.span

    def messages(
        self, topics: Collection[str], window: TimeWindow | None = None
    ) -> Iterator[RecordedMessage]:
        return self._recording.messages(topics, window)

    def times(self, topic: str) -> list[int]:
        return self._recording.times(topic)

    def close(self) -> None:
        self._recording.close()
        self._folder.cleanup()
