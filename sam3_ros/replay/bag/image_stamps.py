"""Makes the stamps of a camera's images differ, because answers are known by their stamps."""

from __future__ import annotations

from collections import Counter

from sam3_ros.replay.bag.stamps import read_header, with_later_stamp

NO_STAMP = "no stamp (0): the time of recording is put there"
REPEATED = (
    "the stamp of an earlier image: each is played with the next free one, a nanosecond later, to "
    "tell the answers apart"
)
NO_HEADER = "no header, left out"


class ImageStamps:
    """The stamps of one topic in one pass."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        #: How often each remark applied.
        self.counts: Counter[str] = Counter()

    def corrected(self, cdr: bytes, time_ns: int) -> bytes | None:
        """Return the message with a stamp of its own; None if it has no header.

        time_ns: when it was recorded, by the recorder's clock.
        """
        try:
            stamp = recorded = read_header(cdr).stamp_ns
        except ValueError:
            self.counts[NO_HEADER] += 1
            return None
        if stamp == 0:
            self.counts[NO_STAMP] += 1
            stamp = time_ns
        elif stamp in self._seen:
            self.counts[REPEATED] += 1
        while stamp in self._seen:
            stamp += 1
        self._seen.add(stamp)
        return with_later_stamp(cdr, stamp - recorded)
