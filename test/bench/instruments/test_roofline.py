"""The limits of the machine, and how the time of a step compares with them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from sam3_ros.bench.instruments import machine
from sam3_ros.bench.instruments.chain_model import chain_model
from sam3_ros.bench.instruments.device_limits import BANDWIDTH, DeviceFigures
from sam3_ros.bench.instruments.machine import MachineFigures, measure_machine
from sam3_ros.bench.instruments.roofline import MachineLimits, StageLoad, step_cost, total_cost
from sam3_ros.bench.measurement import StepTime
from sam3_ros.bench.setup import Setup
from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.core.stages.session import SessionOptions

LIMITS = MachineLimits(gflops=100.0, gb_s=10.0)


def test_the_chain_of_products_computes_them(tmp_path: Path) -> None:
    path = tmp_path / "gemm.onnx"
    path.write_bytes(chain_model("MatMul", (8, 8), 3))
    session = open_session(path, "cpu", SessionOptions(threads=1))
    a, b = np.random.default_rng(0).standard_normal((2, 8, 8), np.float32)
    np.testing.assert_allclose(session.run({"a": a, "b": b})["c"], a @ b @ b @ b, rtol=1e-4)


def test_the_machine_is_measured_for_every_engine_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_MOST_BYTES", 2**20)
    monkeypatch.setattr(machine, "_LEAST_BYTES", 2**20)
    bf16 = StageChoice("openvino", "bf16")
    setup = Setup("tabletop", stages=(("fusion", bf16),), threads=1)
    assert [*setup.engines(["text", "fusion"])] == ["cpu fp32", "openvino bf16"]
    figures = measure_machine(setup, ["text", "decoder"])
    assert [*figures.gemm_gflops] == ["cpu fp32"]
    assert math.isfinite(figures.bandwidth_gb_s)
    assert min(figures.bandwidth_gb_s, figures.gemm_gflops["cpu fp32"]) > 0


def test_a_stage_on_a_gpu_is_compared_with_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_MOST_BYTES", 2**20)
    monkeypatch.setattr(machine, "_LEAST_BYTES", 2**20)
    card = DeviceFigures("a card", {"fp16": 700.0, "fp32": 50.0}, 3000.0, {"tf32": "no TF32"})
    monkeypatch.setattr(machine, "measure_device", lambda _: card)
    half, host = StageChoice("cuda", "fp16"), StageChoice()
    setup = Setup("tabletop", default=half, stages=(("text", host),), threads=1)
    assert [*setup.engines(["fusion", "text"])] == ["cpu fp32"]
    figures = measure_machine(setup, ["fusion", "decoder", "text"])
    assert ([*figures.gemm_gflops], figures.devices) == (["cpu fp32"], {"cuda": card})
    assert figures.limits(half) == MachineLimits(700.0, 3000.0)
    assert figures.limits(StageChoice("cuda", "tf32")) is None
    assert figures.limits(StageChoice("tensorrt", "fp16")) is None
    assert figures.limits(host) == figures.better_of(figures).limits(host) is not None
    assert figures.better_of(figures) == figures


def test_the_better_figure_of_a_card_counts() -> None:
    first = DeviceFigures("a card", {"fp16": 700.0}, None, {"fp32": "busy", BANDWIDTH: "busy"})
    second = DeviceFigures("a card", {"fp16": 600.0, "fp32": 50.0}, 3000.0)
    best = DeviceFigures("a card", {"fp16": 700.0, "fp32": 50.0}, 3000.0)
    assert first.better_of(second) == second.better_of(first) == best
    assert first.limits("fp16") is None
    assert dict(first.better_of(first).not_measured) == {"fp32": "busy", BANDWIDTH: "busy"}


def test_a_time_on_the_device_is_what_the_limit_is_compared_with() -> None:
    load = StageLoad(1, 10**9, 10**6)
    launch, busy = StepTime(0.5, 0.6), StepTime(20.0, 30.0)
    on_gpu = step_cost(launch, load, LIMITS, busy)
    assert (on_gpu.median_ms, on_gpu.device_ms) == (0.5, 20.0)
    assert (on_gpu.gflop_s, on_gpu.limit_percent) == (50.0, 50.0)
    unknown = step_cost(launch, load, None, busy)
    assert (unknown.device_ms, unknown.limit_percent) == (20.0, None)
    on_host = step_cost(StepTime(20.0, 30.0), load, LIMITS)
    whole = total_cost(StepTime(50.0, 60.0), [on_gpu, on_host])
    assert (whole.median_ms, whole.device_ms, whole.limit_percent) == (50.0, 20.0, 40.0)
    assert total_cost(StepTime(50.0, 60.0), [on_host]).device_ms is None


def test_a_limit_is_the_best_measurement() -> None:
    first = MachineFigures("cpu", 2, {"cpu fp32": 50.0}, 12.0)
    second = MachineFigures("cpu", 2, {"cpu fp32": 60.0}, 11.0)
    assert first.better_of(second) == MachineFigures("cpu", 2, {"cpu fp32": 60.0}, 12.0)


def test_a_step_is_limited_by_arithmetic_or_by_memory() -> None:
    heavy = step_cost(StepTime(20.0, 30.0), StageLoad(1, 10**9, 10**6), LIMITS)
    assert (heavy.gflop, heavy.gflop_s) == (1.0, 50.0)
    assert (heavy.limit_ms, heavy.limit_percent, heavy.limited_by) == (10.0, 50.0, "arithmetic")
    wide = step_cost(StepTime(20.0, 30.0), StageLoad(1, 10**6, 10**8), LIMITS)
    assert (wide.limit_ms, wide.limit_percent, wide.limited_by) == (10.0, 50.0, "memory")
    whole = total_cost(StepTime(50.0, 60.0), [heavy, wide])
    assert (whole.limit_ms, whole.limit_percent, whole.gflop) == (20.0, 40.0, 1.001)


def test_without_a_count_a_step_has_its_time_alone() -> None:
    cost = step_cost(StepTime(20.0, 30.0), StageLoad(2, None, 10**6), LIMITS)
    assert (cost.median_ms, cost.runs, cost.gflop, cost.limit_percent) == (20.0, 2, None, None)
    assert total_cost(StepTime(50.0, 60.0), [cost]).limit_ms is None
