"""Prompts to the node: by its simple topics where those can say it, else by ~/prompts."""

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
    """Of the topics for every camera, and of those with a name."""

    def __init__(self, node: Node, node_name: str, cameras: Sequence[str]) -> None:
        """node_name: of the segmentation node, in full."""
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
        """stamp_ns: of the image that a click is to be answered on, 0 for the newest."""
        header = _header(stamp_ns)
        if isinstance(cue, RemoveCue):
            removed = Prompt(id=cue.id, camera=cue.camera)
            self._sets.publish(Prompts(header=header, action=Prompts.REMOVE, prompts=[removed]))
        elif cue.id or not _fits_simple_topic(cue, stamp_ns):
            self._sets.publish(Prompts(header=header, action=Prompts.PUT, prompts=[_prompt(cue)]))
        else:
            kind, message = _simple_message(cue, header)
            self._simple[cue.camera, kind].publish(message)


def _fits_simple_topic(cue: PromptCue, stamp_ns: int) -> bool:
    if isinstance(cue, BoxCue):  # its message has no header to name an image in
        return not cue.sticky and not stamp_ns
    return not (isinstance(cue, PointCue) and cue.sticky)


def _simple_message(cue: PromptCue, header: Header) -> tuple[str, Any]:
    if isinstance(cue, PointCue):
        click = PointStamped(header=header)
        # An int in a float64 field goes out as rubbish.
        click.point.x, click.point.y = float(cue.x), float(cue.y)
        return "point", click
    if isinstance(cue, BoxCue):
        return "box", RegionOfInterest(
            x_offset=cue.x, y_offset=cue.y, width=cue.width, height=cue.height
        )
    assert not isinstance(cue, RemoveCue)
    return "text", String(data=cue.text)


def _prompt(cue: PromptCue) -> Prompt:
    if isinstance(cue, (PointCue, BoxCue)):
        lasts = bool(cue.id) or cue.sticky
        prompt = Prompt(
            id=cue.prompt_id, camera=cue.camera, sticky=cue.sticky, frames=0 if lasts else 1
        )
        _place(prompt, cue)
        return prompt
    assert not isinstance(cue, RemoveCue)
    return Prompt(id=cue.id, camera=cue.camera, text=cue.phrases[0])


def _place(prompt: Prompt, cue: ClickCue) -> None:
    if isinstance(cue, PointCue):
        prompt.positive_points = [Point(x=float(cue.x), y=float(cue.y))]
    else:
        right, bottom = float(cue.x + cue.width), float(cue.y + cue.height)
        prompt.boxes = [Box(x_min=float(cue.x), y_min=float(cue.y), x_max=right, y_max=bottom)]


def _header(stamp_ns: int) -> Header:
    header = Header()
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
    return header
