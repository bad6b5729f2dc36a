"""Messages and prompts out at their times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sam3_ros.ros.replay.bag import BagMessage
from sam3_ros.ros.replay.bag_publishers import BagPublishers
from sam3_ros.ros.replay.message_header import read_header
from sam3_ros.ros.replay.replay_client import ReplayClient
from sam3_ros.ros.replay.schedule import ImageTimes, Scheduled

# How long a node that has ended may go unnoticed in a pause of the bag.
_LONGEST_SLEEP = 0.1


@dataclass(frozen=True)
class Progress:
    """at, seconds: the replay's time and length, s, at rate 1."""

    at: float
    seconds: float
    sent: int
    answered: int


class Playback:
    """lateness: the worst delay of a message against its time so far, s."""

    def __init__(
        self,
        client: ReplayClient,
        publishers: BagPublishers,
        image_topic: str,
        times: ImageTimes,
        rate: float,
    ) -> None:
        self._client = client
        self._publishers = publishers
        self._image_topic = image_topic
        self._times = times
        self._rate = rate
        self.lateness = 0.0

    def play(
        self,
        items: Iterable[Scheduled],
        seconds: float,
        check: Callable[[], None],
        progress: Callable[[Progress], None],
    ) -> None:
        """Until all has gone out. check raises to end it early; progress is told of each image."""
        begin = time.monotonic()
        for scheduled in items:
            self._wait_for(begin + scheduled.at / self._rate, check)
            if isinstance(scheduled.item, BagMessage):
                self._publish(scheduled.item, scheduled.shift_ns)
            else:
                cue = scheduled.item
                self._client.ask(cue, self._times.stamp_near(cue.at))
            log = self._client.log
            progress(Progress(scheduled.at, seconds, log.sent_count, log.mask_count))

    def _publish(self, message: BagMessage, shift_ns: int) -> None:
        cdr = self._publishers.bytes_of(message, shift_ns)
        if message.topic == self._image_topic:
            header = read_header(cdr)
            self._client.image_leaves(header, header.stamp_ns - shift_ns)
        self._publishers.publish(message.topic, cdr)

    def _wait_for(self, due: float, check: Callable[[], None]) -> None:
        check()
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, _LONGEST_SLEEP))
            check()
        self.lateness = max(self.lateness, -left)
