"""The executor beside a thread that makes and destroys topics, as a transition does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.context import Context
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.waitable import NumberOfEntities, Waitable
from ros_domains import own_domain
from std_msgs.msg import String

from sam3_ros.ros.node.rclpy_internals import CallbackThreads


@pytest.fixture
def spinning() -> Iterator[tuple[CallbackThreads, Node, list[BaseException]]]:
    """(executor, node, what ended the executor)."""
    context, errors = Context(), list[BaseException]()
    with own_domain() as domain:
        rclpy.init(context=context, domain_id=domain)
        node = Node("node", context=context)
        executor = CallbackThreads(context)
        executor.add_node(node)

        def spin() -> None:
            try:
                executor.spin()
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=spin)
        thread.start()
        yield executor, node, errors
        Executor.shutdown(executor, 0.0)
        thread.join()
        executor._executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


class EndsTopics(Waitable):
    """Destroys what it is given, just as the executor has listed it and goes to wait for it."""

    def __init__(self, node: Node) -> None:
        super().__init__(MutuallyExclusiveCallbackGroup())
        self.node, self.publishers = node, list[Publisher]()

    def __enter__(self) -> None:
        while self.publishers:
            self.node.destroy_publisher(self.publishers.pop())

    def __exit__(self, *_: object) -> None:
        pass

    def get_num_entities(self) -> NumberOfEntities:
        return NumberOfEntities()

    def add_to_wait_set(self, wait_set: object) -> None:
        pass

    def is_ready(self, *_: object) -> bool:
        return False


def test_publishers_that_end_while_it_lists_them(spinning):
    _, node, errors = spinning
    ends = EndsTopics(node)
    node.add_waitable(ends)  # before the publishers, and so are its turns
    ticks = threading.Semaphore(0)
    node.create_timer(0.01, ticks.release)
    for _ in range(5):
        ends.publishers += [node.create_publisher(String, f"topic_{n}", 1) for n in range(3)]
        while ends.publishers and not errors:
            assert ticks.acquire(timeout=10)
    while ticks.acquire(blocking=False):
        pass
    assert ticks.acquire(timeout=10), errors
    assert not errors


def test_an_event_of_a_publisher_that_is_gone_is_nothing_to_do(spinning):
    executor, node, errors = spinning
    publisher = node.create_publisher(String, "topic", 1)
    event = publisher.event_handlers[0]
    event._ready_to_take_data = True  # as after a wait that found it
    node.destroy_publisher(publisher)
    handler = executor._make_handler(event, node, executor._take_waitable)
    executor.wake()
    ticks = threading.Semaphore(0)
    while not handler.done() and not errors:
        threading.Event().wait(0.01)
    node.create_timer(0.01, ticks.release)  # of the same group
    assert ticks.acquire(timeout=10), errors
    assert not errors
