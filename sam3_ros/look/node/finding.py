"""Looks for segmentation nodes, before one is chosen."""

from __future__ import annotations

import time
from concurrent.futures import Future

from sam3_ros.asking.nodes import segmentation_nodes
from sam3_ros.look.node.ros_thread import RosThread
from sam3_ros.look.node.settling import settle

_POLL_SECONDS = 0.05


def found_nodes(ros: RosThread, seconds: float, more: float) -> tuple[str, ...]:
    """Return the full names of those found within some seconds, sorted.

    more: s to wait after the first, since all of a machine are known some time after it.
    """
    end = time.monotonic() + seconds
    found: tuple[str, ...] = ()
    while time.monotonic() < end:
        listed = _listed(ros)
        if listed and not found:
            end = min(end, time.monotonic() + more)
        found = listed
        time.sleep(_POLL_SECONDS)
    return found


def _listed(ros: RosThread) -> tuple[str, ...]:
    listed: Future[tuple[str, ...]] = Future()
    ros.post(lambda: settle(listed, tuple(segmentation_nodes(ros.node))))
    return listed.result()
