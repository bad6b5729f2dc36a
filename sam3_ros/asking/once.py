"""A question about one image, by the node's service; the prompts in use stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensor_msgs.msg import Image

from sam3_ros.asking.nodes import Asker, AskError
from sam3_ros.asking.question import NodeQuestion
from sam3_ros.asking.reply import AnsweredImage, PromptReply, Reply, found_in
from sam3_ros.core.image_file import read_rgb
from sam3_ros.ros.images.messages import image_message
from sam3_ros.srv import Segment

# Fast DDS repeats what is lost of its discovery after three seconds.
_CONNECT_SECONDS = 5.0


def image_of(file: Path) -> Image:
    """Return the message of an image file. Raises ImageError."""
    return image_message(read_rgb(file), "rgb8")


def ask_once(
    asker: Asker, node: str, question: NodeQuestion, image: Image | None, patience: float
) -> Reply:
    """Ask about this image, or the newest one of the camera.

    A refusal is in the reply. Raises AskError for no answer within patience, s.
    """
    request = Segment.Request(prompts=question.prompts(), camera=question.camera)
    if image is not None:
        request.image = image
    client: Any = asker.node.create_client(Segment, f"{node}/segment")
    if not asker.wait(_CONNECT_SECONDS, client.service_is_ready):
        raise AskError(f"{node} has no service {node}/segment: is it of an older version?")
    future = client.call_async(request)
    if not asker.wait(patience, future.done):
        raise AskError(f"{node} has not answered for {patience:g} s: --patience waits longer")
    response: Segment.Response = future.result()
    asked = PromptReply("", response.success, response.reason, tuple(response.warnings))
    if not response.success:
        return Reply(node, (asked,))
    header = response.segments.header
    scores = [segment.score for segment in response.segments.segments]
    return Reply(node, (asked,), AnsweredImage.of(header), found_in(scores))
