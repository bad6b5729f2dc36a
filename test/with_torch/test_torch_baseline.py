"""The PyTorch model as a baseline for its own bundle, in a process of its own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scenes import colour_scene
from small_clicker import FAMILY, small_clicker_of

from sam3_ros.bench.baselines import paired
from sam3_ros.bench.baselines.comparison import compare
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import Workload
from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ExportError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.export.commands.torch_baseline import TorchBaseline
from sam3_ros.export.families import FAMILIES

SCENE = colour_scene(60, 80, {"red": (20, 10, 60, 50)})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    target = tmp_path_factory.mktemp("torch_baseline") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, FAMILY.name, FAMILY)
        seed = ("--random-weights", "1", "--precision", "fp32", "--out", str(target))
        assert main(["export", FAMILY.name, *seed]) == 0
    return Bundle.open(target)


def test_pytorch_gives_the_same_mask_and_is_timed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "REST_SECONDS", 0.0)
    baseline = TorchBaseline(bundle, None, 1, SCENE, small_clicker_of)
    with Segmenter.load(bundle, threads=1) as ours:
        comparison = compare(ours, Workload(SCENE, "red"), baseline, Budget(2, 10.0, 1))
    baseline.close()
    alike = comparison.agreements["click"]
    assert alike.masks[0] == alike.masks[1]
    assert alike.equal_pixels >= 0.9999
    assert alike.score < 1e-4
    for ratios in comparison.ratios:
        assert len(ratios.repeats) == 2
        assert all(0 < ratio < math.inf for ratio in ratios.repeats)


def test_what_cannot_be_built_again_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--bundle", "tabletop", "--against", "torch"]) == 2
    told = capsys.readouterr()
    assert "does not say which family" in told.err
    assert "resident memory" not in told.err


def test_an_error_of_the_child_comes_through(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        TorchBaseline(bundle, tmp_path / "none.pth", 1, SCENE, small_clicker_of)
