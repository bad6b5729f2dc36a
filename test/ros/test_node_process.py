"""How the process ends, and what it survives."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from node_client import NodeClient
from node_under_test import THE_NODE, running_node
from scenes import colour_scene

pytestmark = pytest.mark.long

SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40)})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_work(tmp_path, sam3_bundle_path, number):
    with running_node(tmp_path, bundle=sam3_bundle_path, prompts="[red]") as (process, client):
        client.connected().listen("mask", "overlay")
        for _ in range(20):
            client.send(SCENE)
        assert process.stop(number) == 0
        assert "Traceback" not in process.log


def broken(how: str) -> tuple[str, str]:
    return str(Path(__file__).parents[1] / "support" / "broken_session_node.py"), how


def test_a_signal_ends_it_while_the_model_hangs(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]"}
    with running_node(tmp_path, program=broken("hang"), **parameters) as (process, client):
        wait_for_a_stuck_frame(client)
        assert process.stop(signal.SIGTERM) == 0
        assert "ending in the middle of a frame" in process.log


def wait_for_a_stuck_frame(client: NodeClient) -> None:
    client.connected().listen("mask")

    def a_frame_is_stuck(values, _):
        client.send(SCENE)
        return int(values["frames dropped, superseded"]) > 0

    client.diagnosed(a_frame_is_stuck)


def test_a_node_that_is_half_cleaned_up_cannot_be_activated(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]"}
    with running_node(tmp_path, program=broken("hang"), **parameters) as (process, client):
        wait_for_a_stuck_frame(client)
        assert client.transition("deactivate")
        assert not client.transition("cleanup")
        assert "a frame was still being answered after 1 s" in process.log
        assert client.state == "inactive"
        assert not client.transition("activate")
        client.diagnosed(lambda _, status: "clean up again" in status.message)
        # From here ROS knows no way back, whether it went well or not.
        assert not client.transition("shutdown")
        assert client.state == "finalized"
        values = client.diagnosed(lambda _, status: "shutdown failed" in status.message)
        assert values["state"] == "finalized"


def test_the_node_lives_when_inference_fails(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]"}
    with running_node(tmp_path, program=broken("fail"), **parameters) as (process, client):
        answer = client.connected().answer(SCENE, "scores")
        assert answer["scores"].segments
        counts = client.frames_settled()
        assert counts["dropped, inference failed"] == 3
        assert "frame dropped, inference failed: " in process.log
        assert "RuntimeError: CUDA error 700" in process.log


TAKEN_BY_ANOTHER_THREAD = """
import signal, threading, time
from sam3_ros.ros.node.process import ProcessEnd

end = ProcessEnd()
end.by_signals(signal.SIGTERM)

def take():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(60)

threading.Thread(target=take, daemon=True).start()
raise SystemExit(end.wait())
"""


def test_a_signal_that_another_thread_takes_ends_the_wait_too():
    """The system may deliver it to any thread, but only the main thread runs handlers."""
    command = [sys.executable, "-c", TAKEN_BY_ANOTHER_THREAD]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_a_signal_ends_it_unconfigured(tmp_path):
    with running_node(tmp_path, autostart="false") as (process, client):
        client.diagnosed(lambda values, _: values["state"] == "unconfigured")
        assert process.stop(signal.SIGTERM) == 0
        assert "Traceback" not in process.log


def test_a_misspelt_parameter_is_reported(tmp_path):
    parameters = {"autostart": "false", "score_treshold": "0.5"}
    with running_node(tmp_path, **parameters) as (process, client):
        client.diagnosed(lambda values, _: values["state"] == "unconfigured")
        assert "did you mean 'score_threshold'?" in process.log


def test_arguments_that_ros_cannot_read_are_reported_in_one_line():
    command = [sys.executable, *THE_NODE, "--ros-args", "--params-file", "absent.yaml"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("the node cannot start: ")
    assert "absent.yaml" in last
