"""The executor beside a thread that makes and destroys topics, as a transition does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.context import Context
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.waitable import NumberOfEntities, Waitable
from ros_domains import own_domain
from std_msgs.msg import String

from sam3_ros.ros.node.rclpy_internals import CallbackThreads, forget_destroyed

THREADS = 2
# For DDS to match two topics, and for the executor to see what came of it.
MATCH_SECONDS = 0.5
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class Spinning:
    """A node whose callbacks are run by an executor with threads of its own."""

    def __init__(self, domain: int) -> None:
        self.context, self.errors = Context(), list[BaseException]()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = Node("node", context=self.context)
        self.executor = CallbackThreads(self.context)
        self.executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._go = threading.Event()
        self._go.set()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except Exception as error:
            self.errors.append(error)

    def start(self) -> None:
        self._thread.start()

    def occupy(self) -> None:
        """Keep every thread in a callback until release(): other callbacks have to wait."""
        busy = threading.Semaphore(0)

        def wait() -> None:
            if not self._go.is_set():
                busy.release()
                self._go.wait()

        self._go.clear()
        for _ in range(THREADS):
            self.node.create_timer(0.01, wait, MutuallyExclusiveCallbackGroup())
        for _ in range(THREADS):
            assert busy.acquire(timeout=10)

    def release(self) -> None:
        self._go.set()

    def require_callbacks(self) -> None:
        """Require that callbacks of the default callback group, in which topics are, still run."""
        ticks = threading.Semaphore(0)
        timer = self.node.create_timer(0.01, ticks.release)
        assert ticks.acquire(timeout=10), self.errors
        assert not self.errors
        timer.cancel()

    def close(self) -> None:
        self.release()
        self.executor.end_spinning()
        self._thread.join(10)
        assert not self._thread.is_alive()
        assert self.executor.callbacks_ended(10)
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def spinning() -> Iterator[Spinning]:
    with own_domain() as domain:
        spinning = Spinning(domain)
        spinning.start()
        yield spinning
        spinning.close()


class EndsTopics(Waitable):
    """Destroys its publishers after the executor has listed them and before it waits for them."""

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


def test_publishers_that_end_while_the_executor_lists_them(spinning: Spinning) -> None:
    node = spinning.node
    ends = EndsTopics(node)
    node.add_waitable(ends)  # before the publishers, and so are its turns
    ticks = threading.Semaphore(0)
    node.create_timer(0.01, ticks.release)
    for _ in range(5):
        ends.publishers += [node.create_publisher(String, f"topic_{n}", 1) for n in range(3)]
        while ends.publishers and not spinning.errors:
            assert ticks.acquire(timeout=10)
    spinning.require_callbacks()


def destroy_publisher_with_an_event(node: Node) -> Callable[[], object]:
    """Return a function that destroys a publisher with a QoS event that is ready.

    The event is incompatible QoS: a subscription of the topic does not fit.
    """
    events = PublisherEventCallbacks(incompatible_qos=lambda _: None)
    publisher = node.create_publisher(String, "topic", BEST_EFFORT, event_callbacks=events)
    node.create_subscription(String, "topic", lambda _: None, RELIABLE)
    return lambda: node.destroy_publisher(publisher)


def destroy_subscription_with_a_message(node: Node) -> Callable[[], object]:
    publisher = node.create_publisher(String, "topic", RELIABLE)
    subscription = node.create_subscription(String, "topic", lambda _: None, RELIABLE)
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    publisher.publish(String())
    return lambda: node.destroy_subscription(subscription)


@pytest.mark.parametrize(
    "make", [destroy_publisher_with_an_event, destroy_subscription_with_a_message]
)
def test_a_topic_that_ends_while_what_it_has_waits_for_a_thread(
    spinning: Spinning, make: Callable[[Node], Callable[[], object]]
) -> None:
    spinning.occupy()
    destroy = make(spinning.node)
    time.sleep(MATCH_SECONDS)
    destroy()
    spinning.release()
    spinning.require_callbacks()


def test_a_callback_that_takes_too_long_is_not_waited_for(spinning: Spinning) -> None:
    spinning.occupy()
    spinning.executor.end_spinning()
    assert not spinning.executor.callbacks_ended(0.1)
    spinning.release()
    assert spinning.executor.callbacks_ended(10)


def test_what_was_destroyed_is_forgotten_by_its_group(spinning: Spinning) -> None:
    group = MutuallyExclusiveCallbackGroup()
    kept = spinning.node.create_timer(100.0, lambda: None, group)
    for _ in range(3):
        spinning.node.destroy_timer(spinning.node.create_timer(100.0, lambda: None, group))
    spinning.require_callbacks()  # the executor has let go of them
    forget_destroyed(group)
    assert [reference() for reference in group.entities] == [kept]
