"""What a replay knows about its bag before it starts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sam3_ros.replay.ask.depth import DepthPlan, find_depth
from sam3_ros.replay.ask.settings import CameraSource, Player, ReplayError, ReplaySettings
from sam3_ros.replay.bag.bag import COMPRESSED_IMAGE, Bag, BagTopic
from sam3_ros.replay.bag.image_times import ImageTimes, read_image_times
from sam3_ros.replay.bag.places import TruePlaces, read_places
from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.bag.topic_names import COMPRESSED, is_topic_name, nearest_topic_name
from sam3_ros.replay.bag.truth import Truth, read_truth

_BAD_NAME = "a name that ROS 2 does not take"


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
    #: None where the node gets none.
    depth: DepthPlan | None = None
    #: Where objects truly are; empty without depth or ground truth.
    places: TruePlaces = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that the node must subscribe to."""
        depth = () if self.depth is None else (self.depth.base_topic, self.depth.info)
        return (self.published_as, *depth)

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
    cameras: list[CameraPlan] = []
    for source, topic in zip(settings.cameras, topics, strict=True):
        taken = {*bag.topics, *(camera.published_as for camera in cameras)}
        cameras.append(_camera(bag, source, topic, taken, settings.only_every))
    plan = ReplayPlan(settings, bag, tuple(cameras))
    _leave_out_bad_names(plan)
    if settings.player is Player.ROS2:
        _require_playable_by_ros2(plan)
    return plan


def _leave_out_bad_names(plan: ReplayPlan) -> None:
    cameras = {camera.images.name for camera in plan.cameras}
    for name in [n for n in plan.bag.topics if not is_topic_name(n) and n not in cameras]:
        plan.bag.leave_out(name, f"{_BAD_NAME}: left out")
    for camera, source in zip(plan.cameras, plan.settings.cameras, strict=True):
        why = _why_renamed(camera.images)
        if why and source.publish_as is None:
            plan.bag.remark(camera.images.name, f"{why}: published as {camera.published_as}")


def _require_playable_by_ros2(plan: ReplayPlan) -> None:
    """Raise ReplayError for what this player mends and `ros2 bag play` does not."""
    wrong = [str(remark) for remark in plan.bag.repairs]
    names = [camera.images.name for camera in plan.cameras]
    wrong += [f"{n}: {_BAD_NAME}" for n in names if not is_topic_name(n)]
    if wrong:
        raise ReplayError(
            f"`ros2 bag play` cannot play {plan.bag.path} as it is: {'; '.join(wrong)}. Leave out "
            "--player: the replay can play the bag itself"
        )


def _camera(
    bag: Bag, source: CameraSource, images: BagTopic, taken: Collection[str], only_every: int
) -> CameraPlan:
    depth = find_depth(bag, source, images)
    return CameraPlan(
        name=source.name,
        images=images,
        published_as=source.publish_as or _published_name(images, taken),
        times=read_image_times(bag, images.name, only_every),
        truth=read_truth(bag, images.name),
        depth=depth,
        places={} if depth is None else read_places(bag, images.name),
    )


def _published_name(images: BagTopic, taken: Collection[str]) -> str:
    """Return the topic's own name, or the nearest one that ROS 2 and the node take.

    taken: names of other topics.
    """
    if not _why_renamed(images):
        return images.name
    if images.type_name != COMPRESSED_IMAGE:
        return nearest_topic_name(images.name, taken)
    # The node is told the name before the suffix.
    bases = {name.removesuffix(COMPRESSED) for name in taken if name.endswith(COMPRESSED)}
    base = nearest_topic_name(images.name.removesuffix(COMPRESSED), bases, len(COMPRESSED))
    return base + COMPRESSED


def _why_renamed(images: BagTopic) -> str:
    """Return why images cannot go out under the name of their topic; empty if they can."""
    if not is_topic_name(images.name):
        return _BAD_NAME
    if images.type_name == COMPRESSED_IMAGE and not images.name[1:].endswith(COMPRESSED):
        return f"the node takes compressed images from topics that end in {COMPRESSED}"
    return ""
