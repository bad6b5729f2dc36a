"""Which segmentation nodes run: by their service, which is there before a model is loaded too."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.topics.listening import domain_text, spin_for

_TYPE = "sam3_ros/srv/Segment"
_SERVICE = "/segment"
# A node that is there is found in a fraction of it.
_LOOK_SECONDS = 3.0
# All nodes of a machine are known some time after the first.
_MORE_SECONDS = 0.3


class AskError(Sam3RosError):
    """A question that no node has answered, and why."""


class Asker:
    """A node of ours that asks, and runs its callbacks while it waits."""

    def __init__(self, node: Node, context: Context) -> None:
        self.node = node
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(node)

    def close(self) -> None:
        self._executor.shutdown()

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Run callbacks for some seconds, or until that is true; return whether it is."""
        return spin_for(self._executor, seconds, until)

    def node_to_ask(self, wanted: str | None) -> str:
        """Return the full name of the node to ask.

        wanted: its name, with or without the slash; None for the only one. Raises AskError.
        """
        name = None if wanted is None else "/" + wanted.strip("/")

        def is_there() -> bool:
            return name in self._nodes() if name is not None else bool(self._nodes())

        self.wait(_LOOK_SECONDS, is_there)
        if name is None:
            self.wait(_MORE_SECONDS)
        found = self._nodes()
        if name is not None:
            if name not in found:
                others = f"; there is {', '.join(found)}" if found else ""
                raise AskError(f"no segmentation node {name} runs in {domain_text()}{others}")
            return name
        if not found:
            raise AskError(
                f"no segmentation node runs in {domain_text()}: `sam3-ros node` starts one; if one "
                "runs, is its ROS_DOMAIN_ID the same?"
            )
        if len(found) > 1:
            raise AskError(
                f"several segmentation nodes run here: --node {' or --node '.join(found)}"
            )
        return found[0]

    def _nodes(self) -> list[str]:
        return segmentation_nodes(self.node)


def segmentation_nodes(node: Node) -> list[str]:
    """Return the full names of the segmentation nodes that a node knows, sorted."""
    services = dict(node.get_service_names_and_types())
    # A client's service is listed too, though nobody may serve it.
    return sorted(
        {
            full
            for name, namespace in node.get_node_names_and_namespaces()
            if _TYPE in services.get(f"{(full := _full(namespace, name))}{_SERVICE}", ())
        }
    )


def _full(namespace: str, node: str) -> str:
    return f"{namespace.rstrip('/')}/{node}"
