"""Which camera's frame a prompt with a position in the image was placed on."""

from __future__ import annotations

from typing import Protocol

from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.active_prompts import Snapshot


class FramesSeen(Protocol):
    """The frames that a click can be answered on at once. Stamps in ns."""

    def image_size(self, camera: str) -> ImageSize | None:
        """Of the camera's newest frame; None before the first."""

    def locate(self, camera: str, stamp_ns: int) -> int | None:
        """The stamp of the frame meant, seen or on its way; 0 means the newest seen.

        None if there is no frame yet (for 0 only). Raises PromptError: too old, or never seen.
        """

    def camera_of(self, frame_id: str, stamp_ns: int) -> str:
        """The camera of that name, or whose last frame has this frame_id, or alone that stamp.

        Raises PromptError if that is none, or not one alone.
        """

    def require_room(self, jobs: int) -> None:
        """Raise PromptError if so many calls of answer_now would be too many."""

    def answer_now(self, clicks: Snapshot, camera: str, stamp_ns: int) -> None:
        """Answer these on that frame, all in one answer, unless it answers them by itself.

        They are asked already, pinned to it. One that cannot be answered is removed and refused;
        one whose label value is no longer its own (ActivePrompts.has_value) is left out.
        """
