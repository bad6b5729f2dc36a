"""The player that lets a child `ros2 bag play` publish the bag, and listens."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from sam3_ros.replay.ask.cues import PromptCue, is_on_image
from sam3_ros.replay.ask.plan import CameraPlan, ReplayPlan
from sam3_ros.replay.ask.settings import ReplayError
from sam3_ros.replay.bag.stamps import NANOSECONDS, MessageHeader, read_header
from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.play.publishers import CLOCK_TOPIC, CLOCK_TYPE
from sam3_ros.replay.play.schedule import OnProgress, ReplayProgress
from sam3_ros.replay.under_test.child_process import ChildProcess, exit_in_words
from sam3_ros.replay.under_test.diagnostics import NodeReport
from sam3_ros.ros.message_types import message_class

COMMAND = "ros2"
#: The name of its log, in the folder of a replay.
PLAYER_LOG = "ros2_bag_play.log"
# The player publishes with the recorded QoS; best effort matches either kind.
_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
_CLOCK_HZ = 100
# All subscribers must have found its publishers before the first message, and none says so.
_DELAY_SECONDS = 3.0
_POLL = 0.01


def ros2_command() -> str:
    """Return the path of the command. Raises ReplayError if it is not on PATH."""
    found = shutil.which(COMMAND)
    if found is None:
        raise ReplayError(
            "there is no ros2 command on PATH: source a ROS installation that has rosbag2, or "
            "leave out --player: the replay can play the bag itself"
        )
    return found


class Ros2Player:
    """Publishes prompts by the child's /clock; images count from when they are heard here."""

    def __init__(
        self,
        plan: ReplayPlan,
        client: ReplayClient,
        node: Node,
        log_folder: Path,
        check: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._client = client
        self._log_folder = log_folder
        self._check = check
        self._bag_ns = 0
        for camera in plan.cameras:
            kind = message_class(camera.images.type_name)
            heard = partial(self._image_heard, camera)
            node.create_subscription(kind, camera.published_as, heard, _QOS, raw=True)
        node.create_subscription(message_class(CLOCK_TYPE), CLOCK_TOPIC, self._clock_heard, _QOS)

    @property
    def is_heard(self) -> bool:
        """True: nothing is published before play()."""
        return True

    def play(
        self, _before: NodeReport, progress: OnProgress, settle: Callable[[], object]
    ) -> float:
        """Run the child once a loop, with settle in between. Raises ReplayError if it fails.

        Returns 0.0: the delay of the child's messages is not measured.
        """
        cues = sorted(self._plan.settings.cues, key=lambda cue: cue.at)
        while cues and cues[0].at == 0 and not is_on_image(cues[0]):
            self._client.ask(cues.pop(0))
        for loop in range(self._plan.settings.loops):
            if loop:
                settle()
            self._begin_loop(loop)
            self._play_once(cues, progress)
            for cue in cues:  # after the end of the bag
                self._client.ask(cue)
            cues = []
            self._count_unheard(loop)
        return 0.0

    def command(self) -> list[str]:
        plan = self._plan
        topics = [name for name in plan.bag.topics if name != CLOCK_TOPIC]
        renamed = [
            f"{camera.images.name}:={camera.published_as}"
            for camera in plan.cameras
            if camera.published_as != camera.images.name
        ]
        rate = ["--rate", f"{plan.settings.rate:g}", "--clock", str(_CLOCK_HZ)]
        begin = ["--delay", f"{_DELAY_SECONDS:g}", "--disable-keyboard-controls"]
        remap = ["--remap", *renamed] if renamed else []
        command = [ros2_command(), "bag", "play", str(plan.bag.path), *rate, *begin]
        return [*command, "--topics", *topics, *remap]

    def _play_once(self, cues: list[PromptCue], progress: OnProgress) -> None:
        environment = dict(os.environ)
        if self._plan.settings.domain_id is not None:
            environment["ROS_DOMAIN_ID"] = str(self._plan.settings.domain_id)
        log = self._log_folder / PLAYER_LOG
        with ChildProcess(self.command(), log, environment) as child:
            while child.exit_code is None:
                self._check()
                at = (self._bag_ns - self._plan.bag.start_ns) / NANOSECONDS
                while cues and cues[0].at <= at:
                    self._client.ask(cues.pop(0))
                sent, answered = self._client.sent_count, self._client.mask_count
                progress(ReplayProgress(max(at, 0.0), self._plan.seconds, sent, answered))
                time.sleep(_POLL)
            if child.exit_code:
                said = f"ros2 bag play ended with {exit_in_words(child.exit_code)}"
                raise ReplayError(child.with_last_words(said))

    def _begin_loop(self, loop: int) -> None:
        self._bag_ns = 0
        for camera in self._client.cameras.values():
            camera.log.loop = loop

    def _count_unheard(self, loop: int) -> None:
        """Record the images that the child published and nobody heard: they were sent too."""
        for name, camera in self._client.cameras.items():
            for stamp_ns in camera.plan.times.stamps_ns:
                if not camera.log.is_known(stamp_ns):
                    header = MessageHeader(stamp_ns, "")
                    self._client.image_leaves(name, header, stamp_ns, loop, math.nan)

    def _image_heard(self, camera: CameraPlan, cdr: bytes) -> None:
        header = read_header(cdr)
        log = self._client.cameras[camera.name].log
        if not log.is_known(header.stamp_ns):
            self._client.image_leaves(camera.name, header, header.stamp_ns, log.loop)

    def _clock_heard(self, message: Any) -> None:
        self._bag_ns = message.clock.sec * NANOSECONDS + message.clock.nanosec
