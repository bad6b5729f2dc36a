"""Runs that are replayed from fixed buffers: which are, which are not, and whose they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from device_sessions import REPLAYED, Devices, doubler_file, on_device

from sam3_ros.core.backends.cuda_graphs import MOST_GRAPHS, without_graphs
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.repair import judge_precision
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """Write the model out = 2 * in, f32[1,n,3]."""
    return doubler_file(tmp_path / "doubler.onnx")


def test_every_set_of_shapes_has_its_graph_up_to_a_limit(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    for _ in range(2):
        for rows in range(MOST_GRAPHS + 3):
            value = np.random.default_rng(rows).normal(size=(1, rows, 3)).astype(np.float32)
            np.testing.assert_array_equal(session.run({"in": value})["out"], 2 * value)
    assert session.graphs == MOST_GRAPHS


def test_an_empty_tensor_runs_without_a_graph(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    for _ in range(3):
        assert session.run({"in": np.zeros((1, 0, 3), np.float32)})["out"].shape == (1, 0, 3)
    assert session.graphs == 0


def test_another_type_is_converted_before_it_is_copied(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    value = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    session.run({"in": value})
    np.testing.assert_array_equal(session.run({"in": value.astype(np.float64)})["out"], 2 * value)


def test_without_the_option_there_is_no_graph(doubler: Path) -> None:
    session = on_device(doubler)
    for _ in range(3):
        session.run({"in": np.zeros((1, 2, 3), np.float32)})
    assert session.graphs == 0


@pytest.fixture
def graph_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the graph id that each run of ONNX Runtime is given; "-1" for no graph."""
    asked: list[str] = []

    class Recorded(onnxruntime.InferenceSession):
        def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
            asked.append(options.get_run_config_entry("gpu_graph_id"))
            super().run_with_iobinding(binding, options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Recorded)
    return asked


@pytest.mark.parametrize("rows", ["n", 4])
def test_graphs_belong_to_the_thread_that_serves(
    tmp_path: Path, rows: str | int, graph_ids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    session = on_device(doubler_file(tmp_path / "doubler.onnx", rows), REPLAYED)

    def asked_in_three_runs() -> list[str]:
        graph_ids.clear()
        for number in range(3):
            value = np.full((1, 4, 3), number, np.float32)
            np.testing.assert_array_equal(session.run({"in": value})["out"], 2 * value)
        return list(graph_ids)

    with without_graphs():
        assert asked_in_three_runs() == ["-1"] * 3
    assert session.graphs == 0
    with ThreadPoolExecutor(1, "serving") as serving:
        found = serving.submit(asked_in_three_runs).result()
        assert found == (["-1", "1", "1"] if rows == "n" else ["1"] * 3)
        assert session.graphs == 1
        assert not caplog.records
        assert asked_in_three_runs() == ["-1"] * 3
        assert caplog.text.count("thread MainThread runs without: thread serving") == 1
        assert serving.submit(asked_in_three_runs).result() == ["1"] * 3


def test_the_precision_guard_leaves_the_graphs_to_whoever_serves() -> None:
    devices = Devices(graphs=True)
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        assert judge_precision(segmenter).passed
        assert all(session.graphs == 0 for session in devices.on_device.values())
        for _ in range(2):
            segmenter.segment(read_rgb(PICTURE), ConceptPrompt("red cube"))
        assert devices.on_device["image_trunk"].graphs > 0
