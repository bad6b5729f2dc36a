"""`sam3-ros verify`: the bundle stays as it is, and what cannot be compared is said."""

from __future__ import annotations

import hashlib
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import ExportError
from sam3_ros.export.verification.reference_weights import (
    other_video_weights,
    require_same_weights,
)
from sam3_ros.export.weights_identity import (
    Adjustment,
    filled_by_rule,
    parsed_samples,
    weights_samples,
)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--image", "photo.jpg"), "photo.jpg: images need a model that is built again"),
        (("--reference", "absent"), "absent holds no cases_*.npz"),
    ],
)
def test_what_is_missing_is_said(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "tabletop", *arguments]) == 2

    assert reason in capsys.readouterr().err


def test_a_bundle_without_recorded_answers_has_nothing_to_compare_with(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(sam3_bundle_path)]) == 2

    reason = "holds no recorded answers to compare with; give --checkpoint FILE"
    assert reason in capsys.readouterr().err


def test_the_embedded_bundle_still_answers_as_it_was_recorded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = contents(Bundle.open("tabletop").path)
    assert main(["verify", "tabletop"]) == 0

    assert "verified" in capsys.readouterr().out
    assert contents(Bundle.open("tabletop").path) == before


@pytest.fixture
def own_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Bundle.open("tabletop").path, tmp_path / "own"))


@pytest.mark.parametrize("asked", [(), ("--json",), ("--no-record",)])
def test_a_bundle_that_cannot_be_written_to_is_verified_all_the_same(
    own_copy: Path, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(own_copy)
    for path in (*own_copy.rglob("*"), own_copy):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert main(["verify", str(own_copy), *asked]) == 0
        assert contents(own_copy) == before
    finally:
        for path in (own_copy, *own_copy.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert "recorded answers, fp32" in capsys.readouterr().out


def test_the_result_is_written_where_that_is_asked_for(own_copy: Path) -> None:
    assert main(["verify", str(own_copy), "--record"]) == 0

    verified = Bundle.open(own_copy).manifest.verification["verified"]
    assert verified["recorded answers, fp32"]["failed"] == []


def test_a_checkpoint_and_a_seed_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "tabletop", "--checkpoint", "model.pt", "--rebuild"])

    assert "not allowed with" in capsys.readouterr().err


NAMES = ("head.norm.bias", "image.stem.bias", "text.layers.3.bias", "tracker.proj.bias")


def reference_checkpoint(seed: int) -> dict[str, np.ndarray]:
    """Return biases as the reference's checkpoints have them, by its rule."""
    streams = {
        name: np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
        for name in NAMES
    }
    return {
        n: np.float32(0.02) * g.standard_normal(7).astype(np.float32) for n, g in streams.items()
    }


def manifest_with(**source: str) -> Manifest:
    return replace(Bundle.open("tabletop").manifest, source=source)


def exported_from(weights: Mapping[str, np.ndarray]) -> Manifest:
    shapes = {name: value.shape for name, value in weights.items()}
    samples = weights_samples(shapes, lambda name: weights[name].tolist(), NAMES)
    return manifest_with(
        checkpoint="model.pth", checkpoint_sha256="ab" * 32, weights_samples=samples
    )


CASE = {"weights_seed": np.array(1), "image_seed": np.array(11)}


def test_the_weights_of_the_references_seed_are_known() -> None:
    assert require_same_weights(exported_from(reference_checkpoint(1)), "cases_a", CASE)


@pytest.mark.parametrize(
    ("manifest", "ours"),
    [
        (exported_from(reference_checkpoint(2)), "those of model.pth"),
        (exported_from({name: np.ones(7) for name in NAMES}), "those of model.pth"),
        (manifest_with(random_seed="1"), "random ones of seed 1"),
    ],
)
def test_other_weights_than_the_references_are_named_as_such(manifest: Manifest, ours: str) -> None:
    with pytest.raises(ExportError, match="other weights: cases_a of the reference was") as caught:
        require_same_weights(manifest, "cases_a", CASE)
    assert "those of seed 1" in str(caught.value)
    assert ours in str(caught.value)


def test_the_file_of_the_weights_decides_where_the_reference_names_it() -> None:
    manifest = exported_from(reference_checkpoint(2))
    same = {**CASE, "checkpoint_sha256": np.array("ab" * 32)}
    assert require_same_weights(manifest, "cases_a", same)
    with pytest.raises(ExportError, match=r"other weights: .* the file of sha256 cdcdcd"):
        other = {"checkpoint_sha256": np.array("cd" * 32)}
        require_same_weights(manifest, "cases_a", other)


@pytest.mark.parametrize("case", [{"image_seed": np.array(1)}, CASE])
def test_what_says_nothing_of_its_weights_is_compared(case: Mapping[str, np.ndarray]) -> None:
    assert not require_same_weights(manifest_with(checkpoint="older.pth"), "cases_a", case)


@pytest.mark.parametrize("kept_as", [np.float32, np.float16])
def test_weights_are_known_in_half_precision_too(kept_as: type) -> None:
    weights = {name: value.astype(kept_as) for name, value in reference_checkpoint(5).items()}
    text = weights_samples(dict.fromkeys(NAMES, (7,)), lambda name: weights[name].tolist(), NAMES)
    assert len(parsed_samples(text)) == 3
    assert filled_by_rule(parsed_samples(text), 5)
    assert not filled_by_rule(parsed_samples(text), 6)


@pytest.mark.parametrize("text", ["", "no numbers", "a: 1 x"])
def test_a_damaged_sample_says_nothing(text: str) -> None:
    assert parsed_samples(text) == {}


HEADS = (
    "tracker.sam_mask_decoder.iou_prediction_head.layers.2.bias",
    "tracker.sam_mask_decoder.pred_obj_score_head.layers.2.bias",
)
ADJUSTED = Adjustment(score_shift=4.2, iou_bias=(0, 0, 3.9, 1.8))


def exported_with_heads(adjustment: Adjustment | None) -> Manifest:
    """Return the manifest of a reference checkpoint, with what a video case changes in it."""
    weights = reference_checkpoint(1)
    for name, count in zip(HEADS, (4, 1), strict=True):
        generator = np.random.Generator(np.random.PCG64([1, zlib.crc32(name.encode())]))
        values = (0.02 * generator.standard_normal(count)).tolist()
        weights[name] = np.array(adjustment.applied(name, values) if adjustment else values)
    shapes = {name: value.shape for name, value in weights.items()}
    samples = weights_samples(shapes, lambda name: weights[name].tolist(), weights)
    return manifest_with(checkpoint="model.pth", weights_samples=samples)


def test_a_video_case_of_the_bundles_weights_is_known() -> None:
    assert not other_video_weights(exported_with_heads(ADJUSTED), 1, ADJUSTED)


@pytest.mark.parametrize(
    ("manifest", "seed", "ours"),
    [
        (exported_with_heads(None), 1, "model.pth"),
        (exported_with_heads(Adjustment(4.2, (0, 0, 0, 2.4))), 1, "model.pth"),
        (exported_with_heads(Adjustment(8.0, (0, 0, 3.9, 1.8))), 1, "model.pth"),
        (exported_with_heads(ADJUSTED), 2, "model.pth"),
        (manifest_with(random_seed="1"), 1, "random ones of seed 1"),
    ],
)
def test_a_video_case_of_other_weights_is_named_as_such(
    manifest: Manifest, seed: int, ours: str
) -> None:
    reason = other_video_weights(manifest, seed, ADJUSTED)
    assert reason.startswith("other weights")
    assert ours in reason


def test_a_case_of_clicks_is_not_of_the_weights_of_a_video_case() -> None:
    with pytest.raises(ExportError, match="other weights: cases_a"):
        require_same_weights(exported_with_heads(ADJUSTED), "cases_a", CASE)
    assert require_same_weights(exported_with_heads(None), "cases_a", CASE)
