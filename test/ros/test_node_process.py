"""How the process ends."""

from __future__ import annotations

import signal

import pytest
from node_under_test import running_node
from scenes import colour_scene

SCENE = colour_scene(480, 640, {"red": (10, 10, 40, 40)})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_work(tmp_path, sam3_bundle_path, number):
    with running_node(tmp_path, bundle=sam3_bundle_path, prompts="[red]") as (process, client):
        client.connected().listen("mask", "overlay")
        for _ in range(20):
            client.send(SCENE)
        assert process.stop(number) == 0
        assert "Traceback" not in process.log


def test_a_signal_ends_it_unconfigured(tmp_path):
    with running_node(tmp_path, autostart="false") as (process, client):
        client.diagnosed(lambda values, _: values["state"] == "unconfigured")
        assert process.stop(signal.SIGTERM) == 0
        assert "Traceback" not in process.log
