"""Calls of the node's services, each with a limit of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node

#: Until a call is given up: a large model takes seconds for an image, and others may wait, too.
CALL_SECONDS = 20.0


@dataclass(eq=False)
class _Call:
    client: Any
    future: Any
    on_response: Callable[[Any], None]
    on_failure: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)


class ServiceCalls:
    """Calls that wait for their response; for the ROS thread."""

    def __init__(self, node: Node, why_deaf: Callable[[], str]) -> None:
        """why_deaf: returns, in words, why the node's services are not there."""
        self._node, self._why_deaf = node, why_deaf
        self._waiting: list[_Call] = []
        self._clients: list[Any] = []

    def client(self, kind: type[Any], service: str) -> Any:
        """Return a client that lives as long as this."""
        client: Any = self._node.create_client(kind, service)
        self._clients.append(client)
        return client

    def call(
        self,
        client: Any,
        request: Any,
        on_response: Callable[[Any], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """Call, and call back once: with the response, or with the reason why there is none."""
        if not client.service_is_ready():
            on_failure(self._why_deaf())
            return
        call = _Call(client, client.call_async(request), on_response, on_failure)
        self._waiting.append(call)
        call.future.add_done_callback(lambda _: self._on_done(call))

    def tick(self) -> None:
        """Give up what has waited too long."""
        now = time.monotonic()
        for call in [each for each in self._waiting if now - each.began > CALL_SECONDS]:
            self._waiting.remove(call)
            call.client.remove_pending_request(call.future)
            call.on_failure(
                f"the node has not answered for {CALL_SECONDS:g} s: it may be loading a model, or "
                "be gone; ask again"
            )

    def close(self) -> None:
        """Refuse all that waits."""
        for call in self._waiting:
            call.on_failure("sam3-ros look ends")
        self._waiting.clear()
        for client in self._clients:
            self._node.destroy_client(client)

    def _on_done(self, call: _Call) -> None:
        if call not in self._waiting:
            return
        self._waiting.remove(call)
        call.on_response(call.future.result())
