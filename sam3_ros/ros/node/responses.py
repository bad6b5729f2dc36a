"""The thread that sends the responses of all services, and sends again what did not get through.

A service may know a caller's request before it knows where the caller listens: DDS tells the two
apart, and on a busy machine the second comes later. Fast DDS then waits 0.1 s, and gives the
response up. Sent by the executor, such a response is lost without a word, and each of them stops
images and prompts for 0.1 s, as often as a caller likes that can never be reached.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.service import Service

from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.node.rclpy_internals import (
    UndeliveredError,
    refuse_lost_responses,
    send_responses_by,
)
from sam3_ros.ros.throttled_log import THROTTLED

# A caller on a busy machine is known after a second; after this one it is not there.
_PATIENCE = 5.0
_PAUSE = 0.1
# Of callers that cannot be reached; the oldest gives way.
_MOST_WAITING = 200


class LaterResponse:
    """What a service's callback returns to respond later, from any thread.

    The first response counts. rclpy could only wait for it: a callback that waits takes the thread
    away from all others, and a coroutine that awaits is called again and again (rclpy 3, 7 and 9,
    executors.py).
    """

    def __init__(self) -> None:
        self._lock = NodeLock.LATER_RESPONSE.make()
        self._response: Any = None
        self._send: Callable[[Any], None] | None = None

    def respond(self, response: Any) -> None:
        """Send this, unless the call was responded to before."""
        with self._lock:
            if self._response is not None:
                return
            self._response, send = response, self._send
        if send is not None:
            send(response)

    def send_by(self, send: Callable[[Any], None]) -> None:
        """Send with this function, which is known once the callback has returned."""
        with self._lock:
            self._send, response = send, self._response
        if response is not None:
            send(response)


@dataclass(frozen=True)
class _Waiting:
    """A response on its way."""

    service: str
    send: Callable[[], None]
    give_up: float
    not_before: float = 0.0


class Responses:
    """Sends the responses of a node's services, from a thread of its own."""

    def __init__(self, node: Node) -> None:
        """Take over those of the services that the node has now; start the thread."""
        self._logger = node.get_logger()
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition(NodeLock.RESPONSES.make())
        self._is_ending = False
        refuse_lost_responses()
        for service in node.services:
            self._take_over(service)
        self._thread = threading.Thread(target=self._run, name="responses", daemon=True)
        self._thread.start()

    def end(self, timeout: float) -> bool:
        """Send what can be sent at once, and end. False if it takes longer than the timeout, s."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _take_over(self, service: Service) -> None:
        def put(send: Callable[[Any], None], response: Any) -> None:
            if isinstance(response, LaterResponse):
                response.send_by(lambda ready: put(send, ready))
            else:
                give_up = time.monotonic() + _PATIENCE
                self._put(_Waiting(service.srv_name, lambda: send(response), give_up))

        send_responses_by(service, put)

    def _put(self, waiting: _Waiting) -> None:
        with self._changed:
            self._waiting.append(waiting)
            self._changed.notify()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            self._send(due)

    def _next(self) -> _Waiting | None:
        """Wait for a response that is due; None once there is no more to do."""
        with self._changed:
            while True:
                now = time.monotonic()
                for index, waiting in enumerate(self._waiting):
                    is_new = not waiting.not_before
                    if is_new or (waiting.not_before <= now and not self._is_ending):
                        del self._waiting[index]
                        return waiting
                if self._is_ending:
                    return None
                # Those that wait were put back at the end, so the first is due first.
                pause = self._waiting[0].not_before - now if self._waiting else None
                self._changed.wait(pause)

    def _send(self, waiting: _Waiting) -> None:
        try:
            waiting.send()
        except UndeliveredError as error:
            self._later(waiting, error)
        except Exception as error:  # of a response that cannot be written; its caller waits
            self._logger.error(f"no response of {waiting.service} was sent: {error!r}", **THROTTLED)

    def _later(self, waiting: _Waiting, error: UndeliveredError) -> None:
        now = time.monotonic()
        with self._changed:
            is_lost = now >= waiting.give_up or len(self._waiting) >= _MOST_WAITING
            if not is_lost:
                self._waiting.append(
                    _Waiting(waiting.service, waiting.send, waiting.give_up, now + _PAUSE)
                )
        if is_lost:
            self._logger.warning(
                f"a caller of {waiting.service} got no response: it could not be reached for "
                f"{_PATIENCE:g} s, because it went, or its QoS does not fit ({error})",
                **THROTTLED,
            )
