"""Calls and bytes that nobody sends by mistake: each is refused, and the node goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_client import NODE, NodeClient
from node_under_test import running_node
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.qos import DurabilityPolicy, QoSProfile
from sam3_ros.msg import Prompts
from sensor_msgs.msg import Image
from std_msgs.msg import String

ODD_NAMES = ["", "nonsense", "a" * 3000, "\x01\x1b[31m", "qos_overrides./x.publisher.depth"]
JUNK = [
    b"\0\1\0\0" + b"\xff" * 20,
    b"\0\1\0\0\5\0\0\0\xff\xfe\xfd\xc3\0",  # a text that is no UTF-8
    b"\0\1\0\0\x10\0\0\0ab\0",  # a text longer than the message
    b"\0\1\0\0",
    bytes(range(256)),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory, sam3_bundle_path) -> Iterator[NodeClient]:
    folder = tmp_path_factory.mktemp("node")
    with running_node(folder, bundle=sam3_bundle_path, prompts="[red]") as (process, client):
        yield client.connected()
        assert "Traceback" not in process.log
        assert max(map(len, process.log.splitlines())) < 2000
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", process.log), "escapes in the log"


def parameter(name: str, kind: int) -> Parameter:
    return Parameter(name=name, value=ParameterValue(type=kind))


@pytest.mark.parametrize("kind", [10, 77, 255])
def test_a_type_that_does_not_exist_is_refused_and_the_others_are_set(client, kind):
    good = Parameter(name="max_rate", value=ParameterValue(type=3, double_value=7.0))
    odd = [parameter(name, kind) for name in ("max_rate", *ODD_NAMES)]
    request = SetParameters.Request(parameters=[*odd, good])
    *refused, taken = client.call(SetParameters, f"{NODE}/set_parameters", request).results
    assert [result.successful for result in refused] == [False] * len(odd)
    assert all(
        f"from 0 to 9 (rcl_interfaces/msg/ParameterType), got {kind}" in result.reason
        and len(result.reason) < 300
        for result in refused
    )
    assert taken.successful


@pytest.mark.parametrize("kind", [10, 77, 255])
def test_all_or_none_are_set(client, kind):
    good = Parameter(name="max_rate", value=ParameterValue(type=3, double_value=3.0))
    request = SetParametersAtomically.Request(parameters=[good, parameter("max_rate", kind)])
    service = f"{NODE}/set_parameters_atomically"
    result = client.call(SetParametersAtomically, service, request).result
    assert not result.successful
    assert f"got {kind}" in result.reason
    names = GetParameters.Request(names=["max_rate"])
    (value,) = client.call(GetParameters, f"{NODE}/get_parameters", names).values
    assert value.double_value != 3.0


@pytest.mark.parametrize("kind", range(10))
def test_each_type_for_each_parameter_has_a_result(client, kind):
    names = ["threshold", "prompts", "bundle", "use_sim_time", *ODD_NAMES]
    request = SetParameters.Request(parameters=[parameter(name, kind) for name in names])
    results = client.call(SetParameters, f"{NODE}/set_parameters", request).results
    assert len(results) == len(names)
    assert all(result.successful or result.reason for result in results)


def test_thousands_of_parameters_in_one_call_are_refused(client):
    good = Parameter(name="max_rate", value=ParameterValue(type=3, double_value=9.0))
    each = SetParameters.Request(parameters=[good] * 2000)
    results = client.call(SetParameters, f"{NODE}/set_parameters", each).results
    assert len(results) == 2000
    assert all("at most 256 parameters in one call, got 2000" in one.reason for one in results)
    together = SetParametersAtomically.Request(parameters=[good] * 2000)
    service = f"{NODE}/set_parameters_atomically"
    result = client.call(SetParametersAtomically, service, together).result
    assert not result.successful
    assert "at most 256" in result.reason


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        (GetParameters, "get_parameters"),
        (GetParameterTypes, "get_parameter_types"),
        (DescribeParameters, "describe_parameters"),
    ],
)
def test_of_thousands_of_names_nothing_is_told(client, kind, service):
    many = client.call(kind, f"{NODE}/{service}", kind.Request(names=["bundle"] * 5000))
    assert many == kind.Response()
    few = client.call(kind, f"{NODE}/{service}", kind.Request(names=["bundle"] * 1000))
    assert few != kind.Response()


def test_of_thousands_of_prefixes_nothing_is_told(client):
    for prefixes, is_answered in ((["bundle"] * 5000, False), (["bundle"] * 1000, True)):
        request = ListParameters.Request(prefixes=prefixes)
        answer = client.call(ListParameters, f"{NODE}/list_parameters", request)
        assert (answer != ListParameters.Response()) == is_answered


@pytest.mark.parametrize("name", ODD_NAMES)
def test_questions_about_odd_names(client, name):
    for kind, service in (
        (GetParameters, "get_parameters"),
        (GetParameterTypes, "get_parameter_types"),
        (DescribeParameters, "describe_parameters"),
    ):
        assert client.call(kind, f"{NODE}/{service}", kind.Request(names=[name] * 3)) is not None
    for depth in (0, 1, 2**64 - 1):
        request = ListParameters.Request(prefixes=[name], depth=depth)
        assert client.call(ListParameters, f"{NODE}/list_parameters", request) is not None


@pytest.mark.parametrize("number", [0, 2, 9, 10, 11, 30, 60, 99, 255])
def test_a_transition_that_does_not_exist_is_refused(client, number):
    for label in ("", "nonsense", "é" * 1000, "a" * 10**5, "\x1b[31m\x9b2J"):
        request = ChangeState.Request(transition=Transition(id=number, label=label))
        assert not client.call(ChangeState, f"{NODE}/change_state", request).success
    assert client.state == "active"


@pytest.mark.parametrize("type_hash", ["", "junk", "\x1b[31m", "a" * 10**5, "RIHS01_" + "0" * 64])
def test_types_that_do_not_exist_are_not_described(client, type_hash):
    services = pytest.importorskip("type_description_interfaces.srv")  # not in Humble
    request = services.GetTypeDescription.Request(type_name="\x1b[31m", type_hash=type_hash)
    service = f"{NODE}/get_type_description"
    answer = client.call(services.GetTypeDescription, service, request)
    assert not answer.successful
    assert 0 < len(answer.failure_reason) < 300


def test_bytes_that_are_no_message(client):
    for kind, topic in (
        (String, f"{NODE}/prompt/text"),
        (Prompts, f"{NODE}/prompts"),
        (Image, "/image"),
    ):
        for junk in JUNK:
            publisher = client.node.create_publisher(kind, topic, QoSProfile(depth=50))
            client.spin_until(publisher.get_subscription_count, topic)
            publisher.publish(junk)
            client.node.destroy_publisher(publisher)
    client.spin_until(lambda: any(status.accepted for status in client.ask("red")), "red is asked")


def test_callers_that_cannot_be_reached_hold_up_nobody(client):
    deaf = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    service = f"{NODE}/get_state"
    unreachable = client.node.create_client(GetState, service, qos_profile=deaf)
    assert client.state == "active"
    for _ in range(20):
        unreachable.call_async(GetState.Request())
    assert client.state == "active"
    assert client.ask("red")[0].accepted
    client.node.destroy_client(unreachable)
    client.diagnosed(lambda values, _: values["callback errors"] == "0")
