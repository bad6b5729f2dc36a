"""What trainings of SAM 3 and EfficientSAM3 write: the same weights wherever they stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_sam3 import FAMILY, INPUT_SIZE, small_sam3
from torch import Tensor

from sam3_ros.cli.main import main
from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.description import form_of
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.weights.filled_network import FilledNetwork, from_checkpoint
from sam3_ros.export.weights.loading import original_tensors
from sam3_ros.export.weights.recognition import without_prefix

CLICKS = "inst_interactive_predictor.model."


@pytest.fixture(autouse=True)
def only_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one family alone: to try all takes seconds."""
    for name in list(FAMILIES):
        monkeypatch.delitem(FAMILIES, name)
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)


@cache
def published() -> Mapping[str, Tensor]:
    return dict(original_tensors(small_sam3()))


def detector() -> dict[str, Tensor]:
    """Return what the original's trainer saves: its image model, the tracker's neck included."""
    tensors = published().items()
    return {n.removeprefix("detector."): t for n, t in tensors if n.startswith("detector.")}


def clicking() -> dict[str, Tensor]:
    """Return the same with the tracker for clicks in it."""
    tracker = {n.replace("tracker.", CLICKS): t for n, t in published().items() if n[:2] == "tr"}
    return {**detector(), **tracker}


def behind(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def other(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an average, say, that is not the weights."""
    return {n: t + 1 if t.is_floating_point() else t.clone() for n, t in tensors.items()}


def training(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return a training's state as the original's trainer writes it."""
    moments = {index: {"exp_avg": torch.ones(3)} for index in range(2)}
    return {
        "model": dict(tensors),
        "optimizer": {"state": moments, "param_groups": [{"lr": 1e-5, "params": [0, 1]}]},
        "epoch": 19,
        "loss": {"all": {"weight": torch.ones(2)}},
        "steps": {"train": 1200, "val": 0},
        "time_elapsed": 81.5,
        "best_meter_values": {"coco/AP": np.float64(0.61), "n": np.int64(7)},
        "scaler": {"scale": 65536.0},
    }


def require_same(filled: FilledNetwork, parts: int) -> None:
    found = dict(original_tensors(filled.network))
    assert all(torch.equal(tensor, published()[name]) for name, tensor in found.items())
    assert len(filled.network.parts) == parts


@pytest.mark.parametrize(
    ("document", "parts", "form"),
    [
        (lambda: training(detector()), 1, "own trainer (names without `detector.`)"),
        (lambda: training(clicking()), 3, "own trainer (names without `detector.`)"),
        (
            lambda: {"state_dict": behind("model.", detector()), "epoch": 2},
            1,
            "behind the prefix model.; in the entry `state_dict`",
        ),
        (lambda: behind("module._orig_mod.model.sam.", detector()), 1, "the prefix model.sam."),
        (lambda: behind("detector.", detector()), 1, "the original's names"),
        (lambda: {"ema": {"module": dict(published())}}, 3, "`ema.module`, an average"),
        (lambda: {"model_ema": detector()}, 1, "in the entry `model_ema`, an average"),
        (lambda: {"state_dict_ema": dict(published()), "epoch": 1}, 3, "`state_dict_ema`, an aver"),
        (
            lambda: {"model": dict(published()), "ema": other(published())},
            3,
            "in the entry `model`; the average in `ema` is left out",
        ),
    ],
)
def test_a_trainings_file_gives_the_same_weights(
    document: Callable[[], Any], parts: int, form: str, tmp_path: Path
) -> None:
    torch.save(document(), tmp_path / "checkpoint.pt")
    found = without_prefix(open_checkpoint(tmp_path / "checkpoint.pt"), [FAMILY])
    expected = [n for n in published() if parts == 3 or n.startswith("detector.")]
    assert sorted(found.shapes) == sorted(expected)
    assert all(torch.equal(found.tensor(name), published()[name]) for name in expected)
    assert form in form_of(found)


def test_inspect_tells_of_a_fine_tune_what_it_is_and_what_it_is_enough_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(training(detector()), path)
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "form: the image model of SAM 3's own trainer" in printed
    assert "it has tensors for concept alone: export it --parts concept" in printed
    assert "optimizer" in printed.split("beside the model")[1]
    assert "the tracker's neck: the file has no tracker" in printed

    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"] == ["concept"]
    command = ["export", FAMILY.name, "--checkpoint", str(path), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "only for concept; --parts concept exports that" in capsys.readouterr().err


def test_slim_leaves_a_fine_tunes_weights_under_the_published_names(tmp_path: Path) -> None:
    torch.save(training(detector()), tmp_path / "checkpoint.pt")
    out = tmp_path / "slim.safetensors"
    assert main(["slim", str(tmp_path / "checkpoint.pt"), "--out", str(out)]) == 0
    assert out.stat().st_size < (tmp_path / "checkpoint.pt").stat().st_size
    assert set(open_checkpoint(out).shapes) == {f"detector.{name}" for name in detector()}
    require_same(from_checkpoint(FAMILY, out, INPUT_SIZE, ("concept",)), 1)


def test_half_precision_is_read_exactly_and_told(tmp_path: Path) -> None:
    kinds = {name: (torch.float16, torch.bfloat16)["detector" in name] for name in published()}
    half = {n: t.to(kinds[n]) if t.is_floating_point() else t for n, t in published().items()}
    torch.save({"model": half}, tmp_path / "half.pt")
    filled = from_checkpoint(FAMILY, tmp_path / "half.pt", INPUT_SIZE)
    for name, tensor in original_tensors(filled.network):
        assert torch.equal(tensor, half[name].to(tensor.dtype)), name
    detects = sum(1 for n, t in half.items() if "detector" in n and t.is_floating_point())
    tracks = sum(1 for n in half if n.startswith("tracker."))
    assert filled.source["checkpoint_storage"] == f"bfloat16 ({detects}), float16 ({tracks})"


def test_a_detector_for_boxes_alone_is_refused_for_what_it_is(tmp_path: Path) -> None:
    boxes = {n: t for n, t in detector().items() if not n.startswith("segmentation_head.")}
    torch.save(training(boxes), tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=r"no segmentation head .* trained for boxes alone"):
        from_checkpoint(FAMILY, tmp_path / "checkpoint.pt", INPUT_SIZE, ("concept",))


@pytest.mark.parametrize("part", ["detector.", "tracker."])
def test_a_whole_model_that_lost_a_tensor_is_not_taken_for_a_part(
    part: str, tmp_path: Path
) -> None:
    tensors = dict(published())
    tensors.pop(next(name for name in tensors if name.startswith(part)))
    torch.save(tensors, tmp_path / "damaged.pt")
    with pytest.raises(CheckpointError, match="1 missing"):
        from_checkpoint(FAMILY, tmp_path / "damaged.pt", INPUT_SIZE)


def test_a_tensor_of_the_detector_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    torch.save(training({**detector(), "extra_head.weight": torch.ones(2)}), tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match=r"1 unexpected \(detector\.extra_head\.weight"):
        from_checkpoint(FAMILY, tmp_path / "c.pt", INPUT_SIZE, ("concept",))


def test_numbers_of_numpy_beside_the_model_are_notes(tmp_path: Path) -> None:
    torch.save(training({"a": torch.ones(2)}), tmp_path / "c.pt")
    notes = open_checkpoint(tmp_path / "c.pt").notes
    assert notes["best_meter_values.coco/AP"] == 0.61
    assert notes["best_meter_values.n"] == 7
    for other_object in (np.ones(2), np.array([print]), np.str_("x")):
        torch.save({"model": {"a": torch.ones(1)}, "best": other_object}, tmp_path / "n.pt")
        with pytest.raises(CheckpointError, match="holds more than tensors and plain values"):
            open_checkpoint(tmp_path / "n.pt")
