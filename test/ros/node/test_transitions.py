"""The node's state and the reason of a failure, as other threads see them."""

from __future__ import annotations

import threading

import pytest
from rclpy.lifecycle import TransitionCallbackReturn

from sam3_ros.core.errors import BundleError
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.node.transitions import LifecycleRecord, recorded


class Log:
    def __init__(self) -> None:
        self.infos: list[str] = []
        self.errors: list[str] = []

    def info(self, line: str) -> None:
        self.infos.append(line)

    def error(self, line: str) -> None:
        self.errors.append(line)


class Node:
    """A node whose transitions raise `error` if it is set."""

    def __init__(self) -> None:
        self.lock, self.log = NodeLock.NODE.make(), Log()
        self.lifecycle = LifecycleRecord(self.lock, self.log)
        self.error: Exception | None = None

    @recorded
    def on_configure(self) -> None:
        self._end("configuring")

    @recorded
    def on_shutdown(self) -> None:
        self._end("shuttingdown")

    def _end(self, state: str) -> None:
        assert self.lifecycle.state == state
        if self.error is not None:
            raise self.error

    def seen(self) -> tuple[str, str]:
        return self.lifecycle.state, self.lifecycle.failure


def test_a_failure_leads_back_and_is_forgotten_with_the_next_success() -> None:
    node = Node()
    node.error = BundleError("no bundle")
    assert node.on_configure(None) == TransitionCallbackReturn.FAILURE
    assert node.seen() == ("unconfigured", "configure failed: no bundle")
    assert node.log.errors == ["configure failed: no bundle"]
    node.error = None
    assert node.on_configure(None) == TransitionCallbackReturn.SUCCESS
    assert node.seen() == ("inactive", "")
    assert node.log.infos == ["inactive"]


def test_an_error_that_nobody_expected_is_logged_with_its_traceback() -> None:
    node = Node()
    node.error = KeyError("stage")
    node.on_configure(None)
    assert "KeyError" in node.seen()[1]
    assert "Traceback" in node.log.errors[-1]


def test_a_shutdown_that_fails_ends_all_the_same() -> None:
    node = Node()
    node.error = TimeoutError("a frame")
    node.on_shutdown(None)
    assert node.seen() == ("finalized", "shutdown failed: TimeoutError: a frame")


@pytest.mark.parametrize("ends", ["succeed", "fail"])
def test_a_transition_does_not_end_while_another_thread_reads_its_state(ends: str) -> None:
    """Diagnostics read it, and must not show a state with the failure of another."""
    node = Node()
    node.lifecycle.begin("configure")
    more = (BundleError("no bundle"),) if ends == "fail" else ()
    ending = threading.Thread(target=getattr(node.lifecycle, ends), args=("configure", *more))
    with node.lock:
        ending.start()
        ending.join(0.2)
        assert node.seen() == ("configuring", "")
    ending.join(60)
    assert node.seen() != ("configuring", "")
