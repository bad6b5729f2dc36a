"""Which limits a choice is judged by."""

from __future__ import annotations

import pytest

from sam3_ros.core.precision.limits import limits_of, stage_limit
from sam3_ros.core.stages.plan import StageChoice


@pytest.mark.parametrize("backend", ["cuda", "tensorrt", "tensorrt_rtx", "openvino"])
def test_fp32_is_exact_everywhere(backend: str) -> None:
    limits = limits_of(StageChoice(backend))
    assert (limits.mask_iou, limits.scores, limits.boxes) == (0.999, 0.001, 0.001)
    assert stage_limit(StageChoice(backend)) == 0.001


@pytest.mark.parametrize("precision", ["fp16", "tf32", "fp24"])
def test_tf32_and_what_is_unknown_have_to_be_as_good_as_fp16(precision: str) -> None:
    limits = limits_of(StageChoice("cuda", precision))
    assert (limits.mask_iou, limits.scores, limits.boxes) == (0.98, 0.02, 0.01)
    assert stage_limit(StageChoice("cuda", precision)) == 0.02
