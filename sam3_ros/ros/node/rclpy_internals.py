"""All uses of what rclpy does not document, in one place.

Checked with rclpy 9.1.2 (Kilted) by running the tests, with 7.1.3 (Jazzy) and 3.3.15 (Humble) by
reading their sources.

| what                                       | without it                                          |
| ------------------------------------------ | --------------------------------------------------- |
| `Executor._make_handler`                   | a topic that a transition destroys while its event  |
|                                            | waits for its turn blocks its group for ever        |
| `LifecycleNode._service_change_state`      | an impossible transition ends the executor; nobody  |
|                                            | can ask for the state of a node that configures     |
| `CallbackGroup.entities`                   | each cleanup leaks weak references                  |
| `Node._parameters`, `._parameter_overrides`| misspelt parameters are ignored silently, and a 5   |
|                                            | where 5.0 is meant ends the node                    |
| `Service.send_response`, replaced          | a callback waits for the model, or the executor     |
|                                            | polls it on a whole core, to answer a call          |
| `rclpy_implementation.RCLError`            | as for `_service_change_state`                      |
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.service import Service


class CallbackExecutor(SingleThreadedExecutor):
    """An executor beside whose thread another may create and destroy topics.

    rclpy's own ends with InvalidHandle if another thread destroys a topic after the executor has
    listed its QoS events and before it waits for them or takes one (rclpy 7 and 9, executors.py),
    or takes a message (rclpy 3, its issue 1142).
    """

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context=context)
        self._is_ending = False

    def spin(self) -> None:
        """Run callbacks until end_spinning()."""
        while self.context.ok() and not self._is_ending:
            self.spin_once()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        try:
            super().spin_once(timeout_sec)
        except InvalidHandle as error:
            # The next round lists what exists then.
            get_logger("sam3_ros").debug(f"a topic was destroyed before it was waited for: {error}")

    def end_spinning(self) -> None:
        """Let spin() return after the callback that runs; from any thread.

        shutdown() while another thread spins would take from it what it waits with.
        """
        self._is_ending = True
        self.create_task(lambda: None)  # it ends the wait

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        self._is_ending = True
        return super().shutdown(timeout_sec)

    def _make_handler(self, entity: Any, node: Any, take: Callable[[Any], Any], *more: Any) -> Any:
        """Take nothing from what was destroyed: an error would leave its group blocked for ever."""

        def take_if_it_exists(entity: Any) -> Any:
            try:
                return take(entity)
            except InvalidHandle:
                return None

        return super()._make_handler(entity, node, take_if_it_exists, *more)


def survive_impossible_transitions(node: LifecycleNode) -> None:
    """Answer change_state with success=False if the state does not allow the transition.

    Before Kilted rclpy lets the error out of the service's callback, which ends the executor: a
    lifecycle manager that configures a node which started itself would end it.
    """
    service = node._service_change_state
    change_state = service.callback

    def checked(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except rclpy_implementation.RCLError as error:
            node.get_logger().error(f"transition {request.transition.id} refused: {error}")
            response.success = False
            return response

    service.callback = checked


def hand_over_transitions(
    node: LifecycleNode, lock: threading.Lock, put: Callable[[Callable[[], None]], bool]
) -> None:
    """Let another thread run what change_state asks for, and respond when it has ended.

    put: takes a transition to run, False if too many wait: then it is refused. lock: see
    LaterResponse. LifecycleNode runs it in the callback: nobody could ask for the state of a node
    that configures.
    """
    service = node._service_change_state
    change_state = service.callback

    def hand_over(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response | LaterResponse:
        later = LaterResponse(lock)

        def run() -> None:
            try:
                later.respond(change_state(request, response))
            finally:  # if it raised: the caller hears from us all the same
                later.respond(ChangeState.Response(success=False))

        if not put(run):
            node.get_logger().error(
                f"transition {request.transition.id} refused: too many wait for the one that runs"
            )
            later.respond(ChangeState.Response(success=False))
        return later

    service.callback = hand_over
    let_respond_later(service)


class LaterResponse:
    """What a service's callback returns to respond later, from any thread; see let_respond_later.

    The first response counts. rclpy could only wait for it: a callback that waits takes a thread
    away from all others, and a coroutine that awaits is called again and again (rclpy 3, 7 and 9,
    executors.py).
    """

    def __init__(self, lock: threading.Lock) -> None:
        """lock: one for all of a service's, because rcl sends one response at a time."""
        self._lock = lock
        self._response: Any = None
        self._send: Callable[[Any], None] | None = None
        self._is_sent = False

    def respond(self, response: Any) -> None:
        """Send this, unless the call was responded to before."""
        with self._lock:
            if self._response is None:
                self._response = response
                self._send_if_complete()

    def send_by(self, send: Callable[[Any], None]) -> None:
        """Send with this function, which is known once the callback has returned."""
        with self._lock:
            self._send = send
            self._send_if_complete()

    def _send_if_complete(self) -> None:
        if self._send is None or self._response is None or self._is_sent:
            return
        self._is_sent = True
        # A service that is destroyed has no callers, and a caller may have gone.
        with suppress(InvalidHandle, rclpy_implementation.RCLError):
            self._send(self._response)


def let_respond_later(service: Service) -> None:
    """Let the callback return a LaterResponse in place of a response."""
    send_response = service.send_response

    def send(response: Any, header: Any) -> None:
        if isinstance(response, LaterResponse):
            response.send_by(lambda ready: send_response(ready, header))
        else:
            send_response(response, header)

    service.send_response = send  # type: ignore[method-assign]


def forget_destroyed(group: CallbackGroup) -> None:
    """Drop the weak references to destroyed entities, which rclpy 3, 7 and 9 keep in a group."""
    dead = [reference for reference in list(group.entities) if reference() is None]
    group.entities.difference_update(dead)


def declared_parameters(node: Node) -> list[str]:
    """Return the names of all parameters that the node has declared."""
    return list(node._parameters)


def parameter_overrides(node: Node) -> dict[str, Parameter]:
    """Return, by name, the parameters that were given when the node started."""
    return dict(node._parameter_overrides)
