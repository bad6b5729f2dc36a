"""What a replay knows of its bag before it begins."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.ros.replay.bag import Bag, BagTopic
from sam3_ros.ros.replay.message_header import NANOSECONDS
from sam3_ros.ros.replay.schedule import ImageTimes, read_image_times
from sam3_ros.ros.replay.settings import ReplaySettings
from sam3_ros.ros.replay.truth import Truth, read_truth


@dataclass(frozen=True, eq=False)
class ReplayPlan:
    """images: the camera's topic. truth: None where the bag has none."""

    settings: ReplaySettings
    bag: Bag
    images: BagTopic
    times: ImageTimes
    truth: Truth | None

    @property
    def published_as(self) -> str:
        return self.settings.publish_as or self.images.name

    @property
    def seconds(self) -> float:
        """Of all loops, at rate 1."""
        return self.settings.loops * (self.bag.duration + self.times.period)

    def at(self, stamp_ns: int) -> float:
        """Seconds since the replay began, at rate 1, of a published image's stamp."""
        return self.times.at[0] + (stamp_ns - self.times.stamps_ns[0]) / NANOSECONDS


def read_plan(bag: Bag, settings: ReplaySettings) -> ReplayPlan:
    """Raises BagError."""
    images = bag.image_topic(settings.image_topic)
    return ReplayPlan(settings, bag, images, read_image_times(bag, images.name), read_truth(bag))
