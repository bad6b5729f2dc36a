"""What a replay knows about its bag before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.replay.ask.settings import CameraSource, Player, ReplayError, ReplaySettings
from sam3_ros.replay.bag.bag import Bag, BagTopic
from sam3_ros.replay.bag.image_times import ImageTimes, read_image_times
from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.bag.topic_names import is_topic_name, nearest_topic_name
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
    """Find the cameras' images, stamps and ground truth in the bag.

    Topics with names that ROS 2 does not take are left out; a camera is renamed. Raises BagError;
    ReplayError if the player cannot play the bag.
    """
    topics = [bag.image_topic(source.topic) for source in settings.cameras]
    cameras = tuple(
        _camera(bag, source, topic, settings.only_every)
        for source, topic in zip(settings.cameras, topics, strict=True)
    )
    plan = ReplayPlan(settings, bag, cameras)
    _leave_out_bad_names(plan)
    if settings.player is Player.ROS2:
        _require_playable_by_ros2(plan)
    return plan


def _leave_out_bad_names(plan: ReplayPlan) -> None:
    cameras = {camera.images.name for camera in plan.cameras}
    for name in [n for n in plan.bag.topics if not is_topic_name(n) and n not in cameras]:
        plan.bag.leave_out(name, "a name that ROS 2 does not take: left out")
    for camera in plan.cameras:
        if not is_topic_name(camera.images.name):
            plan.bag.remark(
                camera.images.name,
                f"a name that ROS 2 does not take: published as {camera.published_as}",
            )


def _require_playable_by_ros2(plan: ReplayPlan) -> None:
    """Raise ReplayError for what this player mends and `ros2 bag play` does not."""
    wrong = [str(remark) for remark in plan.bag.repairs]
    names = [camera.images.name for camera in plan.cameras]
    wrong += [f"{n}: a name that ROS 2 does not take" for n in names if not is_topic_name(n)]
    if wrong:
        raise ReplayError(
            f"`ros2 bag play` cannot play {plan.bag.path} as it is: {'; '.join(wrong)}. Leave out "
            "--player: the replay can play the bag itself"
        )


def _camera(bag: Bag, source: CameraSource, images: BagTopic, only_every: int) -> CameraPlan:
    return CameraPlan(
        name=source.name,
        images=images,
        published_as=source.publish_as or _ros_name(bag, images.name),
        times=read_image_times(bag, images.name, only_every),
        truth=read_truth(bag, images.name),
    )


def _ros_name(bag: Bag, topic: str) -> str:
    return topic if is_topic_name(topic) else nearest_topic_name(topic, bag.topics)
