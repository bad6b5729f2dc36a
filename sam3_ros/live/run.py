"""Runs the node, and a camera if one is asked for, until Ctrl-C, SIGTERM or the end of a video."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.signals import ended_by_signals
from sam3_ros.live.camera_child import CameraChild, CameraSettings
from sam3_ros.live.no_images import Silence, Write
from sam3_ros.live.watch import NodeWatch
from sam3_ros.replay.under_test.child_process import exit_in_words
from sam3_ros.replay.under_test.node import NodeChild
from sam3_ros.ros.launching.dds import (
    PROFILE_VARIABLES,
    TRANSPORTS_VARIABLE,
    profile_variable,
    use_image_profile,
)
from sam3_ros.ros.launching.process_arguments import NodeCommand
from sam3_ros.topics.listening import domain_text, topic_node

# For other publishers of the topic to be discovered.
_LOOK_SECONDS = 0.7
_LINE_SECONDS = 1.0
# For the last answers after the end of a video.
_SETTLE_SECONDS = 3.0
# For discovery at the other end, which cannot be queried.
_MATCHING_SECONDS = 0.5


class NodeRunError(Sam3RosError):
    """The node does not start, or has ended by itself."""


@dataclass(frozen=True)
class RunSettings:
    """What is run."""

    node: NodeCommand
    #: None where the images come from a driver of their own.
    camera: CameraSettings | None = None
    #: Whether to write each second what was found. The node then works for us alone.
    show: bool = False

    @property
    def waits_for_a_manager(self) -> bool:
        return self.node.parameters.get("autostart") is False

    @property
    def builds_only(self) -> bool:
        return self.node.parameters.get("build_only") is True


def run(settings: RunSettings, write: Write) -> None:
    """Run until the end, which a signal or the end of the video is.

    Raises SourceError and NodeRunError for an end that nobody asked for.
    """
    with ExitStack() as stack:
        stack.enter_context(ended_by_signals(write))
        _use_profile(settings.node, os.environ)
        node, context = stack.enter_context(topic_node())
        watch = NodeWatch(node, context, settings.node.full_name)
        stack.callback(watch.close)
        _Run(settings, watch, stack, write).until_the_end()


def _use_profile(node: NodeCommand, environment: MutableMapping[str, str]) -> None:
    """Let this process and its children carry images as the node is asked to."""
    if node.fastdds_profile is None:
        use_image_profile(environment)
        return
    variable = profile_variable(environment)
    for name in PROFILE_VARIABLES:
        environment.pop(name, None)
    if node.fastdds_profile:
        environment[variable] = node.fastdds_profile
    else:
        environment[TRANSPORTS_VARIABLE] = "DEFAULT"


class _Run:
    """One run, from the start of the node."""

    def __init__(
        self,
        settings: RunSettings,
        watch: NodeWatch,
        stack: ExitStack,
        write: Write,
    ) -> None:
        self._settings, self._watch, self._write = settings, watch, write
        self._camera: CameraChild | None = None
        self._has_warned = False
        if settings.camera is not None:
            watch.wait(_LOOK_SECONDS)
            self._require_free_topic(settings.camera)
            self._camera = stack.enter_context(CameraChild(settings.camera, os.environ))
            write(f"camera     {settings.camera.name}: {self._camera.wait_until_ready()}")
        folder = Path(stack.enter_context(TemporaryDirectory()))
        self._child = NodeChild(settings.node.arguments(folder), None, os.environ)
        stack.enter_context(self._child)

    def until_the_end(self) -> None:
        watch = self._watch
        while not self._is_ready():
            if self._has_ended():
                return
            watch.wait(_LINE_SECONDS, self._is_ready)
        self._introduce()
        if self._settings.show:
            watch.listen_to_answers()
        if self._camera is not None:
            watch.wait(_MATCHING_SECONDS)
            watch.sight()
            self._camera.go()
        silence = Silence(self._settings.node.full_name, watch, self._write)
        while not self._has_ended():
            watch.wait(_LINE_SECONDS)
            self._warn_of_a_namesake()
            if self._camera is not None:
                self._camera.check()
            silence.check()
            if self._settings.show:
                watch.listen_to_answers()  # a camera's topics may be discovered late
                self._write(str(watch.sight()))
            if self._camera is not None and self._camera.published is not None:
                return self._tell_the_end(self._camera.published)

    def _is_ready(self) -> bool:
        report = self._watch.report
        if report is None or self._settings.builds_only:
            return False
        return report.state == "active" or self._settings.waits_for_a_manager

    def _has_ended(self) -> bool:
        """Return whether the node has built all. Raises NodeRunError for any other end."""
        code = self._child.exit_code
        if code == 0 and self._settings.builds_only:
            return True
        if code is not None:
            raise NodeRunError(f"the node ended with {exit_in_words(code)}: its log above says why")
        report = self._watch.report
        is_ours = not self._settings.waits_for_a_manager and not self._settings.builds_only
        if is_ours and report is not None and report.failure and report.state != "active":
            raise NodeRunError(f"the node is {report.failure}")
        return False

    def _warn_of_a_namesake(self) -> None:
        # Not an error: one that was killed stays in the graph for a while.
        if self._watch.namesakes > 1 and not self._has_warned:
            self._has_warned = True
            self._write(
                f"warning    another node {self._settings.node.full_name} is in "
                f"{domain_text()}: both answer, unless one has another name:=..."
            )

    def _require_free_topic(self, camera: CameraSettings) -> None:
        topic = f"{camera.topic}/compressed" if camera.compressed else camera.topic
        if self._watch.node.count_publishers(topic):
            raise NodeRunError(
                f"somebody publishes {topic} already ({domain_text()}): leave --camera and --video "
                "away to use those images, or give this camera another image:=..."
            )

    def _introduce(self) -> None:
        name = self._settings.node.full_name
        self._watch.wait(_MATCHING_SECONDS, lambda: bool(self._watch.image_topics()))
        self._watch.wait(_MATCHING_SECONDS, lambda: bool(self._watch.prompts()))
        of_node = "" if name == "/segmentation_node" else f" --node {name}"
        prompts = self._watch.prompts()
        state = self._watch.report.state if self._watch.report is not None else ""
        self._write(f"node       {name}, {state}, {domain_text()}")
        self._write(f"images     {', '.join(self._watch.image_topics()) or 'none yet'}")
        self._write(f"asked      {'; '.join(prompts) or 'nothing yet'}")
        self._write(f"answers    {name}/scores, {name}/mask, {name}/overlay and more")
        self._write("next       in another terminal:")
        self._write(f'             sam3-ros ask "red cube"{of_node}')
        self._write(f"             sam3-ros topic echo {name}/scores --once")
        self._write("end        Ctrl-C")

    def _tell_the_end(self, sent: int) -> None:
        """Write what became of a video's pictures."""
        watch = self._watch
        watch.wait(_SETTLE_SECONDS, lambda: self._is_settled(sent))
        assert watch.report is not None
        counts = watch.report.of("")
        lost = sent - counts.received
        dropped = {reason: n for reason, n in counts.dropped.items() if n}
        if lost > 0:
            dropped["lost on the way"] = lost
        reasons = ", ".join(f"{n} {reason}" for reason, n in dropped.items())
        without = f"; without an answer: {reasons}" if reasons else ""
        self._write(f"end        {sent} images, {counts.answered} answered{without}")

    def _is_settled(self, sent: int) -> bool:
        report = self._watch.report
        if report is None:
            return False
        counts = report.of("")
        return counts.received >= sent and counts.in_work == 0
