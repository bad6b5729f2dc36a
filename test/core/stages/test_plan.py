"""One backend and precision for all stages, or one for each."""

from __future__ import annotations

import pytest

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.core.stages.session import SessionOptions


def test_a_stage_that_is_not_named_takes_the_default() -> None:
    plan = StagePlan(StageChoice("cuda", "fp16")).changed(["text"], StageChoice())

    assert plan.of("text") == StageChoice("cpu", "fp32")
    assert plan.of("fusion") == StageChoice("cuda", "fp16")
    assert plan.is_reference(["text"])
    assert not plan.is_reference(["text", "fusion"])


def test_bf16_and_tf32_are_computed_from_the_fp32_files() -> None:
    assert StageChoice("openvino", "bf16").file_precision == "fp32"
    assert StageChoice("cuda", "tf32").file_precision == "fp32"
    assert StageChoice("cpu", "int8").file_precision == "int8"


def test_a_backend_that_cannot_compute_so_refuses() -> None:
    for precision in ("bf16", "tf32"):
        with pytest.raises(PrecisionError, match=f"'cpu' cannot compute in {precision}"):
            Segmenter.load("tabletop", precision=precision)


@pytest.mark.parametrize(("backend", "precision"), [("openvino", "fp32"), ("cpu", "fp16")])
def test_a_backend_or_precision_beside_a_plan_is_refused(backend: str, precision: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be {backend} {precision} as well"):
        Segmenter.load("tabletop", backend, precision, plan=StagePlan())


def test_the_options_reach_the_stage_that_they_are_for() -> None:
    asked: dict[str, tuple[str, str]] = {}

    def spy(path, backend, options):  # type: ignore[no-untyped-def]
        asked[path.stem] = (backend, options.compute)
        return open_session(path, "cpu", SessionOptions())

    plan = StagePlan().changed(["text"], StageChoice("openvino", "bf16"))
    with Segmenter.load("tabletop", open_session=spy, plan=plan):
        pass

    assert asked["text"] == ("openvino", "bf16")
    assert asked["image_trunk"] == ("cpu", "stored")
