"""When a camera's images come."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from sam3_ros.replay.bag.bag import Bag, BagError
from sam3_ros.replay.bag.stamps import read_header


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
    """Read the times of every n-th image. Raises BagError unless there is one."""
    images = [(message.at, read_header(message.cdr).stamp_ns) for message in bag.messages([topic])]
    images = images[::only_every]
    if not images:
        told = "".join(f"; {remark}" for remark in bag.remarks)
        raise BagError(f"{bag.path} has no message on {topic} that can be played{told}")
    return ImageTimes(tuple(at for at, _ in images), tuple(stamp for _, stamp in images))
