"""What a node reports while it loads, runs and fails, and what may be changed meanwhile."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_client import NODE, NodeClient
from node_under_test import running_node
from rcl_interfaces.srv import DescribeParameters, GetParameters
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from scenes import colour_scene

from sam3_ros.ros.parameters.specs import SPECS, Changes, ParameterSpec

pytestmark = pytest.mark.long

SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40)})
SLOW_NODE = str(Path(__file__).parents[1] / "support" / "slow_loading_node.py")
FOR_EVER = "600"


def loading(client: NodeClient) -> dict[str, str]:
    """Wait until the node loads a stage; return its diagnostic values."""
    return client.diagnosed(
        lambda values, _: values["state"] == "configuring" and "stage" in values["loading"]
    )


def stage_in(told: str) -> int:
    """Return the number of the stage in a report, from 1; 0 if there is none."""
    match = re.search(r"\bstage (\d+) of 11, ", told)
    return int(match[1]) if match else 0


def test_a_node_answers_services_while_it_loads(tmp_path, sam3_bundle_path):
    slow = (SLOW_NODE, "free", "1.0")
    with running_node(tmp_path, program=slow, bundle=sam3_bundle_path) as (process, client):
        first = stage_in(loading(client)["loading"])  # discovery may have taken seconds
        assert first > 0
        assert client.state == "configuring"
        assert client.set_parameters(silence_warn_s=60.0, prompts=["red"]).successful
        refused = client.set_parameters(bundle="tabletop")
        assert "may change while the node is unconfigured" in refused.reason
        client.diagnosed(
            lambda _, status: (
                status.level == DiagnosticStatus.WARN
                and status.message.startswith("configuring: loading stage ")
                and stage_in(status.message) > first
            )
        )
        client.spin_until(lambda: "loading stage" in process.log, "progress in the log")
        values = client.diagnosed(lambda values, _: values["state"] == "active")
        assert values["loading"] == ""
        assert values["prompts"] == "red"
        assert values["verification"] == "not verified"
        assert values["bundle name"] == "colours"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_loads(tmp_path, sam3_bundle_path, number):
    slow = (SLOW_NODE, "free", FOR_EVER)
    with running_node(tmp_path, program=slow, bundle=sam3_bundle_path) as (process, client):
        loading(client)
        assert process.stop(number) == 0
        assert "ending in the middle of a frame or of loading a bundle" in process.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_while_nothing_but_the_engine_runs(tmp_path, sam3_bundle_path, number):
    grip = (SLOW_NODE, "grip", FOR_EVER)
    parameters = {"bundle": sam3_bundle_path, "program": grip, "expected_code": -number}
    with running_node(tmp_path, **parameters) as (process, client):
        client.spin_until(lambda: "loading the bundle" in process.log, "loading")
        client.spin_until(lambda: process.process.poll() is None, "the process")
        assert process.stop(number) == -number


def test_a_signal_that_comes_after_such_loading_ends_it_as_always(tmp_path, sam3_bundle_path):
    grip = (SLOW_NODE, "grip", "0.01")
    with running_node(tmp_path, program=grip, bundle=sam3_bundle_path) as (process, client):
        client.diagnosed(lambda values, _: values["state"] == "active")
        assert process.stop(signal.SIGINT) == 0


def test_build_only_builds_and_ends(tmp_path, sam3_bundle_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parameters = {"bundle": sam3_bundle_path, "build_only": "true", "autostart": "false"}
    with running_node(tmp_path, **parameters) as (process, _):
        assert process.process.wait(60) == 0
        assert "]: inactive" in process.log
        assert "]: active" not in process.log
    # The CPU builds nothing that would be kept.
    assert not (tmp_path / "cache" / "sam3_ros" / "engines").exists()


def test_build_only_that_cannot_build_says_why(tmp_path):
    parameters = {"bundle": "no such bundle", "build_only": "true", "expected_code": 1}
    with running_node(tmp_path, **parameters) as (process, _):
        assert process.process.wait(60) == 1
        assert "configure failed: no bundle 'no such bundle'" in process.log


def alternative(spec: ParameterSpec) -> object:
    """Return a valid value of the parameter that is not its default."""
    default = spec.default
    if isinstance(default, tuple):
        return list(spec.choices[:1]) or ["other"]
    if spec.choices:
        return next(choice for choice in spec.choices if choice != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1 if spec.limits is None else int(spec.limits[1])
    return 0.25 if isinstance(default, float) else f"other {default}".strip()


def test_every_parameter_changes_when_it_says_that_it_may(tmp_path, sam3_bundle_path):
    with running_node(tmp_path, bundle=sam3_bundle_path) as (_, client):
        client.diagnosed(lambda values, _: values["state"] == "active")
        for spec in SPECS:
            (descriptor,) = client.call(
                DescribeParameters,
                f"{NODE}/describe_parameters",
                DescribeParameters.Request(names=[spec.name]),
            ).descriptors
            assert f"may change {spec.changes.value}" in descriptor.additional_constraints
            result = client.set_parameters(**{spec.name: alternative(spec)})
            assert result.successful == (spec.changes is Changes.ANY_TIME), spec.name
            has_changed = value_of(client, spec.name) == alternative(spec)
            assert has_changed == result.successful, spec.name
            if spec.changes is Changes.UNCONFIGURED:
                assert "clean up first" in result.reason
            elif spec.changes is Changes.AT_START:
                assert "only when the node starts" in result.reason
        assert client.transition("deactivate")
        assert client.transition("cleanup")
        for spec in SPECS:
            result = client.set_parameters(**{spec.name: alternative(spec)})
            assert result.successful == (spec.changes is not Changes.AT_START), spec.name


def value_of(client: NodeClient, name: str) -> object:
    request = GetParameters.Request(names=[name])
    (value,) = client.call(GetParameters, f"{NODE}/get_parameters", request).values
    read = parameter_value_to_python(value)
    return read if isinstance(read, (str, bool, int, float)) else list(read)


def test_what_changes_at_run_time_takes_effect(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]", "silence_warn_s": "600.0"}
    with running_node(tmp_path, **parameters) as (process, client):
        client.connected()
        assert client.answer(SCENE, "mask")["mask"].encoding == "mono8"
        assert client.set_parameters(mask_encoding="mono16").successful
        assert client.answer(SCENE, "mask")["mask"].encoding == "mono16"

        assert client.answer(SCENE, "scores")["scores"].segments
        assert client.set_parameters(score_threshold=1.0).successful
        assert not client.answer(SCENE, "scores")["scores"].segments
        assert client.set_parameters(score_threshold=0.0, prompts=["blue"]).successful
        client.diagnosed(lambda values, _: values["prompts"] == "blue")

        well = client.diagnosed(lambda _, status: status.level == DiagnosticStatus.OK)
        assert float(well["latency p95 ms"]) > 0.001
        assert client.set_parameters(latency_error_ms=0.001).successful
        client.diagnosed(
            lambda _, status: (
                status.level == DiagnosticStatus.ERROR and "above 0.001 ms" in status.message
            )
        )
        client.spin_until(lambda: "above 0.001 ms" in process.log, "its word in the log")
        assert client.set_parameters(latency_error_ms=0.0).successful
        client.diagnosed(lambda _, status: status.level == DiagnosticStatus.OK)
        assert process.log.count("above 0.001 ms") == 1

        assert client.set_parameters(silence_warn_s=0.01).successful
        client.diagnosed(
            lambda _, status: (
                status.level == DiagnosticStatus.WARN and "no image came for" in status.message
            )
        )


def test_what_a_running_node_reports(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]"}
    with running_node(tmp_path, **parameters) as (_, client):
        client.connected().answer(SCENE, "scores")
        values = client.diagnosed(lambda values, _: values["kept frames"] != "0")
        stages = [key for key in values if key.startswith("provider of ")]
        assert {values[key] for key in stages} == {"CPUExecutionProvider"}
        assert [key for key in values if key.startswith("step ") and key.endswith(" p95 ms")]
        for key in ("resident memory MiB", "peak resident memory MiB", "kept frames MiB"):
            assert float(values[key]) > 0
        assert values["kept texts"] == "1"
        assert values["last error"] == ""
        assert float(values["since the last image s"]) >= 0


def test_each_camera_has_a_status(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "cameras": "[front, left]"}
    with running_node(tmp_path, **parameters, silence_warn_s="0.3") as (process, client):
        client.diagnosed(
            lambda _, status: (
                "camera front: no image came" in status.message
                and "camera left: no image came" in status.message
            )
        )
        for name in ("front", "left"):
            status = client.camera_diagnostics[name][-1]
            assert status.name == f"{NODE}: camera {name}"
            assert status.level == DiagnosticStatus.WARN
        assert process.log.count("active, but no image came") == 2


def test_a_clock_that_jumps_back(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]", "use_sim_time": "true"}
    with running_node(tmp_path, **parameters) as (_, client):
        stamps: list[Time] = []
        client.node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: stamps.append(m.header.stamp), 10
        )
        clock = client.node.create_publisher(Clock, "/clock", QoSProfile(depth=10))
        client.spin_until(clock.get_subscription_count, "the node's clock")
        for second in (5000, 100, 5000):

            def told_then(second=second) -> bool:
                clock.publish(Clock(clock=Time(sec=second)))
                return any(stamp.sec == second for stamp in stamps[-1:])

            client.spin_until(told_then, f"diagnostics of second {second}")
            header = client.connected().answer(SCENE, "scores")["scores"].header
            assert header.stamp.sec < 2000  # the image's own, not the clock's


def test_the_latency_since_the_stamp_is_by_the_nodes_clock(tmp_path, sam3_bundle_path):
    key = "stamp to mask median ms"
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]", "use_sim_time": "true"}
    with running_node(tmp_path, **parameters) as (_, client):
        stamps: list[Time] = []
        client.node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: stamps.append(m.header.stamp), 10
        )
        clock = client.node.create_publisher(Clock, "/clock", QoSProfile(depth=10))

        def it_is(second: int) -> None:
            def told_then() -> bool:
                clock.publish(Clock(clock=Time(sec=second)))
                return any(stamp.sec == second for stamp in stamps[-1:])

            client.spin_until(told_then, f"diagnostics of second {second}")

        it_is(5000)
        client.connected().answer(SCENE, "scores")
        values = client.diagnosed(lambda values, _: values["frames answered"] != "0")
        assert values[key] == ""  # the image is of second 1001: of another clock
        assert float(values["latency median ms"]) > 0
        client.frames_settled()
        it_is(1050)
        header = client.answer(SCENE, "scores")["scores"].header
        values = client.diagnosed(lambda values, _: values[key])
        stamp = header.stamp.sec * 1e3 + header.stamp.nanosec / 1e6
        assert 1_050_000 - stamp - 0.1 < float(values[key]) < 50_000


def test_prompts_and_parameters_while_transitions_come_and_go(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]"}
    with running_node(tmp_path, **parameters) as (process, client):
        client.connected()
        texts = client._prompts["text"]
        for cycle in range(5):
            for label in ("deactivate", "cleanup", "configure", "activate"):
                futures = []
                for number in range(8):  # a service holds ten requests
                    texts.publish(client_text(f"{cycle} {number}"))
                    client.send(SCENE)
                    futures.append(set_prompts(client, f"set {number}"))
                assert client.transition(label)
                client.spin_until(lambda futures=futures: all(f.done() for f in futures), "answers")
        client.listen("scores")
        client.ask("red")
        assert client.answer(SCENE, "scores")["scores"].segments
        assert "Traceback" not in process.log


def client_text(text: str) -> object:
    from std_msgs.msg import String

    return String(data=text)


def set_prompts(client: NodeClient, text: str) -> object:
    from rcl_interfaces.srv import SetParameters

    service = f"{NODE}/set_parameters"
    caller = client._clients.setdefault(service, client.node.create_client(SetParameters, service))
    client.spin_until(caller.service_is_ready, service)
    parameter = Parameter("prompts", value=[text]).to_parameter_msg()
    return caller.call_async(SetParameters.Request(parameters=[parameter]))
