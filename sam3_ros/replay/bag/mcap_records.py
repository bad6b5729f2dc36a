"""The records of an mcap file, as far as they are sound: https://mcap.dev/spec."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, Message, Schema
from mcap.summary import Summary

from sam3_ros.replay.bag.unpacking import unpacked_chunk

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")  # operation code and length of a record
_FOOTER_AND_MAGIC = 9 + 20 + len(MAGIC)
# Bytes that the records of a chunk may have; recorders write a few megabytes.
_MOST_OF_A_CHUNK = 1 << 28
# start, end, uncompressed size, checksum; then the compression's name and the size of the rest
_CHUNK_HEAD = struct.Struct("<QQQI")
# Of a message index: channel and bytes; then a time and an offset for each message.
_INDEX_HEAD = 6


class McapDamageError(Exception):
    """A part of the file that cannot be read; the message says which."""


class ChunkPlace(NamedTuple):
    """A chunk, or a message outside of chunks, in the file."""

    #: Of its first message, ns.
    start_ns: int
    offset: int
    #: Of its last message, ns.
    end_ns: int
    #: Where the times of its messages are written too, by channel; None where that is not known.
    times_at: Mapping[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Contents:
    """What a record holds for a reader."""

    schemas: tuple[Schema, ...]
    channels: tuple[Channel, ...]
    messages: tuple[Message, ...]
    #: Why it is not all that was recorded; empty if it is.
    damage: str = ""


@dataclass(frozen=True)
class ScannedRecord:
    """A record that a scan came by; those that a reader does not need are left out."""

    place: ChunkPlace
    contents: Contents


class ScanEnd(NamedTuple):
    """Where a scan ended, and whether that is the end that the writer wrote."""

    offset: int
    is_whole: bool


def has_its_end(file: IO[bytes]) -> bool:
    """Return whether a file ends as a writer that was closed leaves it."""
    file.seek(0, 2)
    size = file.tell()
    if size < len(MAGIC) + _FOOTER_AND_MAGIC:
        return False
    file.seek(size - len(MAGIC))
    return file.read() == MAGIC


def read_summary(file: IO[bytes]) -> Summary | None:
    """Read the index at the end of a file; None where it has none. Raises McapDamageError."""
    if not has_its_end(file):
        return None
    file.seek(0)
    try:
        return make_reader(file).get_summary()
    # Damaged bytes raise errors of many kinds: struct, Unicode, mcap's own.
    except Exception as error:
        raise McapDamageError("its index is damaged") from error


def scan(file: IO[bytes]) -> Iterator[ScannedRecord | ScanEnd]:
    """Read a file from its beginning, as far as it is sound; the last item is a ScanEnd.

    A chunk with damaged contents is passed over, because its length is known.
    """
    size = Path(file.name).stat().st_size
    offset = len(MAGIC)
    while True:
        file.seek(offset)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            yield ScanEnd(offset, is_whole=False)
            return
        opcode, length = _HEAD.unpack(head)
        if opcode in (Opcode.FOOTER, Opcode.DATA_END):
            yield ScanEnd(offset, is_whole=True)
            return
        is_cut = offset + _HEAD.size + length > size
        if opcode == 0 or (is_cut and opcode != Opcode.CHUNK):
            yield ScanEnd(offset, is_whole=False)
            return
        if opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE, Opcode.CHUNK):
            contents = _contents(opcode, file.read(min(length, size)))
            times = [message.log_time for message in contents.messages]
            place = ChunkPlace(min(times, default=0), offset, max(times, default=0))
            yield ScannedRecord(place, contents)
        if is_cut:
            yield ScanEnd(offset, is_whole=False)
            return
        offset += _HEAD.size + length


def read_at(file: IO[bytes], offset: int) -> Contents:
    """Read the record at an offset."""
    size = Path(file.name).stat().st_size
    if offset + _HEAD.size > size:
        return Contents((), (), (), "lies behind the end of the file")
    file.seek(offset)
    head = file.read(_HEAD.size)
    opcode, length = _HEAD.unpack(head)
    if opcode not in (Opcode.CHUNK, Opcode.MESSAGE):
        return Contents((), (), (), "is not where the file's index says")
    return _contents(opcode, file.read(min(length, size)))


def read_times(file: IO[bytes], place: ChunkPlace, channel: int) -> list[int]:
    """Return the times, ns, of a channel's messages in a chunk, in the order of the file.

    Raises McapDamageError where they are not written beside the chunk, or are damaged.
    """
    if not place.times_at:
        raise McapDamageError("the chunk has no index")
    if channel not in place.times_at:
        return []
    data = _index_at(file, place.times_at[channel])
    times, rest = divmod(len(data) - _INDEX_HEAD, 16)
    if rest or times < 0 or data[:2] != channel.to_bytes(2, "little"):
        raise McapDamageError("the chunk's index is damaged")
    return [int(time_ns) for time_ns in np.frombuffer(data[_INDEX_HEAD:], "<u8")[::2]]


def _index_at(file: IO[bytes], offset: int) -> bytes:
    """Return the message index at an offset; nothing where there is none, or not all of it."""
    size = file.seek(0, 2)
    if offset + _HEAD.size > size:
        return b""
    file.seek(offset)
    opcode, length = _HEAD.unpack(file.read(_HEAD.size))
    is_whole = offset + _HEAD.size + length <= size
    return file.read(length) if opcode == Opcode.MESSAGE_INDEX and is_whole else b""


def _contents(opcode: int, data: bytes) -> Contents:
    if opcode == Opcode.CHUNK:
        return _chunk_contents(data)
    if opcode not in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE):
        return Contents((), (), ())
    try:
        stream = ReadDataStream(BytesIO(data))
        if opcode == Opcode.SCHEMA:
            return Contents((Schema.read(stream),), (), ())
        if opcode == Opcode.CHANNEL:
            return Contents((), (Channel.read(stream),), ())
        return Contents((), (), (Message.read(stream, len(data)),))
    # Damaged bytes raise errors of many kinds: struct, Unicode, mcap's own.
    except Exception as error:
        return Contents((), (), (), f"is damaged ({_said(error)})")


def _chunk_contents(data: bytes) -> Contents:
    try:
        chunk = Chunk.read(ReadDataStream(BytesIO(data)))
        (records_size,) = struct.unpack_from("<Q", data, _records_at(data) - 8)
    except Exception:  # as above
        return Contents((), (), (), "is cut off")
    records = _decompressed(chunk)
    if len(chunk.data) < records_size:
        damage = "is cut off"
    elif chunk.uncompressed_size > _MOST_OF_A_CHUNK:
        damage = f"has more than {_MOST_OF_A_CHUNK} bytes when it is decompressed"
    elif len(records) != chunk.uncompressed_size:
        damage = "is damaged"
    elif chunk.uncompressed_crc and zlib.crc32(records) != chunk.uncompressed_crc:
        damage = "has a wrong checksum"
    else:
        damage = ""
    return _parsed(records, damage, chunk.message_start_time, chunk.message_end_time)


def _records_at(chunk: bytes) -> int:
    """Return where the records of a chunk begin in its bytes."""
    (name_length,) = struct.unpack_from("<I", chunk, _CHUNK_HEAD.size)
    return int(_CHUNK_HEAD.size + 4 + name_length + 8)


def _decompressed(chunk: Chunk) -> bytes:
    """Return the records of a chunk up to the first damage."""
    if not chunk.compression:
        return bytes(chunk.data)
    most = min(chunk.uncompressed_size + 1, _MOST_OF_A_CHUNK)
    return unpacked_chunk(chunk.data, chunk.compression, most)


def _parsed(records: bytes, damage: str, start_ns: int, end_ns: int) -> Contents:
    """Read the records of a chunk up to the first that is not whole, or not of the chunk's time."""
    schemas: list[Schema] = []
    channels: list[Channel] = []
    messages: list[Message] = []
    offset = 0
    while offset + _HEAD.size <= len(records):
        opcode, length = _HEAD.unpack_from(records, offset)
        offset += _HEAD.size
        # A chunk in a chunk is none: each could hold another.
        opcode = 0 if opcode == Opcode.CHUNK else opcode
        read = _contents(opcode, records[offset : offset + length])
        is_of_another_time = end_ns > 0 and any(
            not start_ns <= message.log_time <= end_ns for message in read.messages
        )
        is_none = opcode == 0 or offset + length > len(records)
        if is_none or read.damage or is_of_another_time:
            damage = damage or "is damaged"
            break
        schemas += read.schemas
        channels += read.channels
        messages += read.messages
        offset += length
    return Contents(tuple(schemas), tuple(channels), tuple(messages), damage)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
