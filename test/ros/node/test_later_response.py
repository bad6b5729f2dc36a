"""A service that responds after its callback has returned, from another thread."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from sam3_ros.ros.node.rclpy_internals import LaterResponse, let_respond_later


def service(sent: list[tuple[str, str]]) -> SimpleNamespace:
    """Return a service whose responses are recorded with their headers."""
    made = SimpleNamespace(send_response=lambda response, header: sent.append((response, header)))
    let_respond_later(made)
    return made


def test_a_response_is_sent_once_it_and_its_header_are_known():
    sent: list[tuple[str, str]] = []
    served = service(sent)
    early, late = LaterResponse(threading.Lock()), LaterResponse(threading.Lock())
    early.respond("early")
    assert sent == []
    served.send_response(early, "first")
    served.send_response(late, "second")
    assert sent == [("early", "first")]
    thread = threading.Thread(target=late.respond, args=("late",))
    thread.start()
    thread.join()
    assert sent == [("early", "first"), ("late", "second")]


def test_only_the_first_response_counts():
    sent: list[tuple[str, str]] = []
    later = LaterResponse(threading.Lock())
    service(sent).send_response(later, "header")
    later.respond("answer")
    later.respond("refusal")
    assert sent == [("answer", "header")]


def test_a_response_of_the_usual_kind_goes_out_at_once():
    sent: list[tuple[str, str]] = []
    service(sent).send_response("now", "header")
    assert sent == [("now", "header")]
