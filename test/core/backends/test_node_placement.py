"""What a session left to the CPU is told by ONNX Runtime itself, and judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends.onnxruntime_session import (
    RECORD_PLACEMENT,
    OnnxRuntimeSession,
    nodes_on_cpu,
    require_no_arithmetic,
)
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.session import SessionOptions

TABLETOP = Bundle.open("tabletop")

TELLS = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")  # from 1.24 on
# Runs on the CPU and says that it was to be elsewhere.
ELSEWHERE = replace(PROVIDERS["cpu"], backend="cuda")


def test_onnx_runtime_tells_what_runs_on_the_cpu() -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(RECORD_PLACEMENT, "1")
    path = str(TABLETOP.stage_file("scoring", "fp32"))
    on_cpu = nodes_on_cpu(onnxruntime.InferenceSession(path, options))
    assert (on_cpu is not None) == TELLS
    assert on_cpu is None or on_cpu["MatMul"] + on_cpu["Gemm"] > 0


def test_an_onnx_runtime_that_does_not_tell_is_no_verdict() -> None:
    assert nodes_on_cpu(object()) is None


def test_shapes_and_bookkeeping_may_be_left_to_the_cpu() -> None:
    on_cpu = Counter({"Shape": 4, "Gather": 4, "Concat": 2, "Cast": 1, "Range": 1, "Where": 1})
    require_no_arithmetic(on_cpu, "cuda", "text.onnx")


@pytest.mark.parametrize("operator", ["MatMul", "Conv", "DynamicQuantizeLinear", "Softmax"])
def test_arithmetic_on_the_cpu_is_refused(operator: str) -> None:
    with pytest.raises(BackendError, match=f"'cuda', which leaves 2 {operator} to the CPU"):
        require_no_arithmetic({operator: 2, "Shape": 1}, "cuda", "text.onnx")


def test_a_session_whose_arithmetic_fell_to_the_cpu_is_not_made() -> None:
    path = TABLETOP.stage_file("scoring", "fp32")
    if not TELLS:
        assert OnnxRuntimeSession(path, ELSEWHERE, SessionOptions()).provider == ELSEWHERE.name
        return
    with pytest.raises(BackendError, match=r"scoring.onnx was to run on backend 'cuda'.*MatMul"):
        OnnxRuntimeSession(path, ELSEWHERE, SessionOptions())


def test_a_session_that_left_only_bookkeeping_is_made(tmp_path: Path) -> None:
    g = OnnxGraph("caster")
    g.output(g.cast(g.input("in", np.float32, (1, 3)), np.int64), "out", np.int64, (1, 3))
    session = OnnxRuntimeSession(g.save(tmp_path / "c.onnx"), ELSEWHERE, SessionOptions())
    assert session.run({"in": np.ones((1, 3), np.float32)})["out"].tolist() == [[1, 1, 1]]
