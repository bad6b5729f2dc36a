"""Configuring that fails and is corrected, and cycles through the states."""

from __future__ import annotations

from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_client import NODE, NodeClient
from node_under_test import running_node
from rclpy.parameter import Parameter
from rclpy.task import Future
from ros_domains import own_domain
from scenes import colour_scene

from sam3_ros.ros.segmentation_node import SegmentationNode

pytestmark = pytest.mark.long

SLOW_NODE = str(Path(__file__).parents[1] / "support" / "slow_loading_node.py")
SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40)})


def test_what_cannot_be_configured_is_reported_and_can_be_corrected(tmp_path, sam3_bundle_path):
    with running_node(tmp_path, bundle="no such bundle", backend="gpu") as (process, client):

        def failed(values, status):
            return status.level == DiagnosticStatus.ERROR and values["state"] == "unconfigured"

        client.diagnosed(failed)
        assert "configure failed: parameter 'backend' is one of cpu, cuda" in process.log
        assert client.state == "unconfigured"

        assert not client.set_parameters(backend="tpu").successful
        assert client.set_parameters(backend="cpu").successful
        assert not client.transition("configure")
        client.diagnosed(lambda _, status: "no such bundle" in status.message)

        assert client.set_parameters(bundle=str(sam3_bundle_path), precision="int8").successful
        assert not client.transition("configure")
        client.diagnosed(lambda _, status: "int8" in status.message)
        assert client.set_parameters(precision="fp16").successful

        assert client.transition("configure")
        assert client.state == "inactive"
        values = client.diagnosed(lambda values, _: values["state"] == "inactive")
        assert values["precision"] == "fp16"
        assert client.transition("activate")
        client.connected().ask("red")
        assert client.answer(SCENE, "scores")["scores"].segments


def test_prompts_that_the_bundle_cannot_take(tmp_path, mobile_sam_bundle_path):
    parameters = {"bundle": mobile_sam_bundle_path, "prompts": "[red]"}
    with running_node(tmp_path, **parameters) as (_, client):
        reason = "answers only points and a box"
        client.diagnosed(lambda _, status: reason in status.message)
        assert client.set_parameters(prompts=[""]).successful
        assert client.transition("configure")
        assert client.transition("activate")
        (status,) = client.connected().ask("red")
        assert not status.accepted
        assert reason in status.reason
        assert not client.set_parameters(prompts=["red"]).successful
        client.click(25.0, 25.0)
        assert client.answer(SCENE, "scores")["scores"].segments


def test_cycles(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "autostart": "false", "prompts": "[red]"}
    with running_node(tmp_path, **parameters) as (_, client):
        assert client.state == "unconfigured"
        for cycle in range(3):
            assert client.transition("configure")
            client.listen("scores")
            before = client.frames_settled()["dropped, not active"]
            client.connected().send(SCENE)
            client.diagnosed(
                lambda values, _, before=before: int(values["frames dropped, not active"]) > before
            )
            for _ in range(2):
                assert client.transition("activate")
                assert client.answer(SCENE, "scores")["scores"].segments
                client.set_parameters(prompts=["red", "blue"])
                assert client.transition("deactivate")
            assert not client.set_parameters(threads=cycle + 1).successful
            assert client.transition("cleanup")
            assert client.set_parameters(threads=cycle + 1, prompts=["red"]).successful
        assert client.transition("configure")
        assert client.transition("activate")
        assert client.transition("shutdown")
        assert client.state == "finalized"


def asked(client: NodeClient, label: str) -> Future:
    request = ChangeState.Request(transition=Transition(label=label))
    return client.start(ChangeState, f"{NODE}/change_state", request)


def configuring_slowly(client: NodeClient) -> Future:
    """Ask for the transition and wait until it runs, for a second."""
    configured = asked(client, "configure")
    client.spin_until(lambda: client.state == "configuring", "configuring")
    return configured


def test_transitions_that_are_asked_for_while_one_runs_come_after_it(tmp_path, sam3_bundle_path):
    slow = (SLOW_NODE, "free", "0.1")
    parameters = {"program": slow, "bundle": sam3_bundle_path, "autostart": "false"}
    with running_node(tmp_path, **parameters) as (_, client):
        answers = [configuring_slowly(client)]
        answers += [asked(client, label) for label in ("activate", "deactivate", "cleanup")]
        assert not any(answer.done() for answer in answers)
        client.spin_until(lambda: all(answer.done() for answer in answers), "the transitions")
        assert [answer.result().success for answer in answers] == [True] * 4
        assert client.state == "unconfigured"


def test_of_too_many_transitions_each_is_answered(tmp_path, sam3_bundle_path):
    slow = (SLOW_NODE, "free", "0.3")
    parameters = {"program": slow, "bundle": sam3_bundle_path, "autostart": "false"}
    with running_node(tmp_path, **parameters) as (process, client):
        configured = configuring_slowly(client)
        answers = [asked(client, "activate")]
        while not any(answer.done() for answer in answers):
            answers.append(asked(client, "activate"))
            assert client.state == "configuring"  # so the node has taken the call
        assert not any(answer.result().success for answer in answers if answer.done())
        assert "refused: too many wait for the one that runs" in process.log
        client.spin_until(lambda: all(answer.done() for answer in answers), "the transitions")
        assert configured.result().success
        assert sum(answer.result().success for answer in answers) == 1  # it is active then
        assert client.state == "active"


def test_a_parameter_that_is_set_just_as_the_first_configuring_begins():
    with own_domain() as domain:
        rclpy.init(domain_id=domain)
        node = SegmentationNode()
        node.lifecycle.begin("configure")
        set_now = [Parameter("score_threshold", value=0.25)]
        assert node.set_parameters_atomically(set_now).successful
        assert not node.set_parameters_atomically([Parameter("backend", value="tpu")]).successful
        node.destroy_node()
        rclpy.try_shutdown()


def test_a_transition_that_the_state_does_not_allow(tmp_path):
    with running_node(tmp_path, autostart="false") as (process, client):
        client.diagnosed(lambda values, _: values["state"] == "unconfigured")
        for number in (Transition.TRANSITION_ACTIVATE, 250):
            request = ChangeState.Request(transition=Transition(id=number))
            service = "/segmentation_node/change_state"
            assert not client.call(ChangeState, service, request).success
        assert not client.transition("activate")
        assert client.state == "unconfigured"
        assert process.process.poll() is None


@pytest.mark.parametrize("parameter", [("threads", "two"), ("click_seconds", "-1")])
def test_a_parameter_of_a_wrong_type_or_range_ends_it_with_the_reason(tmp_path, parameter):
    name, value = parameter
    with running_node(tmp_path, expected_code=2, **{name: value}) as (process, _):
        process.process.wait(60)
        assert f"the node cannot start: parameter '{name}' " in process.log
        assert "Traceback" not in process.log
