"""The player that publishes the bag in this process."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from sam3_ros.replay.ask.plan import ReplayPlan
from sam3_ros.replay.bag.bag import BagMessage
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.play.paces import AnsweredPace, Pace, RecordedPace
from sam3_ros.replay.play.publishers import CLOCK_TOPIC, BagClock, BagPublishers
from sam3_ros.replay.play.schedule import Loops, OnProgress, ReplayProgress, Scheduled, schedule
from sam3_ros.replay.under_test.diagnostics import NodeReport


class OwnPlayer:
    """Publishes everything in the bag, and /clock if the settings say so."""

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
            needed=[camera.images.name for camera in plan.cameras],  # depth is of the same type
            renamed={camera.images.name: camera.published_as for camera in plan.cameras},
        )
        self._cameras = {camera.images.name: camera for camera in plan.cameras}
        self._sent_stamps = {
            camera.images.name: frozenset(camera.times.stamps_ns) for camera in plan.cameras
        }

    @property
    def is_heard(self) -> bool:
        """Whether the images of every camera, and its depth, have a subscriber."""
        depths = [camera.depth for camera in self._cameras.values() if camera.depth is not None]
        needed = [*self._cameras, *(d.images.name for d in depths), *(d.info for d in depths)]
        return all(self._publishers.subscriber_count(topic) > 0 for topic in needed)

    def play(self, before: NodeReport, progress: OnProgress, settle: Callable[[], object]) -> float:
        """Publish all that is scheduled; return the worst delay of a message, s.

        before: the node's report before the first image. progress: called after each message and
        prompt. settle: called before stamps repeat, so that no answer is taken for one of another
        loop.
        """
        plan, settings = self._plan, self._plan.settings
        pace = self._pace(before)
        loops = Loops(settings.loops, plan.period, settings.repeat_stamps)
        loop = 0
        for scheduled in schedule(plan.bag, self._publishers.topics, settings.cues, loops):
            if scheduled.loop > loop:
                loop = scheduled.loop
                if settings.repeat_stamps:
                    settle()
                    pace.resume(scheduled.at)
            if isinstance(scheduled.item, BagMessage):
                self._publish(pace, scheduled, scheduled.item)
            else:
                pace.wait_for(scheduled, None)
                pace.asked(self._client.ask(scheduled.item))
            sent, answered = self._client.sent_count, self._client.mask_count
            progress(ReplayProgress(scheduled.at, plan.seconds, sent, answered))
        return pace.lateness

    def _pace(self, before: NodeReport) -> Pace:
        rate, patience = self._plan.settings.rate, self._plan.settings.node.patience
        if rate is None:
            return AnsweredPace(self._client, before, self._check, patience)
        return RecordedPace(rate, self._check, self._publish_time)

    def _publish(self, pace: Pace, scheduled: Scheduled, message: BagMessage) -> None:
        cdr = self._publishers.bytes_of(message, scheduled.shift_ns)
        camera = self._cameras.get(message.topic)
        if camera is None:
            pace.wait_for(scheduled, None)
            self._publish_time(scheduled.bag_ns)
            self._publishers.publish(message.topic, cdr)
            return
        header = read_header(cdr)
        bag_stamp_ns = header.stamp_ns - scheduled.shift_ns
        if bag_stamp_ns not in self._sent_stamps[message.topic]:  # left out by only_every
            return
        pace.wait_for(scheduled, camera.name)
        self._publish_time(scheduled.bag_ns)
        self._client.image_leaves(camera.name, header, bag_stamp_ns, scheduled.loop)
        self._publishers.publish(message.topic, cdr)

    def _publish_time(self, bag_ns: int) -> None:
        if self._clock is not None:
            self._clock.publish(bag_ns)
