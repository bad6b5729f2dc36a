"""Headers in serialised messages: stamp and frame_id."""

from __future__ import annotations

import struct
from typing import NamedTuple

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
