"""The topics that docs/interface.md lists, and those of a running node."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from discovery import discovered
from rclpy.node import Node

INTERFACE = (Path(__file__).parents[2] / "docs" / "interface.md").read_text(encoding="utf-8")
NODE = "/segmentation_node"
# What every ROS node or lifecycle node has.
COMMON_TOPICS = {"/parameter_events", "/rosout", "/clock", f"{NODE}/transition_event"}


def rows_after(mark: str) -> list[str]:
    """Return the rows of the page's table that follows `<!-- mark`, without its head."""
    after = INTERFACE.split(f"<!-- {mark}", 1)[1].split("-->", 1)[1]
    table = after.strip().split("\n\n", 1)[0].splitlines()
    return table[2:]


def cells(row: str) -> list[str]:
    return [cell.strip().strip("`") for cell in row.strip("|").split("|")]


def without_link(text: str) -> str:
    """Return `name` for [`name`](target)."""
    linked = re.fullmatch(r"\[`(.+)`\]\(.+\)", text)
    return linked[1] if linked else text


@dataclass(frozen=True)
class NodeTopics:
    """The topics of a node as (topic, type) pairs; its own name is written as ~."""

    subscribed: frozenset[tuple[str, str]]
    published: frozenset[tuple[str, str]]
    #: Those of this package's types; every node has others.
    services: frozenset[tuple[str, str]]


def settled_topics(
    observer: Node, is_complete: Callable[[NodeTopics], bool] = lambda _: True
) -> NodeTopics:
    """Return the node's topics once they are complete; after DISCOVERY_S, whatever there is."""
    return discovered(lambda: topics_in_the_graph(observer), is_complete)


def topics_in_the_graph(observer: Node) -> NodeTopics | None:
    """Return the node's topics; None while the graph does not know the node."""
    if ("segmentation_node", "/") not in observer.get_node_names_and_namespaces():
        return None
    name = NODE.strip("/")
    return NodeTopics(
        pairs(observer.get_subscriber_names_and_types_by_node(name, "/")),
        pairs(observer.get_publisher_names_and_types_by_node(name, "/")),
        frozenset(
            (service, kind)
            for service, kind in pairs(observer.get_service_names_and_types_by_node(name, "/"))
            if kind.startswith("sam3_ros/")
        ),
    )


def pairs(found: list[tuple[str, list[str]]]) -> frozenset[tuple[str, str]]:
    """Return (topic, type) without the topics that every node has."""
    return frozenset(
        (topic.replace(f"{NODE}/", "~/"), kind)
        for topic, kinds in found
        for kind in kinds
        if topic not in COMMON_TOPICS
    )


def listed_topics(mark: str) -> set[tuple[str, str]]:
    """Return (topic, type) of each row of the page's table."""
    listed = {(topic, without_link(kind)) for topic, kind, _ in map(cells, rows_after(mark))}
    # Relative names are written as a user remaps them.
    return {(name if name[0] in "~/" else f"/{name}", kind) for name, kind in listed}
