"""Stamps of a bag's messages: headers in serialised bytes, and the times of a camera's images."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from sam3_ros.replay.bag.bag import Bag, BagError, BagMessage

NANOSECONDS = 1_000_000_000
# CDR: four bytes say how the rest is encoded, the second its byte order; then int32 sec, uint32
# nanosec, uint32 length of frame_id with its closing zero (OMG DDSI-RTPS 2.5, section 10).
_ENCAPSULATION = 4
_STAMP_SIZE = 8
_LENGTH_SIZE = 4


class MessageHeader(NamedTuple):
    """A std_msgs/Header."""

    #: Nanoseconds since the epoch of the sender's clock.
    stamp_ns: int
    frame_id: str


def read_header(cdr: bytes) -> MessageHeader:
    """Read the header of a message whose first field is a Header.

    Raises ValueError if the bytes end within it.
    """
    order = _byte_order(cdr)
    try:
        seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", cdr, _ENCAPSULATION)
    except struct.error as error:
        raise ValueError(f"expected a message with a header, got {len(cdr)} bytes") from error
    begin = _ENCAPSULATION + _STAMP_SIZE + _LENGTH_SIZE
    if length > len(cdr) - begin:
        raise ValueError(f"expected a frame_id of {length} bytes, got {len(cdr) - begin}")
    frame_id = cdr[begin : begin + length].rstrip(b"\0").decode(errors="replace")
    return MessageHeader(seconds * NANOSECONDS + nanoseconds, frame_id)


def with_later_stamp(cdr: bytes, shift_ns: int) -> bytes:
    """Return the same message with its stamp moved by shift_ns."""
    if shift_ns == 0:
        return cdr
    seconds, nanoseconds = divmod(read_header(cdr).stamp_ns + shift_ns, NANOSECONDS)
    changed = bytearray(cdr)
    struct.pack_into(f"{_byte_order(cdr)}iI", changed, _ENCAPSULATION, seconds, nanoseconds)
    return bytes(changed)


def _byte_order(cdr: bytes) -> str:
    return "<" if len(cdr) > 1 and cdr[1] & 1 else ">"


@dataclass(frozen=True)
class ImageTimes:
    """When a camera's images come, in the order of the bag."""

    #: Seconds since the bag's first message.
    at: tuple[float, ...]
    #: The images' stamps.
    stamps_ns: tuple[int, ...]

    @property
    def period(self) -> float:
        """Mean seconds from one image to the next; 0 for a single image."""
        return (self.at[-1] - self.at[0]) / (len(self.at) - 1) if len(self.at) > 1 else 0.0

    def stamp_at(self, at: float) -> int:
        """Return the stamp, ns, of the newest image at a time; before the first, of the first."""
        return self.stamps_ns[max(bisect_right(self.at, at) - 1, 0)]


def read_image_times(bag: Bag, topic: str, only_every: int = 1) -> ImageTimes:
    """Read the times of every n-th image. Raises BagError unless the stamps all differ."""
    images = [(message.at, _stamp(bag, message)) for message in bag.messages([topic])]
    images = images[::only_every]
    stamps = [stamp for _, stamp in images]
    if not images:
        raise BagError(f"{bag.path} has no message on {topic}")
    if len(set(stamps)) < len(stamps):
        raise BagError(
            f"{len(stamps) - len(set(stamps))} images on {topic} of {bag.path} have the stamp of "
            "another; a replay assigns answers by stamp: record stamped images"
        )
    return ImageTimes(tuple(at for at, _ in images), tuple(stamps))


def _stamp(bag: Bag, message: BagMessage) -> int:
    try:
        return read_header(message.cdr).stamp_ns
    except ValueError as error:
        raise BagError(f"{bag.path}, {message.topic} at {message.at:.3f} s: {error}") from error
