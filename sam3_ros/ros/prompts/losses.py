"""The messages with prompts that never arrived, as DDS knows them."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.ros.message_info import Origin
from sam3_ros.ros.number_gaps import NumberGaps

#: How long a loss is told after it was found, s.
TOLD_S = 10.0
#: What to do about it: the node keeps far more messages than any default publisher does.
REMEDY = (
    "publish with a depth of as many messages as are sent in a row, such as 1000, or KEEP_ALL; the "
    "default of 10 loses what is not sent within a moment"
)


@dataclass(frozen=True)
class LostPrompts:
    """Messages with prompts that are missing."""

    #: Since the node was configured.
    count: int = 0
    #: The topics on which some were found missing in the last TOLD_S seconds.
    lately_on: tuple[str, ...] = ()

    def words(self) -> str:
        """Say what was lost lately, and what to do."""
        return f"messages on {', '.join(self.lately_on)} did not arrive: {REMEDY}"


class PromptLosses:
    """Counts the lost messages of one topic; for the thread that receives them.

    DDS's event tells what a publisher no longer had when it was to be sent, the numbers tell also
    what was dropped here, but nothing before a publisher's first message. Which of them there are
    is up to the middleware and to rclpy's version; the larger count is reported.
    """

    def __init__(self) -> None:
        self._gaps = NumberGaps()
        self._by_number = self._by_event = 0
        self._found_at = float("-inf")

    @property
    def count(self) -> int:
        return max(self._by_number, self._by_event)

    def note_message(self, origin: Origin, now: float) -> int:
        """Note a message; return how many more than before are known to be lost.

        now: time.monotonic() s.
        """
        before = self.count
        if origin.is_known:
            self._by_number += self._gaps.note(*origin)
        return self._found(before, now)

    def note_event(self, total: int, now: float) -> int:
        """Note DDS's count of lost messages; return as note_message does."""
        before = self.count
        self._by_event = max(self._by_event, total)
        return self._found(before, now)

    def is_recent(self, now: float) -> bool:
        """Return whether some were found missing in the last TOLD_S seconds."""
        return now - self._found_at <= TOLD_S

    def _found(self, before: int, now: float) -> int:
        if self.count > before:
            self._found_at = now
        return max(0, self.count - before)
