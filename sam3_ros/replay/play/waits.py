"""The moments at which a replay waits for the node."""

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
    """account: the node's latest, None before the first."""

    @property
    def account(self) -> NodeReport | None: ...


def wait_until_active(
    client: NodeListener, child: NodeChild | None, check: Check, patience: float
) -> NodeReport:
    """The node's account once it is active. Raises NodeFailedError, with the node's own words."""
    end = time.monotonic() + patience
    while True:
        check()
        account = client.account
        if account is not None and account.state == "active":
            return account
        if account is not None and account.failure:
            raise _failed(child, f"the node is not active: {account.failure}")
        if time.monotonic() > end:
            said = "it says nothing on /diagnostics" if account is None else account.state
            raise _failed(child, f"the node is not active after {patience:g} s: {said}")
        time.sleep(_POLL)


def wait_until(
    done: Callable[[], bool], check: Check, patience: float, child: NodeChild | None, what: str
) -> None:
    """Raises NodeFailedError if it takes longer than patience, s."""
    end = time.monotonic() + patience
    while not done():
        check()
        if time.monotonic() > end:
            raise _failed(child, f"waited {patience:g} s for {what}")
        time.sleep(_POLL)


def wait_until_settled(
    client: ReplayClient, before: NodeReport, check: Check, patience: float
) -> dict[str, FrameCounts]:
    """The node's counts since `before`, once all is answered or nothing comes any more.

    Ends at the latest after patience, s: what is still in work then is unaccounted.
    """
    begin = changed = time.monotonic()
    last: object = None
    while True:
        check()
        account = client.account
        assert account is not None, "the replay begins with an account"
        counts = account.since(before, tuple(client.cameras))
        clicks = client.click_answers
        now = time.monotonic()
        if (account, client.mask_count, clicks) != last:
            last, changed = (account, client.mask_count, clicks), now
        is_quiet = now - changed > _QUIET_SECONDS
        is_idle = all(each.in_work == 0 for each in counts.values())
        if is_idle and (is_quiet or _is_all_back(client, counts)):
            return counts
        if now - begin > patience:
            return counts
        time.sleep(_POLL)


def _is_all_back(client: ReplayClient, counts: Mapping[str, FrameCounts]) -> bool:
    """Every image was received, every answer has come, and no prompt is under way."""
    if client.has_prompts_under_way:
        return False
    logs = {name: camera.log for name, camera in client.cameras.items()}
    return all(
        counts[name].received == log.sent_count and counts[name].answered == log.mask_count
        for name, log in logs.items()
    )


def _failed(child: NodeChild | None, what: str) -> NodeFailedError:
    return NodeFailedError(what) if child is None else child.failed(what)
