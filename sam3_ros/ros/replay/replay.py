"""A bag through the node over real DDS, each image accounted for."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sam3_ros.ros.dds_environment import use_image_profile
from sam3_ros.ros.node_process import keep_image_memory
from sam3_ros.ros.replay.bag import open_bag
from sam3_ros.ros.replay.bag_publishers import BagPublishers
from sam3_ros.ros.replay.node_account import NodeAccount
from sam3_ros.ros.replay.node_child import NodeChild
from sam3_ros.ros.replay.node_command import node_arguments
from sam3_ros.ros.replay.overlay_album import OverlayAlbum
from sam3_ros.ros.replay.playback import Playback, Progress
from sam3_ros.ros.replay.prompt_cues import asked_at
from sam3_ros.ros.replay.prompt_judge import PromptJudge
from sam3_ros.ros.replay.replay_client import OnAnswer, ReplayClient
from sam3_ros.ros.replay.replay_plan import ReplayPlan, read_plan
from sam3_ros.ros.replay.replay_waits import wait_until, wait_until_active, wait_until_settled
from sam3_ros.ros.replay.report import ReplayReport, account_frames, latency_of
from sam3_ros.ros.replay.schedule import schedule
from sam3_ros.ros.replay.settings import ReplayError, ReplaySettings
from sam3_ros.ros.spinning_node import SpinningNode

NODE_NAME = "sam3_ros_replay"
# An endpoint is known here a little before it knows of us, and there is no way to ask.
_MATCHING_SECONDS = 0.5
# In which a node that runs already is seen; a slower one is seen when ours has come up.
_LOOK_AROUND_SECONDS = 1.0
# An overlay leaves the node right after its mask.
_OVERLAY_SECONDS = 0.3

OnProgress = Callable[[Progress], None]


def replay(
    settings: ReplaySettings, progress: OnProgress, on_answer: OnAnswer | None = None
) -> ReplayReport:
    """Play the bag and report. progress is told of each message and prompt that went out.

    on_answer gets every answer, in another thread, one at a time; what it raises ends the replay.
    Sets the process's environment for Fast DDS. Raises BagError, NodeFailedError, ReplayError.
    """
    use_image_profile(os.environ)
    keep_image_memory()
    with ExitStack() as stack:
        bag = stack.enter_context(open_bag(settings.bag))
        plan = read_plan(bag, settings)
        album = _album(plan)
        judge = PromptJudge(plan.truth)
        began = time.monotonic()
        stage = _Stage(plan, judge, album, on_answer, stack.enter_context(ExitStack()))
        before = stage.raise_curtain()
        playback = stage.play(progress)
        account = stage.settle(before)
        stage.close()
        return ReplayReport(
            bag=str(settings.bag),
            node=settings.node.name,
            seconds=time.monotonic() - began,
            frames=account_frames(
                stage.log.sent_count,
                stage.log.mask_count,
                account.received,
                account.answered,
                account.dropped,
            ),
            latency=latency_of(stage.log.latencies),
            prompts=judge.reports(),
            has_truth=plan.truth is not None,
            stray_masks=stage.log.stray_masks,
            wrong_frame_ids=stage.log.wrong_frame_ids,
            missing_scores=stage.log.missing_scores,
            publish_lateness_ms=playback.lateness * 1000,
            files=() if album is None else tuple(map(str, album.close())),
        )


class _Stage:
    """Our ROS node and, if it is ours to start, the segmentation node; closed with the stack."""

    def __init__(
        self,
        plan: ReplayPlan,
        judge: PromptJudge,
        album: OverlayAlbum | None,
        on_answer: OnAnswer | None,
        stack: ExitStack,
    ) -> None:
        self._plan = plan
        self._stack = stack
        self._child: NodeChild | None = None
        self._spinning = SpinningNode(NODE_NAME, plan.settings.domain_id)
        node = self._spinning.node
        self._client = ReplayClient(
            node,
            plan.settings.node.name,
            judge,
            None if album is None else lambda image, stamp_ns: album.add(image, plan.at(stamp_ns)),
            on_answer,
        )
        self._publishers = BagPublishers(
            node,
            plan.bag.topics.values(),
            needed=plan.images.name,
            renamed={plan.images.name: plan.published_as},
        )
        stack.enter_context(self._spinning)
        self.log = self._client.log
        self.close = stack.close

    def raise_curtain(self) -> NodeAccount:
        """Bring the node up and connect; its account before the first image."""
        settings = self._plan.settings.node
        if settings.starts_here:
            time.sleep(_LOOK_AROUND_SECONDS)
            self._refuse_more_nodes_than(0)
            self._child = self._stack.enter_context(_start_node(self._plan, self._stack))
        before = wait_until_active(self._client, self._child, self._check, settings.patience)
        wait_until(
            lambda: (
                self._client.is_connected
                and self._publishers.subscriber_count(self._plan.images.name) > 0
            ),
            self._check,
            settings.patience,
            self._child,
            f"the node to subscribe to {self._plan.published_as} and to publish its answers",
        )
        time.sleep(_MATCHING_SECONDS)
        self._refuse_more_nodes_than(1)
        return before

    def play(self, progress: OnProgress) -> Playback:
        plan = self._plan
        playback = Playback(
            self._client, self._publishers, plan.images.name, plan.times, plan.settings.rate
        )
        items = schedule(
            plan.bag,
            self._publishers.topics,
            plan.settings.cues,
            plan.settings.loops,
            plan.times.period,
        )
        playback.play(items, plan.seconds, self._check, progress)
        return playback

    def settle(self, before: NodeAccount) -> NodeAccount:
        patience = self._plan.settings.node.patience
        account = wait_until_settled(self._client, before, self._check, patience)
        time.sleep(_OVERLAY_SECONDS)
        self._check()
        # On a busy machine another node is only found by now, and its answers were among ours.
        self._refuse_more_nodes_than(1)
        return account

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
    arguments = node_arguments(settings.node, plan.images, plan.published_as)
    return NodeChild(arguments, folder / "node.log", environment)


def _album(plan: ReplayPlan) -> OverlayAlbum | None:
    settings, period = plan.settings, plan.times.period or 1.0
    if settings.out is None:
        return None
    return OverlayAlbum(
        settings.out,
        plan.seconds,
        1 / period,
        lambda at: asked_at(settings.cues, at, click_seconds=period),
    )
