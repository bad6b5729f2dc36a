"""~/segment: a question about one image, for behaviour trees and scripts.

The service lives as long as the node, so that a caller hears from a node that is not active too.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSProfile

from sam3_ros.core.errors import PromptError
from sam3_ros.ros.error_text import described
from sam3_ros.ros.frames.one_shot import refusal
from sam3_ros.ros.frames.one_shot_calls import NOT_ACTIVE
from sam3_ros.ros.node.lease import PipelineLease
from sam3_ros.ros.node.responses import LaterResponse
from sam3_ros.srv import Segment

SERVICE = "~/segment"
# Far deeper than the queue: a call is refused with a reason, and never lost on its way.
_QOS = QoSProfile(depth=1000)


class SegmentService:
    """Hands calls to the pipeline; the inference thread responds, so no callback waits."""

    def __init__(self, node: Node, lease: PipelineLease) -> None:
        """Create the service."""
        self._lease = lease
        node.create_service(Segment, SERVICE, self._on_call, qos_profile=_QOS)

    def _on_call(self, request: Segment.Request, _response: Segment.Response) -> LaterResponse:
        later = LaterResponse()
        try:
            with self._lease.use() as pipeline:
                if pipeline is None:
                    raise PromptError(NOT_ACTIVE)
                pipeline.calls.put(request, later.respond)
        except PromptError as error:
            later.respond(refusal(str(error)))
        except Exception as error:  # out of the callback, it would end the node
            later.respond(refusal(f"it could not be asked: {described(error)}"))
        return later
