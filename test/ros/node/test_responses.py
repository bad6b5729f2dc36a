"""Responses that are sent by a thread of their own, and again if they did not get through."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_domains import own_domain
from std_srvs.srv import Trigger

from sam3_ros.ros.node.responses import LaterResponse, Responses


class Caught:
    """A service at the seam of rclpy: its responses are recorded with their headers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.fails: list[Exception] = []
        self.logged: list[str] = []
        self.service = SimpleNamespace(srv_name="~/asked", send_response=self._send)
        log = SimpleNamespace(
            warning=lambda text, **_: self.logged.append(text),
            error=lambda text, **_: self.logged.append(text),
        )
        node = SimpleNamespace(services=[self.service], get_logger=lambda: log)
        self.responses = Responses(node)  # type: ignore[arg-type]

    def _send(self, response: str, header: str) -> None:
        if self.fails:
            raise self.fails.pop()
        self.sent.append((response, header))

    def respond(self, response: Any, header: str) -> None:
        self.service.send_response(response, header)

    def after(self, count: int) -> list[tuple[str, str]]:
        """Return what was sent, once it is so many."""
        end = time.monotonic() + 60
        while len(self.sent) < count:
            assert time.monotonic() < end
            time.sleep(0.01)
        return self.sent


@pytest.fixture
def caught() -> Iterator[Caught]:
    caught = Caught()
    yield caught
    assert caught.responses.end(10)


def test_a_response_is_sent_once_it_and_its_header_are_known(caught: Caught) -> None:
    early, late = LaterResponse(), LaterResponse()
    early.respond("early")
    caught.respond(early, "first")
    caught.respond(late, "second")
    assert caught.after(1) == [("early", "first")]
    thread = threading.Thread(target=late.respond, args=("late",))
    thread.start()
    thread.join()
    assert caught.after(2) == [("early", "first"), ("late", "second")]


def test_only_the_first_response_counts(caught: Caught) -> None:
    later = LaterResponse()
    caught.respond(later, "header")
    later.respond("answer")
    later.respond("refusal")
    caught.respond("next", "header")
    assert caught.after(2) == [("answer", "header"), ("next", "header")]


def test_what_did_not_get_through_is_sent_again_after_the_others(caught: Caught) -> None:
    warning = SystemError("returned a result with an exception set")
    warning.__cause__ = RuntimeWarning("failed to send response (timeout)")
    caught.fails = [RuntimeWarning("failed to send response (timeout)"), warning]
    caught.respond("first", "a")
    caught.respond("second", "b")
    caught.respond("third", "c")
    assert sorted(caught.after(3)) == [("first", "a"), ("second", "b"), ("third", "c")]
    assert caught.sent[0] == ("third", "c")


def test_a_response_that_cannot_be_written_is_told_and_the_next_is_sent(caught: Caught) -> None:
    caught.fails = [UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed")]
    caught.respond("bad", "a")
    caught.respond("good", "b")
    assert caught.after(1) == [("good", "b")]
    (text,) = caught.logged
    assert "no response of ~/asked was sent" in text


def test_what_is_ready_is_sent_before_the_end() -> None:
    caught = Caught()
    for index in range(20):
        caught.respond(str(index), "")
    assert caught.responses.end(10)
    assert [response for response, _ in caught.sent] == [str(index) for index in range(20)]


def test_a_caller_that_cannot_be_reached_holds_up_nobody() -> None:
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        node = Node("server", context=context)
        calls = []

        def answer(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            calls.append(request)
            return response

        node.create_service(Trigger, "asked", answer, qos_profile=QoSProfile(depth=50))
        responses = Responses(node)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        # It hears only what is kept for the late, which no service offers: its request arrives.
        deaf = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        unreachable = node.create_client(Trigger, "asked", qos_profile=deaf)
        reachable = node.create_client(Trigger, "asked", qos_profile=QoSProfile(depth=50))
        assert reachable.wait_for_service(10)
        for _ in range(20):
            unreachable.call_async(Trigger.Request())
        future = reachable.call_async(Trigger.Request())
        executor.spin_until_future_complete(future, timeout_sec=10)
        assert future.done()
        assert len(calls) == 21
        # 20 of 0.1 s each are tried while the process ends, and none twice.
        assert responses.end(10)
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
