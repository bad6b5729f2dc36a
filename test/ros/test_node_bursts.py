"""Many prompts and calls at once: each is answered, and what DDS lost is counted and told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from geometry_msgs.msg import Point, PointStamped
from node_client import NODE, NodeClient
from node_under_test import running_node
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sam3_ros.msg import Prompt, Prompts, PromptStatus
from sam3_ros.srv import Segment
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.ros.frames.queue import MOST_CALLS
from sam3_ros.ros.prompts.label_values import LABEL_VALUES
from sam3_ros.ros.prompts.subscription import MOST_BYTES

COUNT = 1000
LATCHED_TEXT = f"qos_overrides.{NODE}/prompt/text.subscription.durability"


class Client:
    """A client that sends in bursts and hears all that is said on them."""

    def __init__(self, client: NodeClient) -> None:
        self.client = client
        self.statuses: list[PromptStatus] = client.collect(
            PromptStatus, f"{NODE}/prompt/status", QoSProfile(depth=10 * COUNT)
        )

    def burst(
        self, topic: str, messages: list[object], kind: type | None = None
    ) -> list[PromptStatus]:
        """Publish without a break, at a depth of as many; return as many statuses.

        kind: of the messages, where they are bytes.
        """
        node = self.client.node
        publisher = node.create_publisher(
            kind or type(messages[0]), f"{NODE}/{topic}", QoSProfile(depth=len(messages))
        )
        self.client.spin_until(publisher.get_subscription_count, topic)
        self.statuses.clear()
        for message in messages:
            publisher.publish(message)
        self.client.spin_until(lambda: len(self.statuses) >= len(messages), "the statuses")
        node.destroy_publisher(publisher)
        return list(self.statuses)


@pytest.fixture(scope="module")
def client_of_one_node(tmp_path_factory, sam3_bundle_path) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("node")
    with running_node(folder, bundle=sam3_bundle_path) as (_, client):
        client.connected()
        yield Client(client)


@pytest.fixture
def client(client_of_one_node: Client) -> Client:
    def is_heard() -> list[PromptStatus]:
        client_of_one_node.client.prompt("set", Prompts())
        return client_of_one_node.statuses

    client_of_one_node.client.spin_until(is_heard, "a status for who counts them")
    return client_of_one_node


def test_a_thousand_prompts_in_a_row_are_each_answered(client: Client) -> None:
    asked = [
        Prompts(action=Prompts.PUT, prompts=[Prompt(id=f"{n}", text=f"thing {n}")])
        for n in range(COUNT)
    ]
    statuses = client.burst("prompts", asked)
    accepted = [status.prompt_id for status in statuses if status.accepted]
    assert accepted == [f"{n}" for n in range(len(LABEL_VALUES))]
    refused = [status.reason for status in statuses if not status.accepted]
    assert len(refused) == COUNT - len(LABEL_VALUES)
    assert all("at most 254 prompts" in reason for reason in refused)


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("prompt/text", String(data="red")),
        ("prompt/point", PointStamped(point=Point(x=3.0, y=3.0))),
        ("prompt/click", Point(x=3.0, y=3.0)),
        ("prompt/box", RegionOfInterest(width=10, height=10)),
    ],
)
def test_each_topic_takes_a_burst(client: Client, topic: str, message: object) -> None:
    statuses = client.burst(topic, [message] * COUNT)
    assert len(statuses) == COUNT
    assert all(status.accepted for status in statuses)


def test_what_a_publisher_no_longer_had_is_counted_and_told(client: Client) -> None:
    # A publisher's numbers go on while nobody is there to hear them.
    node = client.client.node
    publisher = node.create_publisher(String, f"{NODE}/prompt/text", QoSProfile(depth=1))
    client.client.spin_until(publisher.get_subscription_count, "the node")
    large = String(data="x" * 200_000)  # more than fits the way at once
    before = int(client.client.diagnosed(lambda *_: True)["prompt messages lost"])
    client.statuses.clear()
    for _ in range(60):
        publisher.publish(large)
    publisher.publish(String(data="red"))
    client.client.spin_until(lambda: any(s.accepted for s in client.statuses), "the last one")
    lost = 61 - len(client.statuses)

    def counted(values: dict[str, str], status: object) -> bool:
        is_told = not lost or "publish with a depth" in status.message  # type: ignore[attr-defined]
        return is_told and int(values["prompt messages lost"]) - before == lost

    client.client.diagnosed(counted)


@pytest.mark.parametrize("kind", [String, Prompts])
def test_a_message_larger_than_any_prompt_is_refused_unread(client: Client, kind: type) -> None:
    text = "&amp;" * 100_000
    message = String(data=text) if kind is String else Prompts(prompts=[Prompt(text=text)])
    (status,) = client.burst("prompt/text" if kind is String else "prompts", [message])
    assert f"at most {MOST_BYTES} bytes" in status.reason


def test_bytes_that_are_no_prompt_are_refused(client: Client) -> None:
    (status,) = client.burst("prompts", [b"\0\1\0\0" + b"\xff" * 40], Prompts)
    assert "bytes that are none" in status.reason


def test_the_parameter_takes_a_burst(client: Client) -> None:
    service = client.client.node.create_client(
        SetParametersAtomically,
        f"{NODE}/set_parameters_atomically",
        qos_profile=QoSProfile(depth=COUNT),
    )
    client.client.spin_until(service.service_is_ready, "the service")
    values = [Parameter("prompts", value=[f"thing {n}"]).to_parameter_msg() for n in range(200)]
    requests = [SetParametersAtomically.Request(parameters=[value]) for value in values]
    futures = [service.call_async(request) for request in requests]
    client.client.spin_until(lambda: all(f.done() for f in futures), "the responses")
    assert all(future.result().result.successful for future in futures)


def test_each_of_many_calls_at_once_is_responded_to(client: Client) -> None:
    service = client.client.node.create_client(
        Segment, f"{NODE}/segment", qos_profile=QoSProfile(depth=COUNT)
    )
    client.client.spin_until(service.service_is_ready, "the service")
    request = Segment.Request(prompts=[Prompt(text="red")])
    request.image.height = request.image.width = 8
    request.image.encoding, request.image.step = "rgb8", 24
    request.image.data = bytes(192)
    futures = [service.call_async(request) for _ in range(200)]
    client.client.spin_until(lambda: all(f.done() for f in futures), "the responses")
    responses = [future.result() for future in futures]
    assert sum(response.success for response in responses) >= MOST_CALLS
    assert all(response.success or "wait" in response.reason for response in responses)


def test_a_latched_prompt_of_before_the_start_is_heard_by_an_override(
    tmp_path, sam3_bundle_path
) -> None:
    parameters = {"bundle": sam3_bundle_path, "autostart": "false", LATCHED_TEXT: "transient_local"}
    with running_node(tmp_path, **parameters) as (_, client):
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        early = client.node.create_publisher(String, f"{NODE}/prompt/text", latched)
        early.publish(String(data="red"))
        assert client.transition("configure")
        client.spin_until(lambda: client.statuses, "a status")
        (status,) = client.statuses
        assert (status.prompt_id, status.accepted) == ("red", True)
