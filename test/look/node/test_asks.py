"""Questions whose answer is late, lost or taken back: beside a node that does each of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import pytest
from node_client import PATIENCE
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_domains import own_domain
from sam3_ros.msg import Prompt, Prompts, PromptStatus
from std_msgs.msg import Header

from sam3_ros.look.node.asks import PromptAsks
from sam3_ros.look.node.ros_thread import RosThread
from sam3_ros.look.viewing import PictureStamp, Verdict
from sam3_ros.ros.prompts.requests import UNHEARD

STAMP = PictureStamp(12, 5)


class EvasiveNode(Node):
    """Does with each message what it was told to, and accepts all that follow."""

    def __init__(self, context: Context) -> None:
        super().__init__("see", context=context)
        self._status = self.create_publisher(PromptStatus, "~/prompt/status", 100)
        self.create_subscription(Prompts, "~/prompts", self._take, 100)
        self.orders: list[str] = []
        self.taken: list[Prompts] = []

    def _take(self, message: Prompts) -> None:
        self.taken.append(message)
        order = self.orders.pop(0) if self.orders else "accept"
        if order == "say nothing":
            return
        for prompt in message.prompts:
            status = PromptStatus(header=message.header, prompt_id=prompt.id, accepted=True)
            self._status.publish(status)
        if order != "accept":  # it is taken back by the image
            header = Header(stamp=message.header.stamp, frame_id="camera")
            self._status.publish(PromptStatus(header=header, prompt_id="point", reason=order))


@dataclass
class Asking:
    see: EvasiveNode
    ros: RosThread
    asks: PromptAsks

    def ask(
        self, *ids: str, action: int = Prompts.PUT, stamp: PictureStamp | None = None
    ) -> Future[Verdict]:
        message = Prompts(action=action, prompts=[Prompt(id=each) for each in ids])
        done: Future[Verdict] = Future()
        self.ros.post(lambda: self.asks.ask(message, done, stamp))
        return done


def on(ros: RosThread, make: Callable[[], PromptAsks]) -> PromptAsks:
    """Make something on the ROS thread."""
    made: Future[PromptAsks] = Future()
    ros.post(lambda: made.set_result(make()))
    return made.result(PATIENCE)


@pytest.fixture(scope="module")
def one_asking() -> Iterator[Asking]:
    context = Context()
    with own_domain() as domain:
        context.init(domain_id=domain)
        see = EvasiveNode(context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(see)
        thread = threading.Thread(target=executor.spin)
        thread.start()
        ros = RosThread(domain)
        asks = on(ros, lambda: PromptAsks(ros.node, "/see", lambda: "nobody is there"))
        ros.post(lambda: ros.every(0.05, asks.tick))
        end = threading.Event()
        for _ in range(int(PATIENCE * 20)):
            if see.count_subscribers("/see/prompt/status") and ros.node.count_subscribers(
                "/see/prompts"
            ):
                break
            end.wait(0.05)
        yield Asking(see, ros, asks)
        ros.close()
        executor.shutdown()
        thread.join()
        context.try_shutdown()


@pytest.fixture
def asking(one_asking: Asking) -> Asking:
    one_asking.see.orders.clear()
    # The first of all may be lost, since the other end discovers later.
    for _ in range(5):
        if one_asking.ask("red").result(PATIENCE).accepted:
            break
    one_asking.see.taken.clear()
    return one_asking


def test_each_prompt_of_a_question_has_its_word(asking: Asking) -> None:
    verdict = asking.ask("red", "blue").result(PATIENCE)
    assert verdict.accepted and verdict.prompt_ids == ("red", "blue")
    assert len(asking.see.taken) == 1


def test_a_click_that_its_image_refuses_is_refused(asking: Asking) -> None:
    asking.see.orders = ["prompt 'point': it lies outside"]
    verdict = asking.ask("point", stamp=STAMP).result(PATIENCE)
    assert not verdict.accepted and verdict.reason == "prompt 'point': it lies outside"
    sent = asking.see.taken[0].header.stamp
    assert (sent.sec, sent.nanosec) == STAMP


def test_a_click_is_asked_again_until_the_node_knows_who_listens(asking: Asking) -> None:
    asking.see.orders = [UNHEARD, UNHEARD]
    assert asking.ask("point", stamp=STAMP).result(PATIENCE).accepted
    assert len(asking.see.taken) == 3


def test_what_nothing_is_said_of_is_asked_once_more(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam3_ros.look.node.asks._AGAIN_SECONDS", 0.2)
    asking.see.orders = ["say nothing"]
    assert asking.ask("red").result(PATIENCE).accepted
    assert len(asking.see.taken) == 2


def test_a_node_that_says_nothing_is_waited_for_so_long(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam3_ros.look.node.asks.ANSWER_SECONDS", 0.4)
    monkeypatch.setattr("sam3_ros.look.node.asks._AGAIN_SECONDS", 0.1)
    asking.see.orders = ["say nothing"] * 2
    verdict = asking.ask("red", action=Prompts.REMOVE).result(PATIENCE)
    assert not verdict.accepted and "/see has not answered for 0.4 s" in verdict.reason
    # What is removed already cannot be removed again.
    assert len(asking.see.taken) == 1


def test_where_nobody_listens_the_reason_is_told(asking: Asking) -> None:
    deaf = on(asking.ros, lambda: PromptAsks(asking.ros.node, "/other", lambda: "nobody is there"))
    done: Future[Verdict] = Future()
    asking.ros.post(lambda: deaf.ask(Prompts(prompts=[Prompt(id="red")]), done))
    assert done.result(PATIENCE).reason == "nobody is there"
    asking.ros.post(deaf.close)
