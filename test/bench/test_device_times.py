"""Times on a device beside those of the host, with device sessions in the host's memory."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from cuda_runtime import CudaRuntime
from device_sessions import on_device
from scenes import colour_scene

from sam3_ros.bench import setup
from sam3_ros.bench.bundle_bench import measure_bundle
from sam3_ros.bench.device_clock import device_clock
from sam3_ros.bench.instruments.device_limits import DeviceFigures
from sam3_ros.bench.instruments.machine import MachineFigures
from sam3_ros.bench.measurement import WARM_UPS, Budget
from sam3_ros.bench.scenarios import Workload
from sam3_ros.bench.setup import ObservedSessions, Setup
from sam3_ros.core.backends.device_stream import DeviceStream
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.core.stages.session import Session, SessionOptions

SCENE = colour_scene(60, 80, {"red": (20, 10, 60, 50)})
ON_GPU = StageChoice("cuda", "fp32")
CARD = DeviceFigures("a card", {"fp32": 50.0}, 3000.0)


class Ticks:
    """A clock whose events are 1.5 ms apart."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def record(self) -> int:
        return next(self._ticks)

    def milliseconds_between(self, first: int, second: int) -> float:
        return 1.5 * (second - first)


def open_on_device(path: Path, backend: str, _: SessionOptions) -> Session:
    assert backend == "cuda"
    return on_device(path)


def test_a_stage_on_a_device_has_both_times(
    sam3_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "open_session", open_on_device)
    bench = Setup(str(sam3_bundle_path), ON_GPU, threads=1)
    sessions = ObservedSessions(lambda _: Ticks())
    assert bench.least_warm_ups == WARM_UPS
    with bench.load(sessions) as segmenter:
        found = {
            each.key: each
            for each in measure_bundle(
                segmenter, sessions, Workload(SCENE, "red"), Budget(2), lambda _: None
            )
        }
    machine = MachineFigures("cpu", 2, {}, 12.0, {"cuda": CARD})
    costs = found["prompts_new_frame"].costs(bench, machine)

    assert costs["image_trunk"].device_ms == 1.5
    assert costs["decoder"].device_ms == 1.5  # two prompts, one run
    assert costs["decoder"].limit_percent is not None
    assert costs["preprocess"].device_ms is None
    stages = [cost for step, cost in costs.items() if cost.device_ms and step != "end to end"]
    assert costs["end to end"].device_ms == 1.5 * len(stages)
    assert found["prompts_new_frame"].measurement.between is not None


def test_the_stream_of_a_gpu_is_a_clock(
    sam3_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "open_session", open_on_device)
    runtime = CudaRuntime()
    stream = DeviceStream(0, runtime)
    sessions = ObservedSessions(lambda _: stream)
    path = Bundle.open(sam3_bundle_path).stage_file("scoring", "fp32")
    session = sessions(path, "cuda", SessionOptions())
    feeds = {
        name: np.zeros([size if isinstance(size, int) else 2 for size in spec.shape], spec.dtype)
        for name, spec in session.inputs.items()
    }
    session.run_on_device(feeds)
    (run,) = sessions.runs

    assert run.device_ms is not None
    assert run.device_ms() == 1.5
    assert runtime.calls.count("cudaEventRecord") == 2


def test_without_a_clock_the_host_times_all(sam3_bundle_path: Path) -> None:
    assert device_clock("cpu:0") is None
    sessions = ObservedSessions()
    bench = Setup(str(sam3_bundle_path), threads=1)
    assert bench.least_warm_ups == 1
    with bench.load(sessions) as segmenter:
        (click, *_) = [
            each
            for each in measure_bundle(
                segmenter, sessions, Workload(SCENE, "red"), Budget(1), lambda _: None
            )
            if each.key == "click_seen_frame"
        ]
    assert click.measurement.on_device == {}
    assert {run.device_ms for run in sessions.runs} == {None}


def test_several_texts_are_one_question(
    sam3_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = Segmenter.ask

    def counted(self, embedding, prompts, *thresholds):
        asked.append(len(prompts))
        return ask(self, embedding, prompts, *thresholds)

    monkeypatch.setattr(Segmenter, "ask", counted)
    sessions = ObservedSessions()
    with Setup(str(sam3_bundle_path), threads=1).load(sessions) as segmenter:
        workload = Workload(SCENE, "red", prompts=3)
        list(measure_bundle(segmenter, sessions, workload, Budget(1), lambda _: None))
    assert 3 in asked
    assert {*asked} == {1, 3}
