"""Publishers of prompts: on the node's simple topics where those suffice, else on ~/prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geometry_msgs.msg import Point, PointStamped
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.msg import Box, Prompt, Prompts
from sam3_ros.replay.ask.cues import BoxCue, ClickCue, PointCue, PromptCue, RemoveCue
from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.ros.cameras import Camera

_QOS = QoSProfile(depth=10)
_SIMPLE = {"text": String, "point": PointStamped, "box": RegionOfInterest}


class PromptPublishers:
    """Publishers of ~/prompts, of the topics for every camera, and of those per camera."""

    def __init__(self, node: Node, node_name: str, cameras: Sequence[str]) -> None:
        """Create the publishers. node_name: of the segmentation node, in full."""
        self._simple: dict[tuple[str, str], Publisher] = {}
        for name in dict.fromkeys(("", *cameras)):
            for kind, message in _SIMPLE.items():
                topic = Camera(name).topic(f"prompt/{kind}").replace("~", node_name, 1)
                self._simple[name, kind] = node.create_publisher(message, topic, _QOS)
        self._sets = node.create_publisher(Prompts, f"{node_name}/prompts", _QOS)

    @property
    def are_heard(self) -> bool:
        publishers = (self._sets, *self._simple.values())
        return all(publisher.get_subscription_count() > 0 for publisher in publishers)

    def publish(self, cue: PromptCue, stamp_ns: int) -> None:
        """Publish a prompt. stamp_ns: of the image a click is answered on, 0 for the newest."""
        header = Header()
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
        if isinstance(cue, RemoveCue):
            removed = Prompt(id=cue.id, camera=cue.camera)
            self._sets.publish(Prompts(header=header, action=Prompts.REMOVE, prompts=[removed]))
        elif cue.id or not _fits_simple_topic(cue, stamp_ns):
            self._sets.publish(Prompts(header=header, action=Prompts.PUT, prompts=_prompts(cue)))
        else:
            kind, message = _simple_message(cue, header)
            self._simple[cue.camera, kind].publish(message)


def _fits_simple_topic(cue: PromptCue, stamp_ns: int) -> bool:
    if isinstance(cue, BoxCue):  # its message has no header that could name an image
        return not cue.tracking and not stamp_ns
    return isinstance(cue, RemoveCue) or not cue.tracking


def _simple_message(cue: PromptCue, header: Header) -> tuple[str, Any]:
    if isinstance(cue, PointCue):
        click = PointStamped(header=header)
        # An int in a float64 field is serialised as garbage.
        click.point.x, click.point.y = float(cue.x), float(cue.y)
        return "point", click
    if isinstance(cue, BoxCue):
        return "box", RegionOfInterest(
            x_offset=cue.x_min, y_offset=cue.y_min, width=cue.width, height=cue.height
        )
    assert not isinstance(cue, RemoveCue)
    return "text", String(data=cue.text)


def _prompts(cue: PromptCue) -> list[Prompt]:
    assert not isinstance(cue, RemoveCue)
    if isinstance(cue, (PointCue, BoxCue)):
        return [_click(cue)]
    return [
        Prompt(id=prompt_id, camera=cue.camera, text=phrase, tracking=cue.tracking)
        for prompt_id, phrase in cue.added.items()
    ]


def _click(cue: ClickCue) -> Prompt:
    lasts = bool(cue.id) or cue.tracking
    prompt = Prompt(
        id=cue.prompt_id, camera=cue.camera, tracking=cue.tracking, frames=0 if lasts else 1
    )
    if isinstance(cue, PointCue):
        prompt.positive_points = [Point(x=float(cue.x), y=float(cue.y))]
    else:
        x_min, y_min, x_max, y_max = cue.box.as_tuple()
        prompt.boxes = [Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)]
    return prompt
