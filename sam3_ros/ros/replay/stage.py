"""Everything that runs during a replay: our ROS node, the segmentation node, the player."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from sensor_msgs.msg import Image

from sam3_ros.ros.replay.bag_clock import CLOCK_TOPIC, BagClock
from sam3_ros.ros.replay.bag_publishers import BagPublishers
from sam3_ros.ros.replay.camera_account import CameraAccount
from sam3_ros.ros.replay.node_account import FrameCounts, NodeAccount
from sam3_ros.ros.replay.node_child import NodeChild
from sam3_ros.ros.replay.node_command import node_arguments
from sam3_ros.ros.replay.overlay_album import OverlayAlbum
from sam3_ros.ros.replay.paces import AnsweredPace, Pace, RecordedPace
from sam3_ros.ros.replay.playback import OnProgress, Playback
from sam3_ros.ros.replay.replay_client import OnAnswer, ReplayClient
from sam3_ros.ros.replay.replay_plan import ReplayPlan
from sam3_ros.ros.replay.replay_waits import wait_until, wait_until_active, wait_until_settled
from sam3_ros.ros.replay.schedule import Loops, schedule
from sam3_ros.ros.replay.settings import ReplayError
from sam3_ros.ros.spinning_node import SpinningNode

NODE_NAME = "sam3_ros_replay"
# An endpoint is known here a little before it knows of us, and there is no way to ask.
_MATCHING_SECONDS = 0.5
# In which a node that runs already is seen; a slower one is seen when ours has come up.
_LOOK_AROUND_SECONDS = 1.0
# An overlay leaves the node right after its mask.
_OVERLAY_SECONDS = 0.3


class Stage:
    """Our ROS node and, if it is ours to start, the segmentation node; closed with the stack."""

    def __init__(
        self,
        plan: ReplayPlan,
        cameras: Mapping[str, CameraAccount],
        albums: Mapping[str, OverlayAlbum],
        on_answer: OnAnswer | None,
        stack: ExitStack,
    ) -> None:
        self._plan = plan
        self._albums = albums
        self._stack = stack
        self._child: NodeChild | None = None
        self._before: NodeAccount | None = None
        self._spinning = SpinningNode(NODE_NAME, plan.settings.domain_id)
        node = self._spinning.node
        on_overlay = self._keep_overlay if albums else None
        self._client = ReplayClient(node, plan.settings.node.name, cameras, on_overlay, on_answer)
        self._clock = BagClock(node) if plan.settings.clock else None
        self._publishers = BagPublishers(
            node,
            [t for n, t in plan.bag.topics.items() if n != CLOCK_TOPIC or self._clock is None],
            needed=[camera.images.name for camera in plan.cameras],
            renamed={camera.images.name: camera.published_as for camera in plan.cameras},
        )
        stack.enter_context(self._spinning)
        self.close = stack.close

    def raise_curtain(self) -> None:
        """Bring the node up and connect."""
        settings = self._plan.settings.node
        if settings.starts_here:
            time.sleep(_LOOK_AROUND_SECONDS)
            self._refuse_more_nodes_than(0)
            self._child = self._stack.enter_context(_start_node(self._plan, self._stack))
        self._before = wait_until_active(self._client, self._child, self._check, settings.patience)
        topics = ", ".join(camera.published_as for camera in self._plan.cameras)
        wait_until(
            self._is_connected,
            self._check,
            settings.patience,
            self._child,
            f"the node to subscribe to {topics} and to publish its answers",
        )
        time.sleep(_MATCHING_SECONDS)
        self._refuse_more_nodes_than(1)

    def play(self, progress: OnProgress) -> float:
        """Everything that is scheduled; the worst delay of a message, s."""
        plan, settings = self._plan, self._plan.settings
        pace = self._pace()
        playback = Playback(plan, self._client, self._publishers, pace, self._tell_time)
        loops = Loops(settings.loops, plan.period, settings.repeat_stamps)
        items = schedule(plan.bag, self._publishers.topics, settings.cues, loops)
        playback.play(items, progress, self._wait_until_settled)
        return pace.lateness

    def settle(self) -> dict[str, FrameCounts]:
        """Wait for the last answers; the node's counts of this replay, by camera."""
        counts = self._wait_until_settled()
        time.sleep(_OVERLAY_SECONDS)
        self._check()
        # On a busy machine another node is only found by now, and its answers were among ours.
        self._refuse_more_nodes_than(1)
        return counts

    def _pace(self) -> Pace:
        rate, patience = self._plan.settings.rate, self._plan.settings.node.patience
        if rate is not None:
            return RecordedPace(rate, self._check, self._tell_time)
        assert self._before is not None
        return AnsweredPace(self._client, self._before, self._check, patience)

    def _is_connected(self) -> bool:
        images = (camera.images.name for camera in self._plan.cameras)
        are_heard = all(self._publishers.subscriber_count(topic) > 0 for topic in images)
        return self._client.is_connected and are_heard

    def _wait_until_settled(self) -> dict[str, FrameCounts]:
        assert self._before is not None, "the curtain is up"
        patience = self._plan.settings.node.patience
        return wait_until_settled(self._client, self._before, self._check, patience)

    def _tell_time(self, bag_ns: int) -> None:
        if self._clock is not None:
            self._clock.tell(bag_ns)

    def _keep_overlay(self, camera: str, overlay: Image, stamp_ns: int) -> None:
        plan = self._client.cameras[camera].plan
        self._albums[camera].add(overlay, plan.at(stamp_ns))

    def _check(self) -> None:
        self._spinning.check()
        if self._child is not None:
            self._child.check()

    def _refuse_more_nodes_than(self, count: int) -> None:
        if self._client.answering_nodes > count:
            raise ReplayError(
                f"another {self._plan.settings.node.name} runs in this ROS domain: use it with "
                "--no-node, stop it, or choose another domain by ROS_DOMAIN_ID"
            )


def _start_node(plan: ReplayPlan, stack: ExitStack) -> NodeChild:
    settings = plan.settings
    folder = settings.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
    environment = dict(os.environ)
    if settings.domain_id is not None:
        environment["ROS_DOMAIN_ID"] = str(settings.domain_id)
    return NodeChild(node_arguments(settings, plan.cameras), folder / "node.log", environment)
