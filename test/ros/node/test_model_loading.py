"""What the node reports of a model once it is loaded and judged."""

from __future__ import annotations

import pytest

from sam3_ros.core.precision.repair import Guarded
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.ros.node.model_loading import LoadedModel, guard_values, uses_gpu

STAGES = ("image_trunk", "fusion")


@pytest.mark.parametrize("backend", ["cuda", "tensorrt", "tensorrt_rtx"])
def test_one_stage_of_a_plan_on_a_gpu_is_enough(backend: str) -> None:
    plan = StagePlan(REFERENCE, {"fusion": StageChoice(backend)})

    assert uses_gpu(plan, STAGES)
    assert uses_gpu(StagePlan(StageChoice(backend)), STAGES)
    assert not uses_gpu(plan.changed(["fusion"], REFERENCE), STAGES)
    assert not uses_gpu(plan, ["image_trunk"])


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
def test_what_runs_on_the_cpu_uses_no_gpu(backend: str) -> None:
    assert not uses_gpu(StagePlan(StageChoice(backend)), STAGES)


def test_the_values_of_a_model_whose_stages_were_all_reverted() -> None:
    with Segmenter.load("tabletop", threads=1) as segmenter:
        values = guard_values(segmenter, Guarded(None, ("fusion", "decoder"), "masks are off"))

        assert not LoadedModel(segmenter, values).uses_gpu
    assert values == {
        "runs": "cpu fp32",
        "precision guard": "masks are off; reverted to fp32 on the CPU: fusion, decoder; "
        "then nothing is left to judge: all stages run in fp32 on the CPU",
        "put back to fp32": "fusion, decoder",
    }
