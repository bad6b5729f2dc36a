"""Questions to a node with several cameras, of which one sends images."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from geometry_msgs.msg import PointStamped
from node_client import PATIENCE
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_domains import own_domain
from sam3_ros.msg import PromptStatus, SegmentScore, SegmentScores

from sam3_ros.asking.nodes import Asker, AskError
from sam3_ros.asking.question import NodeQuestion
from sam3_ros.asking.standing import StandingQuestions
from sam3_ros.ros.prompts.requests import UNHEARD


class TwoCameras(Node):
    """Accepts each click, and then answers images of the front camera.

    A click outside its image is refused right behind the answers that lack it, the first of all
    as one whose answer nobody listens to.
    """

    def __init__(self, context: Context) -> None:
        super().__init__("see", context=context)
        self._status = self.create_publisher(PromptStatus, "~/prompt/status", 10)
        self._front = self.create_publisher(SegmentScores, "~/front/scores", 10)
        self.create_publisher(SegmentScores, "~/side/scores", 10)
        for camera in ("front", "side"):
            self.create_subscription(PointStamped, f"~/{camera}/prompt/point", self._accept, 10)
        self._is_asked = self._is_outside = False
        self._sees_listener = False
        #: How many more clicks it answers before it knows who listens to what it says of them.
        self.unheard = 0
        self.create_timer(0.05, self._answer)

    def _accept(self, click: PointStamped) -> None:
        if self.unheard:
            self.unheard -= 1
            return
        self._status.publish(PromptStatus(prompt_id="point", accepted=True))
        if self._sees_listener:
            self._is_asked, self._is_outside = True, click.point.x > 1000
        else:
            self._sees_listener = True
            self._status.publish(PromptStatus(prompt_id="point", reason=UNHEARD))

    def _answer(self) -> None:
        if self._is_outside:
            self._is_asked = self._is_outside = False
            time.sleep(0.3)  # until the question waits for its answer
            for _ in range(2):
                self._front.publish(SegmentScores())
            time.sleep(0.05)
            self._status.publish(PromptStatus(prompt_id="point", reason="outside"))
        elif self._is_asked:
            found = SegmentScore(prompt_id="point", label="point", score=0.9)
            self._front.publish(SegmentScores(segments=[found]))


@pytest.fixture
def see() -> Iterator[TwoCameras]:
    """Yield the node that is asked, in a domain of its own, while its callbacks run."""
    context = Context()
    with own_domain() as domain:
        context.init(domain_id=domain)
        node = TwoCameras(context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin)
        thread.start()
        yield node
        executor.shutdown()
        thread.join()
        context.try_shutdown()


@pytest.fixture
def standing(see: TwoCameras, request: pytest.FixtureRequest) -> Iterator[StandingQuestions]:
    asker = Asker(Node("asking", context=see.context), see.context)
    assert asker.wait(PATIENCE, lambda: asker.node.count_publishers("/see/side/scores") > 0)
    yield StandingQuestions(asker, "/see", patience=getattr(request, "param", PATIENCE))
    asker.close()


def test_a_click_is_answered_by_its_own_camera(standing):
    with pytest.raises(AskError, match=r"several cameras.*--of front or --of side"):
        standing.ask(NodeQuestion(click=(3.0, 4.0)), wait_for_answer=True)
    reply = standing.ask(NodeQuestion(click=(3.0, 4.0), camera="front"), wait_for_answer=True)
    assert [found.label for found in reply.found] == ["point"]


@pytest.mark.parametrize("standing", [3.0], indirect=True)
def test_the_answers_of_another_camera_are_none(standing):
    with pytest.raises(AskError, match="no image was answered"):
        standing.ask(NodeQuestion(click=(3.0, 4.0), camera="side"), wait_for_answer=True)


def test_a_refusal_behind_the_answers_is_told(standing):
    reply = standing.ask(NodeQuestion(click=(5000.0, 4.0), camera="front"), wait_for_answer=True)
    assert reply.refusals == ("outside",)


def test_what_nothing_is_said_of_is_asked_again(see, standing, monkeypatch):
    monkeypatch.setattr("sam3_ros.asking.standing._AGAIN_SECONDS", 0.2)
    see.unheard = 2
    reply = standing.ask(NodeQuestion(click=(3.0, 4.0), camera="front"), wait_for_answer=True)
    assert [found.label for found in reply.found] == ["point"]
