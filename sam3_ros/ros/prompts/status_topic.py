"""~/prompt/status, which says what became of each prompt."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from sam3_ros.msg import PromptStatus
from sam3_ros.ros.prompts.requests import with_prompt_name
from sam3_ros.ros.qos import create_publisher
from sam3_ros.ros.throttled_log import THROTTLED

# A burst of prompts is answered with as many messages; a subscriber that is slow finds them here.
STATUS_QOS = QoSProfile(depth=10_000)


class PromptStatusTopic:
    """Publishes and logs what became of prompts; for any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = create_publisher(node, PromptStatus, "~/prompt/status", STATUS_QOS)

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return bool(self._publisher.get_subscription_count())

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)

    def refuse(self, header: Header, prompt_id: str, reason: str, camera: str = "") -> None:
        """Report that a prompt is not, or no longer, asked.

        camera: where it is not asked, empty for every camera.
        """
        logger = self._node.get_logger()
        logger.warning(f"prompt not asked: {with_prompt_name(prompt_id, reason)}", **THROTTLED)
        self._publish(header, prompt_id, reason, camera)

    def refuse_now(self, prompt_id: str, reason: str, camera: str = "") -> None:
        """Report as refuse does, about no message or one without a header."""
        self.refuse(self.header_of_now(), prompt_id, reason, camera)

    def accept(
        self, header: Header, prompt_id: str, camera: str, warnings: Sequence[str] = ()
    ) -> None:
        """Report that a prompt is asked, and what to know about it; log that too."""
        for warning in warnings:
            self._node.get_logger().warning(with_prompt_name(prompt_id, warning), **THROTTLED)
        self._publish(header, prompt_id, "", camera, warnings)

    def header_of_now(self) -> Header:
        """Return the header of what no message with a header has brought."""
        return Header(stamp=self._node.get_clock().now().to_msg())

    def _publish(
        self,
        header: Header,
        prompt_id: str,
        reason: str,
        camera: str,
        warnings: Sequence[str] = (),
    ) -> None:
        self._publisher.publish(
            PromptStatus(
                header=header,
                prompt_id=prompt_id,
                camera=camera,
                accepted=not reason,
                reason=reason,
                warnings=list(warnings),
            )
        )
