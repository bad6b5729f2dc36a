"""The bag published by this process."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from sam3_ros.replay.ask.plan import ReplayPlan
from sam3_ros.replay.bag.clock import CLOCK_TOPIC, BagClock
from sam3_ros.replay.bag.schedule import Loops, schedule
from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.play.bag_publishers import BagPublishers
from sam3_ros.replay.play.paces import AnsweredPace, Pace, RecordedPace
from sam3_ros.replay.play.playback import OnProgress, Playback
from sam3_ros.replay.under_test.account import NodeAccount


class OwnPlayer:
    """Publishers of all that the bag has, and /clock if the settings say so."""

    def __init__(
        self, plan: ReplayPlan, client: ReplayClient, node: Node, check: Callable[[], None]
    ) -> None:
        self._plan = plan
        self._client = client
        self._check = check
        self._clock = BagClock(node) if plan.settings.clock else None
        self._publishers = BagPublishers(
            node,
            [t for n, t in plan.bag.topics.items() if n != CLOCK_TOPIC or self._clock is None],
            needed=[camera.images.name for camera in plan.cameras],
            renamed={camera.images.name: camera.published_as for camera in plan.cameras},
        )

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens to the images of every camera."""
        images = (camera.images.name for camera in self._plan.cameras)
        return all(self._publishers.subscriber_count(topic) > 0 for topic in images)

    def play(
        self, before: NodeAccount, progress: OnProgress, settle: Callable[[], object]
    ) -> float:
        """Everything that is scheduled; the worst delay of a message, s.

        before: the node's account before the first image. settle: as in Playback.play.
        """
        plan, settings = self._plan, self._plan.settings
        pace = self._pace(before)
        playback = Playback(plan, self._client, self._publishers, pace, self._tell_time)
        loops = Loops(settings.loops, plan.period, settings.repeat_stamps)
        items = schedule(plan.bag, self._publishers.topics, settings.cues, loops)
        playback.play(items, progress, settle)
        return pace.lateness

    def _pace(self, before: NodeAccount) -> Pace:
        rate, patience = self._plan.settings.rate, self._plan.settings.node.patience
        if rate is None:
            return AnsweredPace(self._client, before, self._check, patience)
        return RecordedPace(rate, self._check, self._tell_time)

    def _tell_time(self, bag_ns: int) -> None:
        if self._clock is not None:
            self._clock.tell(bag_ns)
