from __future__ import annotations

from typing import Any

from sam3_ros.cli.bench.tables import bundle_table, node_table
from sam3_ros.replay.node_bench.report import (
    FIRST_CLICK,
    NEXT_CLICK,
    CaseReport,
    NodeBenchReport,
    NodeUse,
    latency_report,
)


def clicks(pace: str, sessions: float) -> CaseReport:
    return CaseReport(
        transport="raw",
        width=640,
        height=480,
        message_bytes=921600,
        pace=pace,
        seconds=1.0,
        frames=None,
        latency=latency_report([{"to the node": 1.0, "sessions": sessions}]),
        use=NodeUse(50.0, 5.0, 2**20, 2**21),
        covered=0.25,
    )


def test_columns_of_clicks_are_told_apart_by_their_pace() -> None:
    cases = (clicks(FIRST_CLICK, 40.0), clicks(NEXT_CLICK, 8.0))
    table = node_table(NodeBenchReport({"bundle": "tabletop"}, "fastdds.xml", cases))
    rows = [line.split() for line in table.split("Clicks on a seen frame")[1].splitlines()[1:]]

    assert rows == [
        ["raw", "raw"],
        ["640x480", "640x480"],
        ["first", "click", "next", "click"],
        ["to", "the", "node", "1.00", "1.00"],
        ["sessions", "40.00", "8.00"],
        ["total", "41.00", "9.00"],
    ]


def step(
    median_ms: float, device_ms: float | None = None, percent: float | None = None
) -> dict[str, Any]:
    known = percent is not None
    return {
        "median_ms": median_ms,
        "p95_ms": median_ms,
        "device_ms": device_ms,
        "runs": 1,
        "gflop": 1.0 if known else None,
        "gflop_s": 500.0 if known else None,
        "limit_percent": percent,
        "limited_by": "arithmetic",
        "unknown": [],
    }


def on_a_card() -> dict[str, Any]:
    """Return what `bench --json` prints of a model on a card, shortened."""
    steps = {"preprocess": step(0.5), "trunk": step(0.2, 4.0, 25.0), "end to end": step(6.0, 4.0)}
    return {
        "bundle": "small",
        "plan": "cuda fp16",
        "threads": None,
        "width": 640,
        "height": 480,
        "machine": {
            "cpu": "a CPU",
            "cores": 2,
            "gemm_gflops": {},
            "bandwidth_gb_s": 20.0,
            "devices": {
                "cuda": {
                    "name": "a card",
                    "gemm_gflops": {"fp16": 741000.0, "fp32": 52000.0},
                    "bandwidth_gb_s": 3000.0,
                    "not_measured": {"tf32": "refused"},
                }
            },
        },
        "resident_bytes": None,
        "file_bytes": {"trunk": 10**6},
        "flop_counted": True,
        "scenarios": [
            {
                "scenario": "text",
                "repeats": 3,
                "per_second": 100.0,
                "segments": 1,
                "between_ms": 5.3,
                "steps": steps,
            }
        ],
    }


def test_times_on_a_card_are_beside_those_of_the_host() -> None:
    lines = bundle_table(on_a_card()).splitlines()
    words = [line.split() for line in lines]

    assert "a card (cuda)" in lines
    assert ["peak", "by", "matrix", "products,", "fp16", "741.0", "TFLOP/s"] in words
    assert any("its tf32 is not measured" in line and "refused" in line for line in lines)
    assert ["trunk", "4.00", "0.20", "0.20", "1.000", "500.0", "25.0"] in words
    assert ["between", "the", "steps", "5.30"] in words
    assert ["end", "to", "end", "4.00", "6.00", "6.00"] in words
    (heading,) = [line for line in lines if "device ms" in line and "p95" in line]
    assert heading.split()[:6] == ["step", "device", "ms", "host", "ms", "p95"]
    assert "their sum means nothing" in "\n".join(lines)


def test_pytorch_on_a_card_is_compared_stage_by_stage() -> None:
    document = on_a_card()
    ratio = {"ours_ms": 6.0, "theirs_ms": 12.0, "median": 0.5, "min": 0.5, "max": 0.5}
    graphs = {
        "rival": "torch",
        "description": "fp16 in CUDA graphs",
        "ratios": [{"key": "text_new_frame", **ratio, "cpu_median": 0.5, "repeats": [0.5]}],
        "likeness": {},
        "stage_ms": {"text": 1.0, "trunk": 3.2},
    }
    failed = {"rival": "torch", "description": "fp16, no graphs", "failed": "out of memory"}
    lines = bundle_table({**document, "against": [graphs, failed]}).splitlines()
    words = [line.split() for line in lines]

    assert ["trunk", "4.00", "3.20", "1.25"] in words
    assert ["text", "1.00"] in words
    assert lines[-2:] == ["against torch: fp16, no graphs", "  failed: out of memory"]


def test_without_a_card_there_is_one_kind_of_time() -> None:
    document = on_a_card()
    document["machine"]["devices"] = {}
    document["scenarios"][0]["steps"] = {"trunk": step(4.0), "end to end": step(6.0)}
    table = bundle_table(document)

    assert "device" not in table
    assert "between the steps" not in table
