"""What a configured node has: the model, the topics, and the thread between them.

Above 300 lines, because what is made here is undone here, in the other order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros.answers.outputs import Outputs
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.answerer import FrameAnswerer, FrameTools
from sam3_ros.ros.frames.image_subscription import ImageSubscription
from sam3_ros.ros.frames.ledger import FrameLedger
from sam3_ros.ros.frames.losses import ImageLosses, LostImages
from sam3_ros.ros.frames.memory import FrameMemory, MemoryLimits
from sam3_ros.ros.frames.one_shot_calls import OneShotCalls
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.frames.report import CameraReport, PipelineReport
from sam3_ros.ros.frames.seen import FramesSeen
from sam3_ros.ros.frames.work import CameraMessage
from sam3_ros.ros.frames.worker import InferenceWorker
from sam3_ros.ros.images.conversion import choose_converter
from sam3_ros.ros.node.depth_pipeline import DepthPipeline
from sam3_ros.ros.node.lost_images import remedy
from sam3_ros.ros.parameters.configuration import NodeConfiguration
from sam3_ros.ros.parameters.values import ParameterError
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts
from sam3_ros.ros.prompts.inbox import PromptInbox
from sam3_ros.ros.prompts.keeping import Keeping, PromptKeeping
from sam3_ros.ros.prompts.rules import PromptRules
from sam3_ros.ros.stamps import NANOSECONDS, nanoseconds
from sam3_ros.ros.throttled_log import THROTTLED_LONG

MEBIBYTE = 2**20


class Pipeline:
    """Made in on_configure, closed in on_cleanup; answers frames while it is active."""

    def __init__(
        self,
        node: Node,
        ledgers: Mapping[str, FrameLedger],
        segmenter: Segmenter,
        configuration: Callable[[], NodeConfiguration],
    ) -> None:
        """Take over the segmenter: it is closed with the pipeline, or if this raises.

        ledgers: by the name of each camera in the configuration. Raises PromptError for prompts of
        the configuration that cannot be asked, and Sam3RosError where target_frame cannot be had.
        """
        self._node, self._segmenter, self._configuration = node, segmenter, configuration
        self._cameras = configuration().camera_set()
        self._ledgers = {name: ledgers[name] for name in self._cameras.names}
        self._activity = Activity()
        self._memory, self._queue = FrameMemory(self._memory_limits), FrameQueue()
        self.prompts = ActivePrompts(self._cameras.names)
        self._keeping: Callable[[], Keeping] = Keeping
        with ExitStack() as undo:
            undo.callback(segmenter.close)
            self._outputs = self._make_outputs(undo)
            self._depth = self._make_depth(undo)
            self._answerer = self._make_answerer()
            self._frames = FramesSeen(
                self._cameras, self._memory, self._queue, self.prompts, self._answerer.images.sizes
            )
            self._rules = self._make_rules()
            self.inbox = self._make_inbox(undo)
            self._worker = self._make_worker(undo)
            self.prompts.on_change(self._queue.put_tidy)
            self.calls = self._make_calls()
            self._losses = {name: self._make_losses() for name in self._cameras.names}
            self._subscriptions = {each.name: self._subscribe(each) for each in self._cameras}
            self._closing = undo.pop_all()

    def activate(self) -> None:
        """Answer the frames that come from now on."""
        self._activity.switch(True)

    def deactivate(self) -> None:
        """Publish no answer from now on; a frame in work ends as dropped."""
        self._activity.switch(False)
        if self._depth is not None:
            self._depth.deactivate()
        self._worker.discard()
        self._memory.clear()
        self._queue.put_tidy()

    def settings_changed(self) -> None:
        """Apply the parts of a changed configuration that are not read for each frame."""
        self._memory.trim()
        self._publish_labels()

    def close(self, timeout: float) -> bool:
        """Free everything, topics first.

        False, and the model is kept, if the thread does not end within the timeout, s.
        """
        self.deactivate()
        while self._subscriptions:
            self._subscriptions.popitem()[1].destroy()
        if not self._worker.stop(timeout):
            return False
        self._closing.close()
        return True

    def report(self) -> PipelineReport:
        """Report the present state; from any thread."""
        now = time.monotonic()
        clicks_waiting, oldest_click = self._queue.clicks()
        kept_frames, kept_frame_bytes = self._memory.size()
        texts = self._segmenter.kept_texts
        return PipelineReport(
            providers=self._segmenter.providers,
            converter=self._converter.name,
            prompts=tuple(dict.fromkeys(active.prompt.id for active in self.prompts.all())),
            cameras={name: self._camera_report(name, now) for name in self._cameras.names},
            clicks_waiting=clicks_waiting,
            oldest_click_s=None if oldest_click is None else now - oldest_click,
            clicks_at_once=self._worker.clicks_at_once,
            calls_waiting=self._queue.calls(),
            calls_answered=self._worker.calls_answered,
            kept_frames=kept_frames,
            kept_frame_bytes=kept_frame_bytes,
            kept_texts=texts.texts,
            kept_text_bytes=texts.nbytes,
            steps=self._answerer.latencies.report(),
            lost_prompts=self.inbox.losses(now),
            keeping=self._keeping(),
            last_error=self._worker.last_error,
        )

    @property
    def topics_to_come(self) -> tuple[str, ...]:
        """The full names of topics that are subscribed to once somebody listens."""
        return () if self._depth is None else self._depth.topics

    def _camera_report(self, name: str, now: float) -> CameraReport:
        waiting_since, lost = self._queue.waiting_since(name), self._losses[name].report(now)
        return CameraReport(
            frames=self._ledgers[name].report(),
            waiting_s=None if waiting_since is None else now - waiting_since,
            silent_s=self._worker.silent_for(name),
            lost=lost,
            publishers=len(self._subscriptions[name].publishers()),
            remedy=self._remedy(name, lost),
            image_finding=self._answerer.images.watch.finding(name),
            tracks=(tracks := self._answerer.tracks.report(name)),
            tracks_refused=tracks.refusal(now),
            depth=None if self._depth is None else self._depth.report(name),
        )

    def _make_outputs(self, undo: ExitStack) -> dict[str, Outputs]:
        concept = self._segmenter.bundle.manifest.concept
        threshold = concept.score_threshold if concept is not None else 0.0
        made = {}
        for camera in self._cameras:
            asked = partial(self.prompts.snapshot, camera.name)
            made[camera.name] = Outputs(self._node, camera, self._configuration, asked, threshold)
            undo.callback(made[camera.name].destroy)
        return made

    def _make_depth(self, undo: ExitStack) -> DepthPipeline | None:
        settings = self._configuration()
        if settings.target_frame and not settings.depth:
            raise ParameterError(
                f"parameter 'target_frame' is {settings.target_frame!r}, and depth is false: only "
                "what is in space has a frame; set depth, or leave target_frame empty"
            )
        if not settings.depth:
            return None
        depth = DepthPipeline(
            self._node,
            self._cameras,
            self._configuration,
            self._activity,
            self._queue,
            lambda steps: self._answerer.latencies.add(steps),
        )
        undo.callback(depth.destroy)
        return depth

    def _make_answerer(self) -> FrameAnswerer:
        choice = choose_converter()
        if choice.why_not_cv_bridge:
            self._node.get_logger().info(
                f"no cv_bridge here ({choice.why_not_cv_bridge}): our own converter reads images"
            )
        self._converter = choice.converter
        return FrameAnswerer(
            FrameTools(
                segmenter=self._segmenter,
                converter=self._converter,
                prompts=self.prompts,
                memory=self._memory,
                outputs=self._outputs,
                activity=self._activity,
                configuration=self._configuration,
                refuse=self._refuse,
                warn=self._warn,
                logger=self._node.get_logger(),
                space=None if self._depth is None else self._depth.answers,
            )
        )

    def _make_rules(self) -> PromptRules:
        return PromptRules(
            manifest=self._segmenter.bundle.manifest,
            cameras=self._cameras,
            frames=self._frames,
            topic_settings=lambda: self._configuration().topic_settings(),
            warnings_on=self._segmenter.warnings,
        )

    def _make_inbox(self, undo: ExitStack) -> PromptInbox:
        inbox = PromptInbox(self._node, self.prompts, self._rules)
        undo.callback(inbox.destroy)
        by_parameter = inbox.ask_parameter(self._configuration().prompt_entries())
        if self._configuration().keep_prompts:
            keeping = PromptKeeping(self._node, self.prompts, self._rules, inbox, by_parameter)
            undo.callback(keeping.destroy)
            self._keeping = lambda: keeping.state
        self._publish_labels()
        self.prompts.on_change(self._publish_labels)
        return inbox

    def _make_worker(self, undo: ExitStack) -> InferenceWorker:
        worker = InferenceWorker(
            self._answerer,
            self._queue,
            self._ledgers,
            self._activity,
            self._node.get_logger(),
            lambda: self._configuration().max_rate,
            lambda: self._node.get_clock().now().nanoseconds,
        )
        undo.callback(worker.stop, 0.0)  # it is idle, or close() has waited for it
        return worker

    def _make_calls(self) -> OneShotCalls:
        return OneShotCalls(
            self._rules,
            self._frames,
            self._queue,
            self._activity,
            self._worker.silent_for,
            lambda: self._configuration().silence_warn_s,
        )

    def _subscribe(self, camera: Camera) -> ImageSubscription:
        settings = self._configuration()
        # Resolved first, so that a remapping of `image` applies to the compressed topic too.
        topic, kind = self._node.resolve_topic_name(camera.image_topic), Image
        if settings.image_transport == "compressed":
            topic, kind = f"{topic}/compressed", CompressedImage
        callback = partial(self._on_image, camera.name)
        return ImageSubscription(self._node, kind, topic, settings.image_reliability, callback)

    def _make_losses(self) -> ImageLosses:
        return ImageLosses(lambda: self._configuration().clock_jump_s)

    def _memory_limits(self) -> MemoryLimits:
        settings = self._configuration()
        return MemoryLimits(
            settings.frame_memory,
            settings.frame_memory_mb * MEBIBYTE,
            int(settings.clock_jump_s * NANOSECONDS),
        )

    def _on_image(self, camera: str, message: CameraMessage, publisher: bytes, number: int) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self._frames.note(camera, message.header.frame_id)
        self._note_losses(camera, stamp_ns, publisher, number)
        if self._depth is not None:
            self._depth.note_image(camera, stamp_ns)
        self._worker.receive(message, camera)

    def _note_losses(self, camera: str, stamp_ns: int, publisher: bytes, number: int) -> None:
        now, losses = time.monotonic(), self._losses[camera]
        if losses.note(stamp_ns, publisher, number, now):
            lost = losses.report(now)
            if lost.are_many(self._configuration().lost_warn):
                of = f"camera {camera}: " if camera else ""
                words = f"{of}{lost.words()}: {self._remedy(camera, lost)}"
                self._node.get_logger().warning(words, **THROTTLED_LONG)

    def _remedy(self, camera: str, lost: LostImages) -> str:
        subscription = self._subscriptions[camera]
        return remedy(
            os.environ,
            self._configuration().image_transport == "compressed",
            subscription.reliability,
            subscription.is_reliable,
            subscription.publishers(),
            lost.were_sent,
        )

    def _publish_labels(self) -> None:
        for outputs in self._outputs.values():
            outputs.publish_labels()

    def _warn(self, header: Header, camera: str, active: ActivePrompt, size: ImageSize) -> None:
        self.inbox.warn_on_image(header, active, camera, size)

    def _refuse(self, header: Header, camera: str, active: ActivePrompt, reason: str) -> None:
        self.inbox.refuse(header, active.prompt.id, reason, camera or active.camera or "")
