"""Where the pipeline is, between the transitions that make and free it and the callbacks that use
it: those run in different threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription

from sam3_ros.ros.node.pipeline import HalfClosedError, Pipeline


class PipelineSeat:
    """Empty, taken, or being left: then nobody is given the pipeline any more."""

    def __init__(self, turn: threading.RLock) -> None:
        """turn: held by whoever uses the pipeline; for moments, never while a model is loaded."""
        self._turn = turn
        self._pipeline: Pipeline | None = None
        self._is_leaving = False

    @contextmanager
    def use(self) -> Iterator[Pipeline | None]:
        """The pipeline, which nobody frees meanwhile; None where there is none to be used."""
        with self._turn:
            yield None if self._is_leaving else self._pipeline

    @contextmanager
    def use_configured(self) -> Iterator[Pipeline]:
        """For a state in which there is one. Raises HalfClosedError if it could not be freed."""
        with self.use() as pipeline:
            if pipeline is None:
                raise HalfClosedError(
                    "the node was being cleaned up: clean up again, then configure"
                )
            yield pipeline

    def install(self, node: Node, make: Callable[[Node], Pipeline]) -> None:
        """Make it with this node, whose callbacks wait until it is there."""
        with self._turn:
            self._pipeline, self._is_leaving = make(_CalledInTurn(node, self)), False

    def free(self, timeout: float) -> bool:
        """False if a frame is still in work after the timeout, s; then try again."""
        with self._turn:
            self._is_leaving, pipeline = True, self._pipeline
        # Without the turn: diagnostics go on while the last frame ends.
        if pipeline is not None and not pipeline.close(timeout):
            return False
        with self._turn:
            self._pipeline = None
        return True


def forget_destroyed(group: CallbackGroup) -> None:
    """rclpy 7 and 9 keep a weak reference to everything that was ever in a group."""
    dead = [reference for reference in list(group.entities) if reference() is None]
    group.entities.difference_update(dead)


class _CalledInTurn:
    """A node as the pipeline sees it: no subscription of its own calls back once it is left."""

    def __init__(self, node: Node, seat: PipelineSeat) -> None:
        self._node = node
        self._seat = seat

    def create_subscription(
        self, kind: Any, topic: str, callback: Callable[[Any], None], *options: Any, **named: Any
    ) -> Subscription:
        def in_turn(message: Any) -> None:
            with self._seat.use() as pipeline:
                if pipeline is not None:
                    callback(message)

        return self._node.create_subscription(kind, topic, in_turn, *options, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)
