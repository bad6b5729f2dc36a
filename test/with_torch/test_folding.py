"""What is folded for the export: the same numbers from fewer operators."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam3_ros.export import fills
from sam3_ros.export.folding import Foldable, with_folded_parts
from sam3_ros.export.models.points.efficientvit_large import EfficientVitSamSizes, Resolution
from sam3_ros.export.models.points.grid_resize import GridResize, cubic_weights
from sam3_ros.export.models.points.tiny_vit_sam import TinyVitSamSizes
from sam3_ros.export.models.text.encoder import TextArchitecture
from sam3_ros.export.models.text.mobileclip import ConvolutionalBlock, MobileClipText
from sam3_ros.export.models.trunks.efficientvit import EfficientVitSizes
from sam3_ros.export.models.trunks.efficientvit_blocks import LARGE, ConvLayer
from sam3_ros.export.models.trunks.normed_convolution import NormedConvolution
from sam3_ros.export.models.trunks.recognise import TrunkArchitecture, build_trunk
from sam3_ros.export.models.trunks.repvit import DepthwiseBranches, RepVitSizes
from sam3_ros.export.models.trunks.tinyvit import TinyVitSizes, WindowAttentionBlock
from sam3_ros.export.models.trunks.trunk import StudentHead
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.stage import StageModule, TensorInput

TINY = TinyVitSizes((16, 32, 48, 64), (1, 2, 1, 1), (2, 3, 4), (5, 4, 3))
TRUNKS = {
    "repvit": RepVitSizes((16, 24, 40), (3, 2, 2)),
    "tinyvit": TINY,
    "efficientvit": EfficientVitSizes((8, 16, 24, 32, 64), (1, 2, 1, 1, 2), 16),
}
LARGE_SIZES = EfficientVitSamSizes(
    (
        Resolution(8, 1, "res", 1),
        Resolution(8, 1, "fmb", 2),
        Resolution(8, 1, "fmb", 2),
        Resolution(16, 1, "mb", 2),
        Resolution(16, 1, "att", 2),
    ),
    kernel=5,
    neck_depth=1,
    neck_expand=1,
    head=8,
    neck_width=16,
    channels=32,
    cells=8,
)
TEXT = TextArchitecture("small", 64, 1, 96, 9, 9, convolution=5, vocabulary=50, d_model=32)


def filled(module: nn.Module) -> nn.Module:
    """Return the module with random weights and statistics, far from those of a new one."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                size = tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
                tensor.copy_(torch.randn(tensor.shape) * size)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_var.copy_(0.5 + torch.rand(part.running_var.shape))
                part.weight.add_(1)
    return module.eval().requires_grad_(False)


def stage(name: str) -> StageModule:
    if name == "efficientvit-sam":
        return filled(LARGE_SIZES.build(64))
    if name == "mobilesam":
        return filled(TinyVitSamSizes(TINY, channels=32).build(96))
    if name == "mobileclip":
        return filled(MobileClipText(TEXT))
    return filled(build_trunk(TrunkArchitecture(name, TRUNKS[name], 64), 140))


STAGES = ("repvit", "tinyvit", "efficientvit", "efficientvit-sam", "mobilesam", "mobileclip")


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (NormedConvolution(8, 12, kernel=3, stride=2), (2, 8, 9, 9)),
        (ConvLayer(8, 12, style=LARGE), (2, 8, 9, 9)),
        (ConvLayer(8, 12, style=LARGE, normed=False), (2, 8, 9, 9)),
        (DepthwiseBranches(8), (2, 8, 9, 9)),
        (StudentHead(8, 12, 5), (2, 8, 5, 5)),
        (ConvolutionalBlock(16, 24, 5), (2, 9, 16)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_folded_block_computes_the_same_without_batch_norms(
    module: nn.Module, shape: tuple[int, ...]
) -> None:
    filled(module)
    folded = module.folded() if isinstance(module, Foldable) else with_folded_parts(module)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    x = torch.randn(shape)
    torch.testing.assert_close(folded(x), module(x), atol=1e-5, rtol=1e-5)


def test_the_branches_are_one_convolution() -> None:
    folded = filled(DepthwiseBranches(8)).folded()
    assert isinstance(folded, nn.Conv2d)
    assert folded.groups == 8


@pytest.mark.parametrize("name", STAGES)
def test_a_folded_stage_computes_the_same(name: str) -> None:
    """In float64: random weights enlarge the rounding of single layers."""
    plain = stage(name).double()
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    folded = plain.folded().double()
    assert list(folded.inputs) == list(plain.inputs)
    examples = plain.examples({"prompts": 2}, seed=1).values()
    inputs = [each.double() if each.is_floating_point() else each for each in examples]
    for found, expected in zip(folded(*inputs), plain(*inputs), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    after = plain.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("name", STAGES)
def test_no_batch_norm_and_no_cubic_resize_is_left_in_a_file(name: str, tmp_path: Path) -> None:
    graph = onnx.load(write_onnx(stage(name), tmp_path / "stage.onnx").path).graph
    assert not any(node.op_type == "BatchNormalization" for node in graph.node)
    modes = [a.s for node in graph.node if node.op_type == "Resize" for a in node.attribute]
    assert b"cubic" not in modes


def test_a_stage_without_batch_norms_is_exported_as_it_is() -> None:
    class _Plain(StageModule):
        outputs = ("memory",)

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 4), nn.GELU())

        @property
        def inputs(self) -> dict[str, TensorInput]:
            return {"prompt": TensorInput((1, 4), fills.unit_features)}

        def forward(self, prompt: Tensor) -> tuple[Tensor]:
            return (self.layers(prompt),)

    plain = _Plain()
    assert plain.folded() is plain


@pytest.mark.parametrize(("side", "cells"), [(4, 16), (7, 10), (16, 64), (32, 64), (9, 4)])
def test_a_resize_by_matrices_is_pytorchs_bicubic(side: int, cells: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    expected = F.interpolate(x, size=(cells, cells), mode="bicubic", align_corners=False)
    weights = cubic_weights(side, cells)
    torch.testing.assert_close(weights @ x @ weights.T, expected, atol=1e-12, rtol=1e-12)
    found = GridResize(side, cells).folded()(x.float())
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-5)


def test_an_equal_grid_is_not_resized() -> None:
    x = torch.randn(1, 2, 4, 4)
    assert GridResize(4, 4)(x) is x
    assert GridResize(4, 4).folded()(x) is x


@pytest.mark.parametrize(("height", "width"), [(8, 12), (9, 8), (5, 7), (3, 2)])
def test_projections_before_the_windows_are_cut_give_the_same(height: int, width: int) -> None:
    """Also where windows do not fit, so that cells attend to padding."""
    block = filled(WindowAttentionBlock(24, heads=3, window=4)).double()
    x = torch.randn(2, 24, height, width, dtype=torch.float64)
    torch.testing.assert_close(block.folded()(x), block(x), atol=1e-6, rtol=1e-6)


def test_a_window_attention_is_transposed_only_to_cut_windows_and_to_join_them(
    tmp_path: Path,
) -> None:
    graph = onnx.load(write_onnx(stage("mobilesam"), tmp_path / "stage.onnx").path).graph
    orders = [tuple(node.attribute[0].ints) for node in graph.node if node.op_type == "Transpose"]
    blocks = sum(TINY.depths[1:])
    assert sum(len(order) == 7 for order in orders) == 2 * blocks
    assert sum(len(order) > 4 for order in orders) == 2 * blocks
    # The keys; to channels last and back at both ends of a block and around its convolution.
    assert sum(len(order) == 4 for order in orders) <= 5 * blocks + 2
