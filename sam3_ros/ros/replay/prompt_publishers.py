"""Prompts to the node's own simple topics."""

from __future__ import annotations

from geometry_msgs.msg import PointStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.ros.replay.prompt_cues import BoxCue, PointCue, PromptCue, TextCue

_QOS = QoSProfile(depth=10)


class PromptPublishers:
    def __init__(self, node: Node, node_name: str) -> None:
        """node_name: of the segmentation node, in full."""
        self._text = node.create_publisher(String, f"{node_name}/prompt/text", _QOS)
        self._point = node.create_publisher(PointStamped, f"{node_name}/prompt/point", _QOS)
        self._box = node.create_publisher(RegionOfInterest, f"{node_name}/prompt/box", _QOS)

    @property
    def are_heard(self) -> bool:
        publishers = (self._text, self._point, self._box)
        return all(publisher.get_subscription_count() > 0 for publisher in publishers)

    def publish(self, cue: PromptCue) -> None:
        if isinstance(cue, TextCue):
            self._text.publish(String(data=cue.text))
        elif isinstance(cue, PointCue):
            click = PointStamped()
            # An int in a float64 field goes out as rubbish.
            click.point.x, click.point.y = float(cue.x), float(cue.y)
            self._point.publish(click)
        else:
            assert isinstance(cue, BoxCue)
            box = RegionOfInterest(
                x_offset=cue.x, y_offset=cue.y, width=cue.width, height=cue.height
            )
            self._box.publish(box)
