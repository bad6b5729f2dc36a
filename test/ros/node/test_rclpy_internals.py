"""The executor beside a thread that makes and destroys topics, as a transition does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.waitable import NumberOfEntities, Waitable
from ros_domains import own_domain
from std_msgs.msg import String

from sam3_ros.ros.node.rclpy_internals import CallbackExecutor, forget_destroyed

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class Spinning:
    """A node whose callbacks are run by an executor in a thread of its own."""

    def __init__(self, domain: int) -> None:
        self.context, self.errors = Context(), list[BaseException]()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = Node("node", context=self.context)
        self.executor = CallbackExecutor(
            lambda _, error: self.errors.append(error), context=self.context
        )
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
        """Keep the thread in a callback until release(): other callbacks have to wait."""
        busy = threading.Event()

        def wait() -> None:
            busy.set()
            self._go.wait()

        self._go.clear()
        self.node.create_timer(0.01, wait)
        assert busy.wait(60)

    def release(self) -> None:
        self._go.set()

    def require_callbacks(self, group: CallbackGroup | None = None) -> None:
        """Require that callbacks of the group, by default that in which topics are, still run."""
        ticks = threading.Semaphore(0)
        timer = self.node.create_timer(0.01, ticks.release, group)
        assert ticks.acquire(timeout=60), self.errors
        assert not self.errors
        timer.cancel()

    def ended(self, timeout: float) -> bool:
        """Return whether the executor has ended, after so many seconds at most."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self) -> None:
        self.release()
        self.executor.end_spinning()
        assert self.ended(10)
        self.executor.shutdown()
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


def test_a_callback_that_raises_ends_nothing(spinning: Spinning) -> None:
    fault, called = RuntimeError("a fault in a callback"), threading.Semaphore(0)

    def fail() -> None:
        called.release()
        raise fault

    timer = spinning.node.create_timer(0.01, fail)
    for _ in range(3):
        assert called.acquire(timeout=60)
    spinning.node.destroy_timer(timer)
    assert set(spinning.errors) == {fault}
    spinning.errors.clear()
    spinning.require_callbacks()


def test_publishers_that_end_while_the_executor_lists_them(spinning: Spinning) -> None:
    node = spinning.node
    ends = EndsTopics(node)
    node.add_waitable(ends)  # before the publishers, and so are its turns
    ticks = threading.Semaphore(0)
    node.create_timer(0.01, ticks.release)
    for _ in range(5):
        ends.publishers += [node.create_publisher(String, f"topic_{n}", 1) for n in range(3)]
        while ends.publishers and not spinning.errors:
            assert ticks.acquire(timeout=60)
    spinning.require_callbacks()


class EndsATopic(MutuallyExclusiveCallbackGroup):
    """Destroys a topic when its turn has come and before anything is taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self.destroy: Callable[[], object] = lambda: None
        self.is_reached = threading.Event()

    def beginning_execution(self, entity: object) -> bool:
        self.destroy()
        self.is_reached.set()
        return super().beginning_execution(entity)


def publisher_with_an_event(node: Node, group: EndsATopic) -> Callable[[], object]:
    """Make a publisher with a QoS event that is ready; return what destroys it.

    The event is incompatible QoS: a subscription of the topic does not fit.
    """
    events = PublisherEventCallbacks(incompatible_qos=lambda _: None)
    publisher = node.create_publisher(
        String, "topic", BEST_EFFORT, event_callbacks=events, callback_group=group
    )
    node.create_subscription(String, "topic", lambda _: None, RELIABLE)
    return lambda: node.destroy_publisher(publisher)


def subscription_with_a_message(node: Node, group: EndsATopic) -> Callable[[], object]:
    publisher = node.create_publisher(String, "topic", RELIABLE)
    subscription = node.create_subscription(
        String, "topic", lambda _: None, RELIABLE, callback_group=group
    )
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    publisher.publish(String())
    return lambda: node.destroy_subscription(subscription)


@pytest.mark.parametrize("make", [publisher_with_an_event, subscription_with_a_message])
def test_a_topic_that_ends_when_its_turn_has_come(
    spinning: Spinning, make: Callable[[Node, EndsATopic], Callable[[], object]]
) -> None:
    spinning.occupy()
    group = EndsATopic()
    group.destroy = make(spinning.node, group)
    spinning.release()
    assert group.is_reached.wait(60)
    spinning.require_callbacks(group)


@pytest.mark.parametrize("error", [InvalidHandle("it was destroyed"), ValueError("no message")])
def test_humble_calls_back_with_what_was_taken_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, called, told = list[tuple[Callable, Callable]](), list[object](), list[Exception]()

    def make(_self: object, _entity: object, _node: object, take: Callable, call: Callable) -> None:
        made.append((take, call))

    async def call(_entity: object, taken: object) -> None:
        called.append(taken)

    def fail(_entity: object) -> None:
        raise error

    monkeypatch.setattr(SingleThreadedExecutor, "_make_handler", make)
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        executor = CallbackExecutor(lambda _, error: told.append(error), context=context)
        for taker in (fail, lambda _entity: None):  # the second is a timer's, which is due
            executor._make_handler("entity", "node", taker, call)
        for take, callback in made:
            asyncio.run(callback("entity", take("entity")))
        executor.shutdown()
        context.try_shutdown()
    assert called == [None]
    assert told == [error] * isinstance(error, ValueError)


def test_it_ends_after_the_callback_that_runs(spinning: Spinning) -> None:
    spinning.occupy()
    spinning.executor.end_spinning()
    assert not spinning.ended(0.1)
    spinning.release()
    assert spinning.ended(10)


def test_it_ends_though_nothing_happens(spinning: Spinning) -> None:
    spinning.require_callbacks()
    spinning.executor.end_spinning()
    assert spinning.ended(10)


def test_what_was_destroyed_is_forgotten_by_its_group(spinning: Spinning) -> None:
    group = MutuallyExclusiveCallbackGroup()
    kept = spinning.node.create_timer(100.0, lambda: None, group)
    for _ in range(3):
        spinning.node.destroy_timer(spinning.node.create_timer(100.0, lambda: None, group))
    spinning.require_callbacks()  # the executor has let go of them
    forget_destroyed(group)
    assert [reference() for reference in group.entities] == [kept]
