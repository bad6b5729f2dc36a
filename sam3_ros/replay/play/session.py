"""The session of a replay: our ROS node, the segmentation node and the player."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from sensor_msgs.msg import Image

from sam3_ros.replay.ask.plan import ReplayPlan
from sam3_ros.replay.ask.settings import Player, ReplayError
from sam3_ros.replay.client.camera_record import CameraRecord
from sam3_ros.replay.client.client import OnAnswer, ReplayClient
from sam3_ros.replay.client.frame_log import SentFrame
from sam3_ros.replay.client.spinning import SpinningNode
from sam3_ros.replay.play.own_player import OwnPlayer
from sam3_ros.replay.play.ros2_player import Ros2Player
from sam3_ros.replay.play.schedule import OnProgress
from sam3_ros.replay.play.waits import wait_until, wait_until_active, wait_until_settled
from sam3_ros.replay.report.pictures import OverlayAlbum
from sam3_ros.replay.under_test.diagnostics import FrameCounts, NodeReport
from sam3_ros.replay.under_test.node import NODE_LOG, NodeChild, node_arguments

NODE_NAME = "sam3_ros_replay"
# Discovery here completes a little before discovery at the other end, which cannot be queried.
_MATCHING_SECONDS = 0.5
# To find a node that is already running; one that is found later is noticed when ours is up.
_LOOK_AROUND_SECONDS = 1.0
# The node publishes an overlay right after its mask.
_OVERLAY_SECONDS = 0.3


class ReplaySession:
    """Our ROS node and, if the settings say so, the segmentation node; closed with the stack."""

    def __init__(
        self,
        plan: ReplayPlan,
        cameras: Mapping[str, CameraRecord],
        albums: Mapping[str, OverlayAlbum],
        on_answer: OnAnswer | None,
        stack: ExitStack,
    ) -> None:
        self._plan = plan
        self._albums = albums
        self._stack = stack
        self._child: NodeChild | None = None
        self._before: NodeReport | None = None
        self._spinning = SpinningNode(NODE_NAME, plan.settings.domain_id)
        node = self._spinning.node
        on_overlay = self._keep_overlay if albums else None
        self._client = ReplayClient(node, plan.settings.node.name, cameras, on_overlay, on_answer)
        self._folder = plan.settings.out or Path(stack.enter_context(TemporaryDirectory()))
        self._player: OwnPlayer | Ros2Player
        if plan.settings.player is Player.ROS2:
            self._player = Ros2Player(plan, self._client, node, self._folder, self._check)
        else:
            self._player = OwnPlayer(plan, self._client, node, self._check)
        stack.enter_context(self._spinning)
        self.close = stack.close

    def start(self) -> None:
        """Start the node and connect to it.

        Raises NodeFailedError; ReplayError if another node of that name runs.
        """
        settings = self._plan.settings.node
        if settings.starts_here:
            time.sleep(_LOOK_AROUND_SECONDS)
            self._refuse_more_nodes_than(0)
            self._child = self._stack.enter_context(self._start_node())
        self._before = wait_until_active(self._client, self._child, self._check, settings.patience)
        topics = ", ".join(topic for camera in self._plan.cameras for topic in camera.inputs)
        wait_until(
            lambda: self._client.is_connected and self._player.is_heard,
            self._check,
            settings.patience,
            self._child,
            f"the node to subscribe to {topics} and to publish its answers",
        )
        time.sleep(_MATCHING_SECONDS)
        self._refuse_more_nodes_than(1)

    def play(self, progress: OnProgress) -> float:
        """Play all that is scheduled; return the worst delay of a message, s."""
        assert self._before is not None, "the session was started"
        return self._player.play(self._before, progress, self._wait_until_settled)

    def settle(self) -> dict[str, FrameCounts]:
        """Wait for the last answers; return the node's counts of this replay, by camera."""
        counts = self._wait_until_settled()
        time.sleep(_OVERLAY_SECONDS)
        self._check()
        # On a busy machine another node may be found only now, and its answers were among ours.
        self._refuse_more_nodes_than(1)
        return counts

    def _wait_until_settled(self) -> dict[str, FrameCounts]:
        assert self._before is not None, "the session was started"
        patience = self._plan.settings.node.patience
        return wait_until_settled(self._client, self._before, self._check, patience)

    def _keep_overlay(self, camera: str, overlay: Image, frame: SentFrame) -> None:
        at = self._client.cameras[camera].plan.at(frame.bag_stamp_ns)
        self._albums[camera].add(overlay, at + frame.loop * self._plan.loop_seconds)

    def _check(self) -> None:
        self._spinning.check()
        if self._child is not None:
            self._child.check()

    def _refuse_more_nodes_than(self, count: int) -> None:
        if self._client.answering_nodes > count:
            raise ReplayError(
                f"another {self._plan.settings.node.name} runs in this ROS domain: use it with "
                "--no-node, stop it, or choose another domain with ROS_DOMAIN_ID"
            )

    def _start_node(self) -> NodeChild:
        settings = self._plan.settings
        environment = dict(os.environ)
        if settings.domain_id is not None:
            environment["ROS_DOMAIN_ID"] = str(settings.domain_id)
        arguments = node_arguments(settings, self._plan.cameras)
        return NodeChild(arguments, self._folder / NODE_LOG, environment)
