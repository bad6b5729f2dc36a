"""The page of a report, as it would come of a card."""

from __future__ import annotations

from typing import Any

import pytest

from sam3_ros.bench.bundle_bench import MeasuredScenario
from sam3_ros.bench.instruments.device_limits import DeviceFigures
from sam3_ros.bench.instruments.machine import MachineFigures
from sam3_ros.bench.instruments.roofline import StageLoad
from sam3_ros.bench.matrix.cells import GUARD, SECOND_TEXT, TEXT, Cell, Way, WayResults
from sam3_ros.bench.matrix.matrix import Matrix
from sam3_ros.bench.measurement import END_TO_END, Measurement, StepTime
from sam3_ros.cli.bench.report_node import NodeResult
from sam3_ros.cli.bench.report_page import ReportHead, report_page
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.markdown import markdown_table

GRAPHS, PLAIN = Way("cuda", "fp32", cuda_graphs=True), Way("cuda", "fp32")
HEAD = ReportHead("sam3-ros bench --report r.md", "2026-11-28 12:00", 200.4, 225, "cuda")
CARD = DeviceFigures("a card", {"fp16": 741000.0, "fp32": 50.0}, 3000.0, {"tf32": "refused"})


def node_case(pace: str, is_click: bool) -> dict[str, Any]:
    spread = {"median": 12.0}
    return {
        "pace": pace,
        "frames": None if is_click else {"sent": 3},
        "latency": {"total": spread, "parts": {"sessions": spread}, "in_node": spread},
        "use": {"cpu_ms_per_answer": 4.5},
        "per_second": 80.0,
    }


@pytest.fixture(scope="module")
def lines() -> list[str]:
    bundle = Bundle.open("tabletop")
    steps = {"preprocess": StepTime(0.4, 0.5), "decoder": StepTime(0.2, 0.3)}
    measurement = Measurement(
        "text",
        3,
        {**steps, END_TO_END: StepTime(9.0, 9.5)},
        100.0,
        1,
        on_device={"decoder": StepTime(4.0, 4.1)},
    )
    measured = MeasuredScenario(TEXT, measurement, {"decoder": StageLoad(1, 10**8, 10**6)})
    folder = str(bundle.path)
    graphs = {
        TEXT: Cell(TEXT, 9.0, 9.5, measured=measured),
        SECOND_TEXT: Cell(SECOND_TEXT, remark="failed: no | memory"),
        GUARD: Cell(GUARD, 4200.0, remark="passed (mask IoU 0.9950)"),
    }
    plain = {
        TEXT: Cell(TEXT, remark="no time was left", is_left_out=True),
        GUARD: Cell(GUARD, 900.0, remark="failed: mask IoU 0.5"),
    }
    matrix = Matrix(
        {"card": "a card", "driver": "580.1"},
        MachineFigures("cpu", 2, {}, 20.0, {"cuda": CARD}),
        "",
        (WayResults(folder, GRAPHS, graphs), WayResults(folder, PLAIN, plain)),
        {folder: bundle},
    )
    cases = (node_case("as fast as answered", False), node_case("next click on it", True))
    return report_page(HEAD, matrix, NodeResult("cuda fp32, graphs", cases)).splitlines()


def test_the_head_names_card_limits_and_command(lines: list[str]) -> None:
    assert lines[0] == "# Report of backend cuda, 2026-11-28"
    assert "- **Machine**: card a card; driver 580.1." in lines
    (limits,) = [line for line in lines if line.startswith("- **Limits**")]
    assert "fp16 741.0 TFLOP/s" in limits
    assert "memory 3000 GB/s" in limits
    assert "tf32 not measured (refused)" in limits
    assert any("200 of 225 s" in line and "--report r.md" in line for line in lines)


def test_goals_are_met_missed_or_not_measured(lines: list[str]) -> None:
    assert "| text on a new frame | 10.0 ms | 9.0 ms | tabletop, fp32, graphs | met |" in lines
    assert "| precision guard | 5.0 s | 4.2 s | tabletop, fp32, graphs | met |" in lines
    assert "| 4 texts on a new frame | 18.0 ms |  |  | not measured |" in lines
    cpu = "| CPU time of the node for a 1080p frame | 6.0 ms | 4.5 ms | cuda fp32, graphs | met |"
    assert cpu in lines


def test_a_cell_has_a_time_or_a_reason(lines: list[str]) -> None:
    assert "|  | fp32, graphs | fp32 |" in lines
    assert "| text on a new frame | 9.00 (9.5) | left out |" in lines
    assert "| second text on a seen frame | failed: no \\| memory |  |" in lines
    assert "| precision guard, s | 4.2 | 0.9, failed |" in lines
    assert "- fp32: failed: mask IoU 0.5." in lines
    assert "- fp32, graphs: passed (mask IoU 0.9950)." in lines


def test_stages_are_told_by_the_device_and_the_whole_by_the_host(lines: list[str]) -> None:
    # 1e8 FLOP at 50 GFLOP/s are 2 ms of 4; end to end 2 of 9.
    assert "| decoder | 315, 9, 0 | 0.1 | 4.00 (50 %) |" in lines
    assert "| preprocess |  |  | 0.40 |" in lines
    assert "| end to end |  | 0.1 | 9.00 (22 %) |" in lines


def test_what_is_left_out_is_listed(lines: list[str]) -> None:
    assert "- tabletop, fp32: texts_1 (no time was left)" in lines
    assert "| next click on it | 12.0 | 12.0 | 12.0 | 80.0 | 4.5 |" in lines


def test_a_short_row_is_filled_up() -> None:
    assert list(markdown_table(("a", "b"), [("1",)])) == ["| a | b |", "|---|---|", "| 1 |  |"]
