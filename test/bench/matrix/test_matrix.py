"""Bundles in all ways within a time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from scenes import colour_scene

from sam3_ros.bench.bundle_bench import MeasuredScenario
from sam3_ros.bench.instruments.roofline import StageLoad
from sam3_ros.bench.matrix.cells import (
    FIRST_CLICK,
    GUARD,
    LOAD,
    NEXT_CLICK,
    TEXT,
    Cell,
    Way,
    WayResults,
    results_of,
)
from sam3_ros.bench.matrix.goals import Goal, best
from sam3_ros.bench.matrix.matrix import Asked, Matrix, measure_matrix, ways_in_turn, ways_of_bundle
from sam3_ros.bench.matrix.way_bench import keys_of
from sam3_ros.bench.measurement import END_TO_END, Measurement, StepTime
from sam3_ros.bench.scenarios import Workload
from sam3_ros.core.bundle.bundle import Bundle

SCENE = colour_scene(120, 160, {"red": (20, 10, 60, 50)})
WORKLOAD = Workload(SCENE, "red", prompts=8)


def asked(backend: str, *paths: Path, precisions: tuple[str, ...] | None = None) -> Asked:
    bundles = tuple(map(Bundle.open, paths))
    return Asked(bundles, backend, precisions, WORKLOAD, threads=1, repeats=2)


def measured(what: Asked, seconds: float) -> tuple[Matrix, list[str]]:
    said: list[str] = []
    return measure_matrix(what, time.monotonic() + seconds, said.append), said


def test_on_a_gpu_the_ways_of_the_goals_come_first(
    sam3_bundle_path: Path, mobile_sam_bundle_path: Path
) -> None:
    what = asked("cuda", sam3_bundle_path, mobile_sam_bundle_path)

    ways = [(bundle.manifest.name, str(way)) for bundle, way in ways_in_turn(what)]
    assert ways[:3] == [
        ("colours", "fp16, graphs"),
        ("mobile_colours", "tf32, graphs"),
        ("colours", "tf32, graphs"),
    ]
    assert [str(way) for way in ways_of_bundle(what.bundles[0], what)] == [
        *("fp16, graphs", "tf32, graphs", "fp32, graphs", "fp16", "tf32", "fp32")
    ]


def test_on_the_cpu_there_are_no_graphs(sam3_bundle_path: Path) -> None:
    what = asked("cpu", sam3_bundle_path)
    assert [str(way) for way in ways_of_bundle(what.bundles[0], what)] == ["fp16", "fp32"]
    what = asked("cpu", sam3_bundle_path, precisions=("fp32",))
    assert [str(way) for way in ways_of_bundle(what.bundles[0], what)] == ["fp32"]


@pytest.mark.long
def test_every_answer_of_every_bundle_has_a_time(
    sam3_bundle_path: Path, mobile_sam_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests run beside this one, and the limits take their time then.
    monkeypatch.setattr("sam3_ros.bench.matrix.matrix.LIMITS_SECONDS", 100.0)
    what = asked("cpu", sam3_bundle_path, mobile_sam_bundle_path, precisions=("fp32",))
    matrix, said = measured(what, 120.0)

    texts, clicks = matrix.columns
    assert [*texts.cells] == [LOAD, *keys_of(("concept", "interactive")), GUARD]
    assert {*clicks.cells} == {LOAD, GUARD, FIRST_CLICK, NEXT_CLICK}
    for column in matrix.columns:
        assert all(cell.ms for key, cell in column.cells.items() if key != GUARD)
        assert column.cells[GUARD].remark == "fp32 on the CPU is the reference"
        assert column.image_ms is not None
    eight = texts.cells["texts_8"].measured
    assert eight is not None
    assert eight.loads["decoder"].runs == 8
    assert matrix.limits is not None
    assert matrix.limits.gemm_gflops.keys() == {"cpu fp32"}
    assert "CPU" in matrix.facts
    assert "colours: fp32 (1 of 2)" in said


@pytest.mark.long
def test_a_way_that_does_not_start_has_its_reason_in_every_cell(
    sam3_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests run beside this one, and the limits take their time then.
    monkeypatch.setattr("sam3_ros.bench.matrix.matrix.LIMITS_SECONDS", 100.0)
    matrix, _ = measured(asked("cuda", sam3_bundle_path, precisions=("fp16",)), 120.0)

    assert len(matrix.columns) == 2
    for column in matrix.columns:
        for cell in column.cells.values():
            assert cell.remark.startswith("failed: backend 'cuda' needs")
            assert not cell.is_left_out
    assert matrix.limits is not None
    assert "CUDAExecutionProvider" in matrix.limits.devices["cuda"].not_measured["fp16"]


def test_what_there_is_no_time_for_is_left_out(sam3_bundle_path: Path) -> None:
    matrix, _ = measured(asked("cpu", sam3_bundle_path, precisions=("fp32",)), 0.0)

    (column,) = matrix.columns
    assert {*column.cells} == {LOAD, *keys_of(("concept", "interactive"))}
    assert all(cell.is_left_out and cell.ms is None for cell in column.cells.values())


def scenario(key: str, times: dict[str, float], on_device: dict[str, float]) -> MeasuredScenario:
    steps = {name: StepTime(ms, ms) for name, ms in {**times, END_TO_END: 9.0}.items()}
    devices = {name: StepTime(ms, ms) for name, ms in on_device.items()}
    measurement = Measurement(key, 3, steps, 1.0, 1, on_device=devices)
    return MeasuredScenario(key, measurement, {name: StageLoad(1, 10, 10) for name in times})


def test_the_time_of_the_image_is_that_of_what_a_second_click_spares() -> None:
    first = scenario("a", {"image": 0.2, "decoder": 0.1}, {"image": 1.3, "decoder": 0.5})
    following = scenario("b", {"decoder": 0.1}, {"decoder": 0.5})
    cells = [Cell(FIRST_CLICK, 9.0, measured=first), Cell(NEXT_CLICK, 9.0, measured=following)]

    assert results_of("folder", Way("cuda", "fp16"), cells).image_ms == 1.3
    assert results_of("folder", Way("cuda", "fp16"), cells[:1]).image_ms is None


def test_a_goal_takes_the_best_way_but_the_longest_guard() -> None:
    graphs, plain = Way("cuda", "fp16", cuda_graphs=True), Way("cuda", "fp16")
    columns = [
        WayResults("a", graphs, {TEXT: Cell(TEXT, 9.0), GUARD: Cell(GUARD, 4000.0)}),
        WayResults("a", plain, {TEXT: Cell(TEXT, 30.0), GUARD: Cell(GUARD, 6000.0)}),
        WayResults("b", plain, {TEXT: Cell(TEXT, remark="failed: broken")}),
    ]
    names = {"a": "efficientsam3", "b": "other"}

    (text,) = best(Goal(TEXT, "text", 10.0), columns, names)
    assert (text.bundle, text.way, text.ms) == ("a", graphs, 9.0)
    (guard,) = best(Goal(GUARD, "guard", 5000.0), columns, names)
    assert (guard.way, guard.ms) == (plain, 6000.0)
    assert best(Goal(TEXT, "text", 10.0, of="l0"), columns, names) == []


def test_a_goal_is_not_met_by_answers_that_the_guard_found_wrong() -> None:
    wrong = Cell(GUARD, 900.0, remark="failed: scores differ by 0.3 (mask IoU 0.2)")
    raised = Cell(GUARD, remark="failed: the model's scores are not all finite numbers")
    fast = {TEXT: Cell(TEXT, 1.0)}
    columns = [
        WayResults("a", Way("cuda", "fp16"), {**fast, GUARD: wrong}),
        WayResults("b", Way("cuda", "fp16"), {**fast, GUARD: raised}),
    ]
    names = {"a": "one", "b": "other"}

    assert best(Goal(TEXT, "text", 10.0), columns, names) == []
    assert best(Goal(GUARD, "guard", 5000.0), columns, names) == []
