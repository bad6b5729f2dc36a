"""TF32: which precisions have it, and who is refused because of NVIDIA's own switch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from device_sessions import ON_HOST

from sam3_ros.core.backends.device_session import open_device_session
from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.backends.tf32 import OVERRIDE, allows_tf32, require_tf32_as_asked
from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.stages.session import SessionOptions

FP32 = SessionOptions()
TF32 = SessionOptions(compute="tf32")
FP16 = SessionOptions(file_precision="fp16")
FORBIDDEN = {OVERRIDE: "0"}


@pytest.mark.parametrize(("options", "allowed"), [(FP32, False), (TF32, True), (FP16, True)])
def test_fp32_alone_is_exact(options: SessionOptions, allowed: bool) -> None:
    assert allows_tf32(options) == allowed


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt_rtx"])
def test_what_uses_tf32_by_itself_computes_fp32_only_where_it_is_forbidden(backend: str) -> None:
    with pytest.raises(PrecisionError, match=f"set {OVERRIDE}=0 in the .*, or ask for tf32"):
        require_tf32_as_asked(backend, FP32, {})
    with pytest.raises(PrecisionError, match=OVERRIDE):
        require_tf32_as_asked(backend, FP32, {OVERRIDE: "1"})
    require_tf32_as_asked(backend, FP32, FORBIDDEN)
    require_tf32_as_asked(backend, TF32, {})
    require_tf32_as_asked(backend, FP16, {})
    require_tf32_as_asked("cuda", FP32, {})


@pytest.mark.parametrize("backend", ["cuda", "tensorrt", "tensorrt_rtx"])
def test_tf32_is_refused_where_it_is_forbidden(backend: str) -> None:
    with pytest.raises(PrecisionError, match=f"{OVERRIDE}=0 .* unset it, or ask for fp32"):
        require_tf32_as_asked(backend, TF32, FORBIDDEN)
    require_tf32_as_asked(backend, FP16, FORBIDDEN)


def test_a_session_is_refused_before_its_engine_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SessionOptions] = []
    provider = replace(ON_HOST, backend="tensorrt", request=asked.append)
    monkeypatch.delenv(OVERRIDE, raising=False)
    with pytest.raises(PrecisionError, match=OVERRIDE):
        open_device_session(tmp_path / "nowhere.onnx", provider, FP32)
    assert not asked


def test_what_cannot_compute_in_tf32_says_what_can() -> None:
    with pytest.raises(PrecisionError, match="'openvino' cannot compute in tf32"):
        open_session(Path("nowhere.onnx"), "openvino", TF32)
    can = "'cpu' cannot compute in tf32; cuda, tensorrt, tensorrt_rtx can"
    with pytest.raises(PrecisionError, match=can):
        open_session(Path("nowhere.onnx"), "cpu", TF32)
