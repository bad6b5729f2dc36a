"""The node's pipeline in this process: all of it real but for sessions that are recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import rclpy
from camera_rig import CameraRig
from geometry_msgs.msg import Point
from node_client import NODE, NodeClient
from rclpy.context import Context
from rclpy.node import Node
from recording_sessions import Change, Outputs, Recorder
from sam3_ros.msg import Prompt, Prompts, PromptStatus
from scenes import colour_scene
from std_msgs.msg import Header

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros.frames.ledger import DropReason, FrameLedger
from sam3_ros.ros.frames.report import PipelineReport
from sam3_ros.ros.health.callback_errors import CallbackErrorLog
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.node.lease import PipelineLease
from sam3_ros.ros.node.pipeline import Pipeline
from sam3_ros.ros.node.rclpy_internals import CallbackExecutor
from sam3_ros.ros.node.responses import Responses
from sam3_ros.ros.node.segment_service import SegmentService
from sam3_ros.ros.parameters.configuration import NodeConfiguration, configuration

SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40)})
SETTINGS = configuration({"frame_memory": 16})


class SmallPipeline:
    """A pipeline with one camera, which has no name; the stamps of its images are in s."""

    def __init__(self, domain: int, bundle: Path) -> None:
        self.recorder, self.settings = Recorder(), SETTINGS
        self.ledger = FrameLedger()
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = Node(NODE.strip("/"), context=self._context)
        self._lease = PipelineLease(NodeLock.NODE.make())
        segmenter = Segmenter.load(bundle, open_session=self.recorder)
        self._lease.install(
            self._node,
            lambda node: Pipeline(node, {"": self.ledger}, segmenter, lambda: self.settings),
        )
        SegmentService(self._node, self._lease)
        self._responses = Responses(self._node)
        self._executor = CallbackExecutor(CallbackErrorLog(self._node), context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()
        self.activate()
        self.client = NodeClient(domain)
        self.camera = CameraRig(self.client)
        self.client.connected(has_diagnostics=False)

    def close(self) -> None:
        self.client.close()
        assert self._lease.free(30)
        self._executor.end_spinning()
        self._thread.join()
        self._executor.shutdown()
        assert self._responses.end(10)
        self._node.destroy_node()
        self._context.try_shutdown()

    def begin_anew(self) -> None:
        """Return to the state of a pipeline that has just been made and activated."""
        for session in self.recorder.opened.values():
            session.change = _same
        self.settings = SETTINGS
        self.client.prompt("set", Prompts())
        self.settled()
        self.deactivate()
        self.activate()
        for kept in (self.camera.masks, self.camera.scores, self.camera.timings):
            kept.clear()
        self.client.statuses.clear()
        self.recorder.runs.clear()

    def activate(self) -> None:
        with self._lease.use_configured() as pipeline:
            pipeline.activate()

    def deactivate(self) -> None:
        with self._lease.use_configured() as pipeline:
            pipeline.deactivate()

    def set(self, **values: object) -> None:
        """Change parameters."""
        with self._lease.use_configured() as pipeline:
            self.settings: NodeConfiguration = replace(self.settings, **values)
            pipeline.settings_changed()

    def report(self) -> PipelineReport:
        with self._lease.use_configured() as pipeline:
            return pipeline.report()

    def dropped(self) -> dict[DropReason, int]:
        """Return how many frames were dropped so far, by each reason that occurred."""
        return {reason: n for reason, n in self.ledger.report().dropped.items() if n}

    def wait_for(self, done: Callable[[], Any], what: str) -> Any:
        return self.client.spin_until(done, what)

    def settled(self) -> None:
        """Wait until no image is in work and no click waits."""

        def idle() -> bool:
            return not self.ledger.report().in_work and not self.report().clicks_waiting

        self.wait_for(idle, "the end of all work")

    def show(self, stamp: int) -> list[str]:
        """Send an image, wait for its answer and return the prompt id of each segment."""
        self.camera.show(stamp, SCENE)
        return self.answer(stamp)

    def send(self, stamp: float) -> None:
        """Send an image and wait until it was received."""
        before = self.ledger.report().received
        self.camera.send(stamp, SCENE)
        self.wait_for(lambda: self.ledger.report().received > before, f"the image {stamp}")

    def answer(self, stamp: int, number: int = 1) -> list[str]:
        """Wait for that many answers to the image; return the prompt ids of the last, sorted."""
        scores = self.camera.answers(self.camera.scores, stamp, number)[-1]
        return sorted(segment.prompt_id for segment in scores.segments)

    def answers(self) -> list[int]:
        """Return the stamps of all answers, s, in the order in which they came."""
        return [scores.header.stamp.sec for scores in self.camera.scores]

    def ask(self, *prompts: Prompt, stamp: int = 0) -> list[PromptStatus]:
        """Add these prompts to the others and return the first status of each."""
        message = Prompts(action=Prompts.PUT, prompts=prompts, header=self.camera.header(stamp))
        before = len(self.client.statuses)
        self.client.publish(f"{NODE}/prompts", message)
        end = before + len(prompts)
        self.wait_for(lambda: len(self.client.statuses) >= end, "prompt statuses")
        assert all(status.accepted for status in self.client.statuses[before:end])
        return self.client.statuses[before:end]

    def clear(self) -> None:
        self.client.prompt("set", Prompts())

    @property
    def refused(self) -> list[tuple[Header, str, str]]:
        """Return header, prompt id and reason of each refusal."""
        return [
            (status.header, status.prompt_id, status.reason)
            for status in self.client.statuses
            if not status.accepted
        ]

    def stages(self) -> list[str]:
        """Return the stages that ran since this was called last."""
        ran = self.recorder.stages
        self.recorder.runs.clear()
        return ran

    def change(self, stage: str, change: Change) -> None:
        """Change the stage's outputs from now on."""
        self.recorder.opened[stage].change = change

    @contextmanager
    def held(self, stamp: int, stage: str = "image_trunk") -> Iterator[None]:
        """Send an image and hold it after this stage has run, until the block ends."""
        with self.holding(stage) as reached:
            self.send(stamp)
            self.wait_for(reached.is_set, f"the stage {stage}")
            self.change(stage, _same)
            yield

    @contextmanager
    def holding(self, stage: str) -> Iterator[threading.Event]:
        """Hold whatever runs this stage until the block ends; yield what is set when it has run."""
        reached, go = threading.Event(), threading.Event()

        def wait(outputs: Outputs) -> Outputs:
            reached.set()
            assert go.wait(60)
            return outputs

        self.change(stage, wait)
        try:
            yield reached
        finally:
            self.change(stage, _same)
            go.set()


def concept(text: str, prompt_id: str = "") -> Prompt:
    return Prompt(id=prompt_id, text=text)


def click(prompt_id: str, at: Sequence[float] = (20.0, 20.0), **more: object) -> Prompt:
    """Make a click, by default on the red patch; `more` are fields of Prompt, such as sticky."""
    return Prompt(id=prompt_id, positive_points=[Point(x=at[0], y=at[1])], **more)


def _same(outputs: Outputs) -> Outputs:
    return outputs
