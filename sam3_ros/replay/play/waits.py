"""Waits for the node: until it is active, until a condition holds, until all is answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.under_test.diagnostics import FrameCounts, NodeReport
from sam3_ros.replay.under_test.node import NodeChild, NodeFailedError

_POLL = 0.05
# Longer than two diagnostics of a node with the default period.
_QUIET_SECONDS = 2.5

Check = Callable[[], None]


class NodeListener(Protocol):
    """A receiver of the node's diagnostics."""

    @property
    def node_report(self) -> NodeReport | None:
        """The node's latest report; None before the first."""


def wait_until_active(
    client: NodeListener, child: NodeChild | None, check: Check, patience: float
) -> NodeReport:
    """Wait for the node to be active and return its report.

    Raises NodeFailedError, with the node's own words, if that takes longer than patience, s.
    """
    end = time.monotonic() + patience
    while True:
        check()
        report = client.node_report
        if report is not None and report.state == "active":
            return report
        if report is not None and report.failure:
            raise _failed(child, f"the node is not active: {report.failure}")
        if time.monotonic() > end:
            said = "it publishes nothing on /diagnostics" if report is None else report.state
            raise _failed(child, f"the node is not active after {patience:g} s: {said}")
        time.sleep(_POLL)


def wait_until(
    done: Callable[[], bool], check: Check, patience: float, child: NodeChild | None, what: str
) -> None:
    """Wait until done() is true. Raises NodeFailedError after patience, s."""
    end = time.monotonic() + patience
    while not done():
        check()
        if time.monotonic() > end:
            raise _failed(child, f"waited {patience:g} s for {what}")
        time.sleep(_POLL)


def wait_until_settled(
    client: ReplayClient, before: NodeReport, check: Check, patience: float
) -> dict[str, FrameCounts]:
    """Return the node's counts since `before`, once all is answered or nothing changes any more.

    Returns after patience, s, at the latest: what is still in work then is unaccounted.
    """
    begin = changed = time.monotonic()
    last: object = None
    while True:
        check()
        report = client.node_report
        assert report is not None, "the replay begins with a report"
        counts = report.since(before, tuple(client.cameras))
        now = time.monotonic()
        seen = (report, client.mask_count, client.click_answers)
        if seen != last:
            last, changed = seen, now
        is_quiet = now - changed > _QUIET_SECONDS
        is_idle = all(each.in_work == 0 for each in counts.values())
        if is_idle and (is_quiet or _is_all_back(client, counts)):
            return counts
        if now - begin > patience:
            return counts
        time.sleep(_POLL)


def _is_all_back(client: ReplayClient, counts: Mapping[str, FrameCounts]) -> bool:
    """Return whether every image was received, every answer came, and no prompt is pending."""
    if client.has_pending_prompts:
        return False
    logs = {name: camera.log for name, camera in client.cameras.items()}
    return all(
        counts[name].received == log.sent_count and counts[name].answered == log.mask_count
        for name, log in logs.items()
    )


def _failed(child: NodeChild | None, what: str) -> NodeFailedError:
    return NodeFailedError(what) if child is None else child.failed(what)
