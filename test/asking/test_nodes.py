"""Which nodes can be asked."""

from __future__ import annotations

import pytest
from rclpy.context import Context
from rclpy.node import Node
from ros_domains import own_domain
from sam3_ros.srv import Segment

from sam3_ros.asking.nodes import Asker, AskError


def test_a_node_is_found_before_it_has_a_model_and_a_client_alone_is_none():
    context = Context()
    with own_domain() as domain:
        context.init(domain_id=domain)
        try:
            asking = Node("asking", context=context)
            served = Node("see", namespace="/robot", context=context)
            served.create_service(Segment, "~/segment", lambda _, response: response)
            asking.create_client(Segment, "/gone/segment")
            asker = Asker(asking, context)
            assert asker.node_to_ask(None) == "/robot/see"
            assert asker.node_to_ask("robot/see/") == "/robot/see"
            with pytest.raises(AskError, match="no segmentation node /gone runs"):
                asker.node_to_ask("gone")
            asker.close()
        finally:
            context.try_shutdown()
