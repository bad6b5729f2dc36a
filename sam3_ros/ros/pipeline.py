"""What a configured node holds: the model, the topics and the thread between them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.core.errors import PromptError, Sam3RosError
from sam3_ros.core.segmenter import Segmenter
from sam3_ros.ros.active_prompts import ActivePrompt, ActivePrompts
from sam3_ros.ros.activity import Activity
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.cv_bridge_conversion import choose_converter
from sam3_ros.ros.frame_answerer import FrameAnswerer, FrameTools
from sam3_ros.ros.frame_ledger import FrameLedger
from sam3_ros.ros.frame_slot import CameraMessage, Frame
from sam3_ros.ros.image_conversion import ImageConverter
from sam3_ros.ros.inference_worker import InferenceWorker
from sam3_ros.ros.outputs import Outputs
from sam3_ros.ros.parameters import NodeConfiguration
from sam3_ros.ros.prompt_inbox import PromptInbox, PromptRules


class HalfClosedError(Sam3RosError):
    """A frame was in work for too long when the pipeline was closed; what is left is of no use."""


class Pipeline:
    """Made in on_configure, closed in on_cleanup. Frames are answered while it is active."""

    def __init__(
        self,
        node: Node,
        ledger: FrameLedger,
        segmenter: Segmenter,
        configuration: Callable[[], NodeConfiguration],
    ) -> None:
        """Owns the segmenter from now on. Raises PromptError for prompts it cannot ask."""
        self._node = node
        self._activity = Activity()
        self.prompts = ActivePrompts()
        self.providers = segmenter.providers
        with ExitStack() as undo:
            undo.callback(segmenter.close)
            converter = self._chosen_converter()
            self.converter_name = converter.name
            outputs = Outputs(node, Camera(), configuration)
            undo.callback(outputs.destroy)
            answerer = FrameAnswerer(
                FrameTools(
                    segmenter=segmenter,
                    converter=converter,
                    prompts=self.prompts,
                    outputs=outputs,
                    activity=self._activity,
                    configuration=configuration,
                    refuse=self._refuse,
                )
            )
            rules = PromptRules(
                manifest=segmenter.bundle.manifest,
                image_size=lambda: answerer.image_size,
                click_frames=lambda: configuration().click_frames,
            )
            self.inbox = PromptInbox(node, self.prompts, rules)
            undo.callback(self.inbox.destroy)
            self.inbox.ask_texts(configuration().concept_prompts())
            self._worker = InferenceWorker(
                answerer.answer, ledger, self._activity, node.get_logger()
            )
            undo.callback(self._worker.stop, 0.0)  # idle, unless close() has waited for it
            self._subscription: Subscription | None = self._subscribe(configuration())
            self._closing = undo.pop_all()

    def activate(self) -> None:
        """Raises HalfClosedError once close() was called: nothing would be answered."""
        if self._subscription is None:
            raise HalfClosedError("the node was being cleaned up: clean up again, then configure")
        self._activity.switch(True)

    def deactivate(self) -> None:
        """From now on no answer is published; a frame that is in work ends as dropped."""
        self._activity.switch(False)
        self._worker.discard()

    def close(self, timeout: float) -> bool:
        """Free everything, topics first. False, and the model kept, if the thread does not end."""
        self.deactivate()
        self._unsubscribe()
        if not self._worker.stop(timeout):
            return False
        self._closing.close()
        return True

    def _chosen_converter(self) -> ImageConverter:
        choice = choose_converter()
        if choice.why_not_cv_bridge:
            self._node.get_logger().info(
                f"no cv_bridge here ({choice.why_not_cv_bridge}): our own converter reads images"
            )
        return choice.converter

    def _subscribe(self, configuration: NodeConfiguration) -> Subscription:
        """The newest image only: an old one is of no use to a robot."""
        reliable = configuration.image_reliability == "reliable"
        qos = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        # Resolved first, so that remapping `image` carries the compressed topic along.
        topic, kind = self._node.resolve_topic_name("image"), Image
        if configuration.image_transport == "compressed":
            topic, kind = f"{topic}/compressed", CompressedImage
        subscription = self._node.create_subscription(kind, topic, self._on_image, qos)
        self._node.get_logger().info(
            f"images come from {subscription.topic_name} ({configuration.image_reliability})"
        )
        return subscription

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_image(self, message: CameraMessage) -> None:
        self._worker.receive(message)

    def _refuse(self, frame: Frame, active: ActivePrompt, error: PromptError) -> None:
        self.inbox.refuse(frame.header, active.prompt.id, str(error))
