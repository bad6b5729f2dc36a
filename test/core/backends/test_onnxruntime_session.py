"""Sessions on ONNX Runtime: the provider that was asked for, or an error that helps.

Also what a session left to the CPU, as ONNX Runtime reports it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends import open_session
from sam3_ros.core.backends.onnxruntime_session import (
    RECORD_PLACEMENT,
    OnnxRuntimeSession,
    import_onnxruntime,
    nodes_on_cpu,
    require_no_arithmetic,
)
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError, InferenceError
from sam3_ros.core.stages.session import BRIEF_USE, SessionOptions

TABLETOP = Bundle.open("tabletop")
TWO_THREADS = SessionOptions(threads=2)

REPORTS_PLACEMENT = hasattr(
    onnxruntime.InferenceSession, "get_provider_graph_assignment_info"
)  # from 1.24 on
# Runs on the CPU, though it was to run elsewhere.
ELSEWHERE = replace(PROVIDERS["cpu"], backend="cuda")


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """Write the model out = 2 * in, f32[1,n,3]."""
    g = OnnxGraph("doubler")
    value = g.input("in", np.float32, (1, "n", 3))
    g.output(g.scaled(value, 2.0), "out", np.float32, (1, "n", 3))
    g.output(g.cast(g.above(value, 0.0), np.bool_), "positive", np.bool_, (1, "n", 3))
    return g.save(tmp_path / "doubler.onnx")


def test_idle_threads_leave_the_cores_to_others() -> None:
    """By ONNX Runtime's default each waits for 40 ms and more before it sleeps."""

    def spent_idly() -> float:
        before = time.process_time()
        time.sleep(0.3)
        return time.process_time() - before

    session = open_session(TABLETOP.stage_file("image_trunk", "fp32"), "cpu", TWO_THREADS)
    by_others = spent_idly()
    for _ in range(3):
        session.run({"pixel_values": np.zeros((1, 3, 240, 320), np.float32)})
    assert spent_idly() - by_others < 0.025


@pytest.mark.parametrize(
    ("version", "waits"), [("1.20.1", None), ("1.25.0", None), ("1.26.0", "50"), ("2.0.0", "50")]
)
def test_threads_wait_briefly_where_that_can_be_told(
    doubler: Path, version: str, waits: str | None
) -> None:
    """Earlier versions know no end of waiting but their default's."""
    asked: dict[str, str] = {}

    class Options(onnxruntime.SessionOptions):
        def add_session_config_entry(self, name: str, value: str) -> None:
            asked[name] = value
            super().add_session_config_entry(name, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxruntime, "SessionOptions", Options)
        patch.setattr(onnxruntime, "__version__", version)
        open_session(doubler)
    assert asked["session.intra_op.allow_spinning"] == ("0" if waits is None else "1")
    assert asked.get("session.intra_op.spin_duration_us") == waits


def test_a_session_describes_its_tensors(doubler: Path) -> None:
    session = open_session(doubler)
    assert session.provider == "CPUExecutionProvider"
    assert session.inputs["in"].shape == (1, "n", 3)
    assert session.inputs["in"].dtype == np.float32
    assert session.outputs["positive"].dtype == np.bool_
    assert str(session.outputs["out"]) == "out: float32[1, n, 3]"


def test_what_is_not_contiguous_lasts_as_long_as_the_run(tmp_path: Path) -> None:
    side = 1024  # 4 MB an input, which go back to the system as soon as nobody holds them
    g = OnnxGraph("sums")
    first, second = (g.input(name, np.float32, (side, side)) for name in ("first", "second"))
    summed = [g.op("CumSum", value, g.constant(0, np.int64)) for value in (first, second)]
    g.output(g.op("Sub", *summed), "out", np.float32, (side, side))
    session = open_session(g.save(tmp_path / "sums.onnx"), "cpu", SessionOptions(threads=1))
    draws = np.random.default_rng(0)
    for _ in range(3):
        one, other = draws.integers(-9, 9, (2, side, side)).astype(np.float32)
        found = session.run({"first": one.T, "second": other.T})["out"]
        np.testing.assert_array_equal(found, np.cumsum(one.T - other.T, axis=0))


def test_a_session_answers_by_name(doubler: Path) -> None:
    session = open_session(doubler, "cpu", SessionOptions(threads=1))
    value = np.arange(6, dtype=np.float32).reshape(1, 2, 3)[:, :, ::-1]  # not contiguous
    results = session.run({"in": value})
    assert list(results) == ["out", "positive"]
    np.testing.assert_array_equal(results["out"], 2 * value)
    np.testing.assert_array_equal(results["positive"], value > 0)


def test_a_session_that_keeps_no_memory_answers_the_same(doubler: Path) -> None:
    kept = open_session(doubler)
    brief = open_session(doubler, options=BRIEF_USE)
    feeds = {"in": np.ones((1, 2, 3), np.float32)}

    for name, expected in kept.run(feeds).items():
        np.testing.assert_array_equal(brief.run(feeds)[name], expected)


def test_a_closed_session_says_so(doubler: Path) -> None:
    session = open_session(doubler)
    session.close()
    session.close()
    with pytest.raises(InferenceError, match="closed"):
        session.run({"in": np.zeros((1, 1, 3), np.float32)})


def test_an_unknown_backend_is_named_with_the_known_ones(doubler: Path) -> None:
    known = "cpu, cuda, tensorrt, tensorrt_rtx, openvino"
    with pytest.raises(BackendError, match=f"no backend 'npu'; there are {known}"):
        open_session(doubler, "npu")


@pytest.mark.parametrize(
    ("backend", "package"),
    [
        ("cuda", "pip install onnxruntime-gpu"),
        ("tensorrt", "pip install tensorrt"),
    ],
)
def test_a_backend_that_is_not_there_is_an_error_never_the_cpu(
    doubler: Path, backend: str, package: str
) -> None:
    if PROVIDERS[backend].name in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has {PROVIDERS[backend].name}")
    with pytest.raises(BackendError) as caught:
        open_session(doubler, backend)
    assert PROVIDERS[backend].name in str(caught.value)
    assert package in str(caught.value)


@pytest.mark.parametrize("backend", PROVIDERS)
def test_a_session_that_came_up_elsewhere_is_refused(backend: str) -> None:
    provider = PROVIDERS[backend]
    provider.require_running([provider.name, "CPUExecutionProvider"])
    with pytest.raises(BackendError, match=f"could not start {provider.name}"):
        provider.require_running(["SomeOtherProvider", provider.name])
    with pytest.raises(BackendError, match="nothing"):
        provider.require_running([])


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 40])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"bad.onnx cannot be loaded on backend 'cpu'") as caught:
        open_session(path)
    assert caught.value.__cause__ is not None


def test_a_session_writes_nothing_to_stderr(doubler: Path) -> None:
    # Everything that ONNX Runtime logs by default, in place of a warning of a GPU's session.
    script = (
        "import sys, onnxruntime; onnxruntime.set_default_logger_severity(0); "
        "from sam3_ros.core.backends import open_session; open_session(sys.argv[1]).close()"
    )
    command = [sys.executable, "-c", script, str(doubler)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stderr == ""


def test_what_onnx_runtime_logs_as_an_error_is_still_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    severities: list[int] = []
    ort = ModuleType("onnxruntime")
    ort.__dict__["set_default_logger_severity"] = severities.append
    monkeypatch.setitem(sys.modules, "onnxruntime", ort)
    assert import_onnxruntime() is import_onnxruntime() is ort
    assert severities == [3], "warnings are 2, errors 3"


def test_a_missing_onnx_runtime_says_how_to_get_it(
    doubler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match="pip install onnxruntime"):
        open_session(doubler)


@pytest.mark.parametrize("options", [{"threads": 0}, {"threads": -2}, {"device_id": -1}])
def test_options_check_themselves(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SessionOptions(**options)


def test_onnx_runtime_reports_what_runs_on_the_cpu() -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(RECORD_PLACEMENT, "1")
    path = str(TABLETOP.stage_file("scoring", "fp32"))
    on_cpu = nodes_on_cpu(onnxruntime.InferenceSession(path, options))
    assert (on_cpu is not None) == REPORTS_PLACEMENT
    assert on_cpu is None or on_cpu["MatMul"] + on_cpu["Gemm"] > 0


def test_an_onnx_runtime_that_does_not_report_gives_no_count() -> None:
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
    if not REPORTS_PLACEMENT:
        assert OnnxRuntimeSession(path, ELSEWHERE, SessionOptions()).provider == ELSEWHERE.name
        return
    with pytest.raises(BackendError, match=r"scoring.onnx was to run on backend 'cuda'.*MatMul"):
        OnnxRuntimeSession(path, ELSEWHERE, SessionOptions())


def test_a_session_that_left_only_bookkeeping_is_made(tmp_path: Path) -> None:
    g = OnnxGraph("caster")
    g.output(g.cast(g.input("in", np.float32, (1, 3)), np.int64), "out", np.int64, (1, 3))
    session = OnnxRuntimeSession(g.save(tmp_path / "c.onnx"), ELSEWHERE, SessionOptions())
    assert session.run({"in": np.ones((1, 3), np.float32)})["out"].tolist() == [[1, 1, 1]]
