"""Topics that a segmentation node or a recorder's own processes left in a bag.

A bag that was recorded with -a on a robot has the masks of the node that ran there. Played, they
would be taken for answers of the node under test.
"""

from __future__ import annotations

from collections.abc import Mapping

OWN_TYPES = "sam3_ros/msg/"
_ANSWERS = frozenset({"mask", "overlay", "confidence", "mask/compressed", "overlay/compressed"})
_PROMPTS = frozenset({"prompt/text", "prompt/point", "prompt/box"})
_BESIDE_A_MASK = frozenset({"overlay", "overlay/compressed"}) | _PROMPTS
_OF_A_NODE = _ANSWERS | _PROMPTS | {"label_info", "detections"}
# Topics of the package's own types, which have the node's name before them.
_OF_THE_NODE_ITSELF = ("/prompt/status", "/prompts", "/active_prompts")
#: Of the processes that ran when the bag was recorded.
_OF_PROCESSES = frozenset({"/diagnostics", "/diagnostics_agg", "/rosout", "/parameter_events"})

OF_A_NODE = (
    "of a segmentation node that ran when the bag was recorded: left out, because the node under "
    "test gives its own answers"
)
OF_PROCESSES = (
    "of the processes that ran when the bag was recorded: left out, so that they are not taken for "
    "the node under test"
)


def left_out_outputs(types: Mapping[str, str], node: str | None) -> dict[str, str]:
    """Return the topics that are not played, each with the reason.

    types: of all topics, by name. node: the full name of the node under test, if it is known. Other
    nodes are known by their types of messages, and by a mask beside an overlay or prompts.
    """
    reasons = {topic: OF_PROCESSES for topic in types if topic in _OF_PROCESSES}
    nodes = {*_nodes(types), *([node] if node else [])}
    likely = _likely_nodes(types)
    for topic, kind in types.items():
        is_own = kind.startswith(OWN_TYPES) or any(topic.startswith(f"{n}/") for n in nodes)
        if is_own or any(f"{name}/{last}" == topic for name in likely for last in _OF_A_NODE):
            reasons[topic] = OF_A_NODE
    return reasons


def _nodes(types: Mapping[str, str]) -> set[str]:
    """Return the names of segmentation nodes, by the topics of the package's own types."""
    own = [topic for topic, kind in types.items() if kind.startswith(OWN_TYPES)]
    found = {
        topic.removesuffix(last)
        for topic in own
        for last in _OF_THE_NODE_ITSELF
        if topic.endswith(last)
    }
    return found - {""}


def _likely_nodes(types: Mapping[str, str]) -> set[str]:
    """Return what has a mask beside an overlay, a prompt or something of our own types."""
    masks = {topic.removesuffix("/mask") for topic in types if topic.endswith("/mask")}
    return {
        folder
        for folder in masks - {""}
        if any(f"{folder}/{last}" in types for last in _BESIDE_A_MASK)
        or any(k.startswith(OWN_TYPES) and t.startswith(f"{folder}/") for t, k in types.items())
    }
