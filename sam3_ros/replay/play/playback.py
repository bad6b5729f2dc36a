"""Messages and prompts out, each in its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sam3_ros.replay.ask.plan import ReplayPlan
from sam3_ros.replay.bag.bag import BagMessage
from sam3_ros.replay.bag.header import read_header
from sam3_ros.replay.bag.schedule import Scheduled
from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.play.bag_publishers import BagPublishers
from sam3_ros.replay.play.paces import OnTime, Pace


@dataclass(frozen=True)
class Progress:
    """at, seconds: the replay's time and length, s, at rate 1."""

    at: float
    seconds: float
    sent: int
    answered: int


OnProgress = Callable[[Progress], None]


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

    def _progress(self, at: float) -> Progress:
        return Progress(at, self._plan.seconds, self._client.sent_count, self._client.mask_count)
