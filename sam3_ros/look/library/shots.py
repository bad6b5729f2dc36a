"""Pictures that come one after another, before anything is computed of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sam3_ros.look.drawing.answered_picture import Pixels
from sam3_ros.look.viewing import ViewedCamera


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture that is not decoded yet, so that one that nobody needs costs nothing."""

    #: ViewedCamera.name.
    camera: str
    #: Tells it from the camera's other pictures; that of a bag's message, or its place in a video.
    stamp_ns: int
    #: Seconds since its lap began.
    at: float
    #: Returns uint8 [H, W, 3], RGB. Raises ImageError, BagError.
    pixels: Callable[[], Pixels]
    #: When it was due, time.monotonic() seconds.
    received: float = field(default_factory=time.monotonic)


class Reel(Protocol):
    """Pictures of one or several cameras, from the first to the last, any number of times."""

    #: For people: "video drive.mp4".
    name: str
    cameras: tuple[ViewedCamera, ...]
    #: Its pictures come by themselves; those of others wait until they are due.
    is_live: bool
    #: Seconds from the last picture to the first one of the next lap.
    pause: float

    @property
    def remarks(self) -> tuple[str, ...]:
        """What of it is lost, a sentence each, as far as that is known by now."""

    def lap(self) -> Iterator[Shot]:
        """Yield the pictures in the order of `at`. Raises Sam3RosError where they cannot be had."""

    def close(self) -> None:
        """Close what is open; by the thread that iterates, or after it."""
