"""The candidates for a stage, and the reasons why others are left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sam3_ros.core.backends import openvino_session
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.stages.plan import REFERENCE, StageChoice
from sam3_ros.core.tuning import candidates as tuning_candidates
from sam3_ros.core.tuning.candidates import Backends, candidates, require_precisions

FP32, BF16 = StageChoice("openvino"), StageChoice("openvino", "bf16")


def test_candidates_are_the_backends_in_the_precisions_whose_files_differ(
    sam3_bundle_path: Path,
) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    backends = Backends(("cpu", "openvino"), bf16=True, refused=())
    found = candidates(bundle, "fusion", backends)

    assert REFERENCE not in found
    assert set(found) == {StageChoice("cpu", "fp16"), FP32, StageChoice("openvino", "fp16"), BF16}
    assert BF16 not in candidates(bundle, "fusion", Backends(("cpu",), bf16=False, refused=()))


def test_a_precision_whose_file_is_the_same_is_no_candidate(tmp_path: Path) -> None:
    bundle = Bundle.open("tabletop")
    entry = bundle.manifest.stages["text"]
    twice = replace(entry, files={"fp16": entry.files["fp32"], **entry.files})
    stages = {**bundle.manifest.stages, "text": twice}
    doubled = replace(bundle, manifest=replace(bundle.manifest, stages=stages), path=tmp_path)

    backends = Backends(("cpu", "openvino"), bf16=False, refused=())
    assert candidates(doubled, "text", backends) == (FP32,)


def test_precisions_may_be_chosen(sam3_bundle_path: Path) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    backends = Backends(("cpu", "openvino"), bf16=True, refused=())

    assert candidates(bundle, "fusion", backends, {"fp32"}) == (FP32,)
    assert set(candidates(bundle, "fusion", backends, {"fp32", "bf16"})) == {FP32, BF16}


def test_a_gpu_computes_fp32_files_in_tf32_too(sam3_bundle_path: Path) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    backends = Backends(("cpu", "cuda"), bf16=False, refused=())
    require_precisions(bundle, backends, ["tf32"])
    found = candidates(bundle, "fusion", backends, {"fp32", "tf32"})
    assert found == (StageChoice("cuda"), StageChoice("cuda", "tf32"))
    with pytest.raises(PrecisionError, match="tf32: no stage"):
        require_precisions(bundle, Backends(("cpu",), bf16=False, refused=()), ["tf32"])


def test_a_precision_that_cannot_be_run_here_is_refused(mobile_sam_bundle_path: Path) -> None:
    bundle = Bundle.open(mobile_sam_bundle_path)
    backends = Backends(("cpu",), bf16=False, refused=("openvino bf16: it is too old",))

    require_precisions(bundle, backends, ["fp32"])
    for wrong in ("bf16", "fp64"):
        with pytest.raises(PrecisionError, match=rf"{wrong}: no stage .* there is .*fp32.*too old"):
            require_precisions(bundle, backends, ["fp32", wrong])


def test_what_cannot_be_tried_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning_candidates, "find_spec", lambda _: object())
    monkeypatch.setattr(openvino_session, "why_no_bf16", lambda: "it is too old")
    here = Backends.here()

    assert {"cpu", "openvino"} <= set(here.available)
    assert not here.bf16
    assert "openvino bf16: it is too old" in here.refused
    for name in set(PROVIDERS) - set(here.available):
        assert f"{name}: not in the installed ONNX Runtime" in here.refused

    monkeypatch.setattr(tuning_candidates, "find_spec", lambda _: None)
    here = Backends.here()
    assert "openvino" not in here.available
    rtx = "tensorrt_rtx: not installed (pip install onnxruntime-ep-nv-tensorrt-rtx)"
    assert "tensorrt_rtx" not in here.available and rtx in here.refused
    assert "openvino: not installed (pip install openvino)" in here.refused
