"""Folded necks: the same numbers up to the border, and fewer operations."""

from __future__ import annotations

import pytest
import torch
from small_detector import GRID, small_detector
from small_detector import SIZES as DETECTOR
from torch import Tensor, nn

from sam3_ros.export.models.sam3.neck import ConvolvedUpsampling, with_constant
from sam3_ros.export.models.sam3.tracker_neck import TrackerNeck
from sam3_ros.export.models.sam3.tracker_sizes import TrackerSizes
from sam3_ros.export.stage import StageModule


@pytest.fixture(scope="module")
def necks() -> dict[str, StageModule]:
    detector = small_detector()
    torch.manual_seed(1)
    tracker = TrackerNeck(TrackerSizes(DETECTOR.trunk_channels, width=64, memory_width=16), GRID)
    for parameter in tracker.eval().requires_grad_(False).parameters():
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 1)
    return {"detector_pyramid": detector["detector_pyramid"], "tracker_neck": tracker}


@pytest.mark.parametrize("name", ["detector_pyramid", "tracker_neck"])
def test_a_folded_neck_computes_what_the_plain_one_does(
    necks: dict[str, StageModule], name: str
) -> None:
    plain = necks[name]
    folded = plain.folded()
    assert folded is not plain
    assert list(folded.inputs) == list(plain.inputs)
    assert folded.outputs == plain.outputs
    for seed in range(3):
        trunk = plain.examples({}, seed)["trunk"]
        for ours, expected in zip(folded(trunk), plain(trunk), strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_folding_does_not_change_the_weights_of_the_plain_neck(
    necks: dict[str, StageModule],
) -> None:
    for plain in necks.values():
        before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
        plain.folded()
        assert all((plain.state_dict()[name] == tensor).all() for name, tensor in before.items())


def test_a_large_bias_stops_at_the_border() -> None:
    """The 3x3 sees zeros beyond the border; a bias that continued there would show."""
    torch.manual_seed(2)
    up, conv = nn.ConvTranspose2d(5, 6, 2, stride=2), nn.Conv2d(6, 7, 3, padding=1)
    nn.init.constant_(up.bias, 100.0)
    seen = torch.randn(1, 5, 3, 4)
    with torch.inference_mode():
        expected = conv(up(seen))
        found = ConvolvedUpsampling(up, conv)(with_constant(seen))
    assert (expected[..., 0, :].mean() - expected[..., 2, :].mean()).abs() > 1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("name", "least"), [("detector_pyramid", 1.2), ("tracker_neck", 2.0)])
def test_a_folded_neck_needs_fewer_multiplications(
    necks: dict[str, StageModule], name: str, least: float
) -> None:
    plain = necks[name]
    trunk = plain.examples({}, seed=0)["trunk"]
    assert multiplications(plain, trunk) / multiplications(plain.folded(), trunk) > least


def multiplications(stage: StageModule, trunk: Tensor) -> int:
    """Return the number of multiplications in the stage's convolutions."""
    counted = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        backwards = isinstance(module, nn.ConvTranspose2d)
        counted += module.weight[0].numel() * (inputs[0] if backwards else output).numel()

    for module in stage.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(count)
    stage(trunk)
    return counted
