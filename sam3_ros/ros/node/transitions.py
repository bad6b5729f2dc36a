"""Transitions that report why they failed, and the state that they lead to.

rclpy turns an exception in a transition into ERROR without logging it, and a node that went through
error processing may be gone for good. Here it is logged and becomes FAILURE, which leads back to
the state before, so that the cause can be removed and the transition tried again.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeAlias

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.ros.error_text import described

_STATE_DURING = {
    "configure": "configuring",
    "activate": "activating",
    "deactivate": "deactivating",
    "cleanup": "cleaningup",
    "shutdown": "shuttingdown",
    "error": "errorprocessing",
}
_STATE_AFTER = {
    "configure": "inactive",
    "activate": "active",
    "deactivate": "inactive",
    "cleanup": "unconfigured",
    "shutdown": "finalized",
    "error": "unconfigured",
}


class LifecycleRecord:
    """The node's state, and why its last transition failed; for any thread."""

    def __init__(self, lock: threading.Lock, logger: Any) -> None:
        """lock: NodeLock.NODE; who holds it reads a state and a failure that belong together."""
        self._lock = lock
        self._logger = logger
        self._state = self._state_before = "unconfigured"
        self._failure = ""

    @property
    def state(self) -> str:
        """`unconfigured`, `inactive`, `active`, `finalized`, or a transition's, `configuring`."""
        with self._lock:
            return self._state

    @property
    def failure(self) -> str:
        """Why the last transition that ended failed; empty if it succeeded."""
        with self._lock:
            return self._failure

    def begin(self, transition: str) -> None:
        with self._lock:
            self._state_before, self._state = self._state, _STATE_DURING[transition]

    def succeed(self, transition: str) -> None:
        with self._lock:
            self._state, self._failure = _STATE_AFTER[transition], ""
        self._logger.info(_STATE_AFTER[transition])

    def fail(self, transition: str, error: Exception) -> None:
        failure = f"{transition} failed: {described(error)}"
        # Before the record: whoever sees the failure on /diagnostics finds it in the log.
        self._logger.error(failure)
        if not isinstance(error, Sam3RosError):
            self._logger.error("".join(traceback.format_exception(error)))
        with self._lock:
            # A failed shutdown ends there all the same (rcl_lifecycle's default state machine).
            self._state = "finalized" if transition == "shutdown" else self._state_before
            self._failure = failure


class HasLifecycleRecord(Protocol):
    """A node whose transitions are recorded."""

    lifecycle: LifecycleRecord


Transition: TypeAlias = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def recorded(transition: Callable[[Any], None]) -> Transition:
    """Make a callback `on_...` of a method that returns if all went well and raises otherwise."""

    @wraps(transition)
    def run(node: HasLifecycleRecord, _state: LifecycleState) -> TransitionCallbackReturn:
        name = transition.__name__.removeprefix("on_")
        node.lifecycle.begin(name)
        try:
            transition(node)
        except Exception as error:
            node.lifecycle.fail(name, error)
            return TransitionCallbackReturn.FAILURE
        node.lifecycle.succeed(name)
        return TransitionCallbackReturn.SUCCESS

    return run
