"""Qualities of service that several rooms share, and what a user may override of them."""

from __future__ import annotations

from copy import copy
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

#: The last message is kept for later subscribers; Nav2's layer subscribes with exactly this.
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
#: The start of the parameters by which a user overrides them, followed by topic, kind and policy.
OVERRIDES = "qos_overrides."
#: Of a camera's images; image_reliability is for their reliability.
IMAGE_OVERRIDES = QoSOverridingOptions(
    (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY)
)
_OUTPUT_OVERRIDES = QoSOverridingOptions(
    (
        QoSPolicyKind.HISTORY,
        QoSPolicyKind.DEPTH,
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    )
)


def create_publisher(node: Node, kind: type[Any], topic: str, qos: QoSProfile) -> Publisher:
    """Create a publisher whose quality of service a user may override by parameters.

    They are named qos_overrides./segmentation_node/mask.publisher.depth, with the resolved topic.
    """
    # rclpy writes the overrides into the profile that it is given.
    return node.create_publisher(kind, topic, copy(qos), qos_overriding_options=_OUTPUT_OVERRIDES)
