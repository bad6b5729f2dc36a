"""What is refused before OpenVINO is used, so also on a machine that lacks it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends import open_session, openvino_session
from sam3_ros.core.errors import BackendError, PrecisionError
from sam3_ros.core.stages.session import SessionOptions


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """Write the model out = 2 * in, f32[3]."""
    g = OnnxGraph("doubler")
    g.output(g.scaled(g.input("in", np.float32, (3,)), 2.0), "out", np.float32, (3,))
    return g.save(tmp_path / "doubler.onnx")


def test_a_missing_openvino_says_how_to_get_it(
    doubler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    openvino_session.core.cache_clear()
    try:
        with pytest.raises(BackendError, match="`pip install openvino`"):
            open_session(doubler, "openvino")
    finally:
        openvino_session.core.cache_clear()


@pytest.mark.parametrize(
    ("known", "flags", "reason"),
    [
        (["FP32"], frozenset({"avx512_bf16"}), "offers no bf16"),
        (["FP32", "BF16"], frozenset({"avx2", "avx512f"}), "none of amx_bf16, avx512_bf16"),
    ],
)
def test_bf16_is_refused_where_the_cpu_has_none(
    doubler: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: list[str],
    flags: frozenset[str],
    reason: str,
) -> None:
    class Core:
        def get_property(self, device: str, name: str) -> list[str]:
            assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
            return known

    monkeypatch.setattr(openvino_session, "core", Core)
    monkeypatch.setattr(openvino_session, "cpu_flags", lambda: flags)
    with pytest.raises(PrecisionError, match=reason):
        open_session(doubler, "openvino", SessionOptions(compute="bf16"))


def test_other_ways_to_compute_are_refused(doubler: Path) -> None:
    with pytest.raises(PrecisionError, match="cannot compute in int4; it can in stored, bf16"):
        open_session(doubler, "openvino", SessionOptions(compute="int4"))
