"""What a replay knows about its bag before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.replay.ask.settings import CameraSource, ReplaySettings
from sam3_ros.replay.bag.bag import Bag, BagTopic
from sam3_ros.replay.bag.stamps import NANOSECONDS, ImageTimes, read_image_times
from sam3_ros.replay.bag.truth import Truth, read_truth


@dataclass(frozen=True, eq=False)
class CameraPlan:
    """One camera of the replay and its images in the bag."""

    #: Empty for the only camera.
    name: str
    #: The topic in the bag.
    images: BagTopic
    #: The topic on which the images go out.
    published_as: str
    times: ImageTimes
    #: None if the bag has no ground truth for this camera.
    truth: Truth | None

    def at(self, stamp_ns: int) -> float:
        """Return the seconds since the bag began, for an image's stamp in the bag."""
        return self.times.at[0] + (stamp_ns - self.times.stamps_ns[0]) / NANOSECONDS


@dataclass(frozen=True, eq=False)
class ReplayPlan:
    """The settings of a replay together with its open bag."""

    settings: ReplaySettings
    bag: Bag
    #: One or more.
    cameras: tuple[CameraPlan, ...]

    @property
    def period(self) -> float:
        """Seconds from the last message of one loop to the first of the next."""
        return max(camera.times.period for camera in self.cameras)

    @property
    def seconds(self) -> float:
        """Length of all loops at rate 1."""
        return self.settings.loops * self.loop_seconds

    @property
    def loop_seconds(self) -> float:
        """Seconds from the start of one loop to the start of the next."""
        return self.bag.duration + self.period

    @property
    def has_truth(self) -> bool:
        return any(camera.truth is not None for camera in self.cameras)


def read_plan(bag: Bag, settings: ReplaySettings) -> ReplayPlan:
    """Find the cameras' images, stamps and ground truth in the bag. Raises BagError."""
    topics = [bag.image_topic(source.topic) for source in settings.cameras]
    cameras = tuple(
        _camera(bag, source, topic, settings.only_every)
        for source, topic in zip(settings.cameras, topics, strict=True)
    )
    return ReplayPlan(settings, bag, cameras)


def _camera(bag: Bag, source: CameraSource, images: BagTopic, only_every: int) -> CameraPlan:
    return CameraPlan(
        name=source.name,
        images=images,
        published_as=source.publish_as or images.name,
        times=read_image_times(bag, images.name, only_every),
        truth=read_truth(bag, images.name),
    )
