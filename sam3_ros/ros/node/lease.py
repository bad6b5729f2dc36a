"""The loan of the pipeline to callbacks, while another thread's transitions make and free it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.ros.node.pipeline import Pipeline


class HalfClosedError(Sam3RosError):
    """A frame was in work for too long when the pipeline was closed; the rest is of no use."""


class PipelineLease:
    """Lends the pipeline to callbacks and withdraws it during cleanup."""

    def __init__(self, lock: threading.Lock) -> None:
        """lock: NodeLock.NODE; held by whoever uses the pipeline, never while a model is loaded."""
        self._lock = lock
        self._pipeline: Pipeline | None = None
        self._is_withdrawn = False

    @contextmanager
    def use(self) -> Iterator[Pipeline | None]:
        """Lend the pipeline, which nobody frees inside the block; None if there is none to use."""
        with self._lock:
            yield None if self._is_withdrawn else self._pipeline

    @contextmanager
    def use_configured(self) -> Iterator[Pipeline]:
        """Lend it in a state that has one. Raises HalfClosedError if it could not be freed."""
        with self.use() as pipeline:
            if pipeline is None:
                raise HalfClosedError(
                    "the node was being cleaned up: clean up again, then configure"
                )
            yield pipeline

    def install(self, node: Node, make: Callable[[Node], Pipeline]) -> None:
        """Make the pipeline with this node; its callbacks wait until it is installed."""
        with self._lock:
            self._pipeline = make(cast(Node, _LeasingNode(node, self)))
            self._is_withdrawn = False

    def free(self, timeout: float) -> bool:
        """Withdraw and close it.

        False if a frame is still in work after the timeout, s: then try again.
        """
        with self._lock:
            self._is_withdrawn, pipeline = True, self._pipeline
        # Without the lock: diagnostics go on while the last frame ends.
        if pipeline is not None and not pipeline.close(timeout):
            return False
        with self._lock:
            self._pipeline = None
        return True


class _LeasingNode:
    """The node as the pipeline sees it: topics and timers call back only while it is on loan."""

    def __init__(self, node: Node, lease: PipelineLease) -> None:
        self._node = node
        self._lease = lease

    def create_subscription(
        self, kind: Any, topic: str, callback: Callable[..., None], *options: Any, **named: Any
    ) -> Subscription:
        # rclpy asks how many arguments it takes.
        @wraps(callback)
        def call_on_loan(*message: Any) -> None:
            with self._lease.use() as pipeline:
                if pipeline is not None:
                    callback(*message)

        return self._node.create_subscription(kind, topic, call_on_loan, *options, **named)

    def create_timer(
        self, period: float, callback: Callable[[], None], *options: Any, **named: Any
    ) -> Timer:
        def call_on_loan() -> None:
            with self._lease.use() as pipeline:
                if pipeline is not None:
                    callback()

        return self._node.create_timer(period, call_on_loan, *options, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)
