"""A stage's file against PyTorch: what passes, and how every kind of difference is reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from small_stages import TokenReader, change_weights
from torch import Tensor

from sam3_ros.core.errors import VerificationError
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.verification.stages import tried_lengths, unit_cases, verify_stage
from sam3_ros.export.verification.torch_graph import observe_stages


@pytest.fixture(scope="module")
def stage() -> TokenReader:
    torch.manual_seed(0)
    return TokenReader()


@pytest.fixture(scope="module")
def written(stage: TokenReader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(stage, tmp_path_factory.mktemp("onnx") / "reader.onnx").path


@pytest.fixture
def file(written: Path, tmp_path: Path) -> Path:
    """Return a copy that the test may damage."""
    return Path(shutil.copy(written, tmp_path))


def test_a_correct_file_gets_figures_for_every_output(stage: TokenReader, file: Path) -> None:
    figures = verify_stage("reader", stage, file)
    assert set(figures.outputs) == {"queries", "box_tokens"}
    assert 0 < figures.largest < 1e-6
    assert all(one.cosine > 0.999999 for one in figures.outputs.values())
    assert all(one.mean <= one.largest for one in figures.outputs.values())
    assert set(figures.as_dict()) == {"cases", "outputs"}


def test_every_length_is_tried_and_the_longest_together(stage: TokenReader) -> None:
    lengths = tried_lengths(stage)
    assert {each["prompts"] for each in lengths} == {1, 2}
    assert {each["boxes"] for each in lengths} == {0, 1, 3}
    assert {each["tokens"] for each in lengths} == {1, 8, 33}
    assert {"prompts": 2, "tokens": 33, "boxes": 3} in lengths


def test_a_changed_weight_is_reported_with_stage_output_figure_and_lengths(
    stage: TokenReader, file: Path
) -> None:
    change_weights(file, by=0.1)
    with pytest.raises(
        VerificationError, match=r"stage 'reader', output 'queries', with seed=1 "
    ) as e:
        verify_stage("reader", stage, file)
    assert "prompts=1 tokens=33 boxes=1" in str(e.value)
    assert "at most 1e-04 is allowed" in str(e.value)


def test_numbers_that_are_not_finite_are_a_failure(stage: TokenReader, file: Path) -> None:
    change_weights(file, by=float("nan"))
    with pytest.raises(VerificationError, match="values that are not finite, PyTorch does not"):
        verify_stage("reader", stage, file)


class Overflowing(TokenReader):
    def forward(self, prompt: Tensor, prompt_mask: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
        first, second = super().forward(prompt, prompt_mask, boxes)
        return first.exp().exp().exp() * 1e30, second


def test_a_model_that_overflows_by_itself_is_a_failure(tmp_path: Path) -> None:
    stage = Overflowing()
    file = write_onnx(stage, tmp_path / "overflowing.onnx").path
    with torch.no_grad():
        stage.query.fill_(9.0)
        stage.attention.out_proj.bias.fill_(9.0)
    with pytest.raises(VerificationError, match="PyTorch itself gives values that are not"):
        verify_stage("overflowing", stage, file)


def test_the_file_of_another_stage_is_reported_by_its_shape(file: Path) -> None:
    class More(TokenReader):
        def forward(self, prompt: Tensor, mask: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
            first, second = super().forward(prompt, mask, boxes)
            return first[:, :5], second

    with pytest.raises(VerificationError, match=r"has the shape \[1, 6, 8\], PyTorch gives \[1, 5"):
        verify_stage("more", More(), file)


def test_real_inputs_are_judged_relative_to_the_scale_of_the_output(
    stage: TokenReader, file: Path
) -> None:
    (case, *_) = unit_cases(stage)
    with torch.inference_mode(), observe_stages({"reader": stage}) as seen:
        for scale in (1.0, 2.0, 1000.0):
            prompt = torch.from_numpy(case.inputs["prompt"]) * scale
            stage(prompt, *(torch.from_numpy(case.inputs[n]) for n in ("prompt_mask", "boxes")))
    first, last = seen["reader"]
    assert (first.name, last.name) == ("the first real input", "the last real input")
    assert abs(last.inputs["prompt"]).max() == 1000 * abs(first.inputs["prompt"]).max()
    figures = verify_stage("reader", stage, file, seen["reader"])
    assert figures.cases == (first.name, last.name)
    assert len(figures.joined(figures).cases) == 4
