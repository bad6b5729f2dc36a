"""The bag published by this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rclpy.node import Node

from sam3_ros.replay.ask.plan import ReplayPlan
from sam3_ros.replay.bag.bag import BagMessage
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.play.paces import AnsweredPace, OnTime, Pace, RecordedPace
from sam3_ros.replay.play.publishers import CLOCK_TOPIC, BagClock, BagPublishers
from sam3_ros.replay.play.schedule import Loops, OnProgress, ReplayProgress, Scheduled, schedule
from sam3_ros.replay.under_test.diagnostics import NodeReport


class Playback:
    """on_time is told the bag's time before each message, ns."""

    def __init__(
        self,
        plan: ReplayPlan,
        client: ReplayClient,
        publishers: BagPublishers,
        pace: Pace,
        on_time: OnTime,
    ) -> None:
        self._plan = plan
        self._client = client
        self._publishers = publishers
        self._pace = pace
        self._on_time = on_time
        self._cameras = {camera.images.name: camera for camera in plan.cameras}
        self._sent_stamps = {
            camera.images.name: frozenset(camera.times.stamps_ns) for camera in plan.cameras
        }

    def play(
        self, items: Iterable[Scheduled], progress: OnProgress, settle: Callable[[], object]
    ) -> None:
        """Until all has gone out. progress is told of each message.

        settle is called before stamps repeat, so that no answer is taken for another loop's.
        """
        loop = 0
        for scheduled in items:
            if scheduled.loop > loop:
                loop = scheduled.loop
                if self._plan.settings.repeat_stamps:
                    settle()
                    self._pace.resume(scheduled.at)
            if isinstance(scheduled.item, BagMessage):
                self._publish(scheduled, scheduled.item)
            else:
                self._pace.wait_for(scheduled, None)
                self._pace.asked(self._client.ask(scheduled.item))
            progress(self._progress(scheduled.at))

    def _publish(self, scheduled: Scheduled, message: BagMessage) -> None:
        cdr = self._publishers.bytes_of(message, scheduled.shift_ns)
        camera = self._cameras.get(message.topic)
        if camera is None:
            self._pace.wait_for(scheduled, None)
            self._on_time(scheduled.bag_ns)
            self._publishers.publish(message.topic, cdr)
            return
        header = read_header(cdr)
        bag_stamp_ns = header.stamp_ns - scheduled.shift_ns
        if bag_stamp_ns not in self._sent_stamps[message.topic]:  # only each so manieth is sent
            return
        self._pace.wait_for(scheduled, camera.name)
        self._on_time(scheduled.bag_ns)
        self._client.image_leaves(camera.name, header, bag_stamp_ns, scheduled.loop)
        self._publishers.publish(message.topic, cdr)

    def _progress(self, at: float) -> ReplayProgress:
        return ReplayProgress(
            at, self._plan.seconds, self._client.sent_count, self._client.mask_count
        )


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

    def play(self, before: NodeReport, progress: OnProgress, settle: Callable[[], object]) -> float:
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

    def _pace(self, before: NodeReport) -> Pace:
        rate, patience = self._plan.settings.rate, self._plan.settings.node.patience
        if rate is None:
            return AnsweredPace(self._client, before, self._check, patience)
        return RecordedPace(rate, self._check, self._tell_time)

    def _tell_time(self, bag_ns: int) -> None:
        if self._clock is not None:
            self._clock.tell(bag_ns)
