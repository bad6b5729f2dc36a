"""Opens a running node as the page's source."""

from __future__ import annotations

import os

from sam3_ros.asking.nodes import AskError
from sam3_ros.look.node.finding import found_nodes
from sam3_ros.look.node.ros_thread import RosThread
from sam3_ros.look.node.viewing import NodeViewing
from sam3_ros.ros.launching.dds import use_image_profile

# A node that is there is known in a fraction of it.
_FIND_SECONDS = 1.0
_MORE_SECONDS = 0.3


def open_node_viewing(name: str | None = None, domain_id: int | None = None) -> NodeViewing:
    """Return the source for a node, which need not be there yet.

    name: with or without the slash; None for the only one. domain_id: None for that of the
    environment. Sets the environment for Fast DDS. Raises AskError where several nodes run and none
    is named, RosEnvironmentError where ROS cannot start.
    """
    use_image_profile(os.environ)
    ros = RosThread(domain_id)
    try:
        full = _chosen(ros) if name is None else "/" + name.strip("/")
    except AskError:
        ros.close()
        raise
    viewing = NodeViewing(ros, full)
    if full is not None:
        viewing.wait_until_found(_FIND_SECONDS)
    return viewing


def running_nodes(seconds: float, domain_id: int | None = None) -> tuple[str, ...]:
    """Return the full names of the segmentation nodes that are found within some seconds, sorted.

    Raises RosEnvironmentError where ROS cannot start.
    """
    ros = RosThread(domain_id)
    try:
        return found_nodes(ros, seconds, _MORE_SECONDS)
    finally:
        ros.close()


def _chosen(ros: RosThread) -> str | None:
    found = found_nodes(ros, _FIND_SECONDS, _MORE_SECONDS)
    if len(found) > 1:
        raise AskError(f"several segmentation nodes run here: --node {' or --node '.join(found)}")
    return found[0] if found else None
