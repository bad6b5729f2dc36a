"""Which image topics of a bag are depth: told by their first message, whatever they are called."""

from __future__ import annotations

import struct

#: sensor_msgs/Image: uint16 in millimetres, float32 in metres (REP 118). mono16 is a camera's.
DEPTH_ENCODINGS = frozenset({"16UC1", "32FC1"})
# "16UC1; compressedDepth png" of compressed_depth_image_transport.
_COMPRESSED_DEPTH = "compressedDepth"


def is_depth(cdr: bytes, *, is_compressed: bool) -> bool:
    """Return whether a serialised Image or CompressedImage is depth; False for damaged bytes."""
    try:
        # Both begin with a header: stamp and frame_id. An Image goes on with height and width.
        _, end = _string(cdr, 4 + 8)
        text, _ = _string(cdr, end if is_compressed else _aligned(end) + 8)
    except (struct.error, UnicodeDecodeError, IndexError):
        return False
    if is_compressed and _COMPRESSED_DEPTH in text:
        return True
    # Of "16UC1; png compressed", which image_transport makes of depth too.
    return text.partition(";")[0].strip() in DEPTH_ENCODINGS


def _string(cdr: bytes, begin: int) -> tuple[str, int]:
    """Return the string at a place in CDR, and where it ends."""
    begin = _aligned(begin)
    (length,) = struct.unpack_from("<I" if cdr[1] & 1 else ">I", cdr, begin)
    end = begin + 4 + length
    return cdr[begin + 4 : end].rstrip(b"\0").decode(), end


def _aligned(place: int) -> int:
    return (place + 3) // 4 * 4
