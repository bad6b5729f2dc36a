"""Writing a bundle: whole, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bundles import write_mobile_sam_bundle

from sam3_ros.core.bundle import Bundle
from sam3_ros.core.bundle_files import sha256_of
from sam3_ros.core.bundle_writer import BundleDescription, BundleWriter, record_verification
from sam3_ros.core.errors import BundleError


def description_of(bundle: Bundle) -> BundleDescription:
    manifest = bundle.manifest
    return BundleDescription(
        name=manifest.name,
        description=manifest.description,
        licence=manifest.licence,
        source=manifest.source,
        preprocessing=manifest.preprocessing,
        interactive=manifest.interactive,
    )


def copy_stages(bundle: Bundle, writer: BundleWriter) -> None:
    for name, stage in bundle.manifest.stages.items():
        files = {precision: bundle.stage_file(name, precision) for precision in stage.files}
        writer.add_stage(name, stage.inputs, stage.outputs, files)


def test_a_written_bundle_promises_what_its_files_are(tmp_path: Path) -> None:
    bundle = write_mobile_sam_bundle(tmp_path / "bundle")
    for file in bundle.manifest.files:
        assert sha256_of(bundle.path / file.path) == file.sha256
        assert (bundle.path / file.path).stat().st_size == file.bytes
    assert bundle.path.stat().st_mode & 0o777 == 0o755


def test_a_failure_leaves_nothing_behind(mobile_sam_bundle_path: Path, tmp_path: Path) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with pytest.raises(BundleError, match="no stage computes"), BundleWriter(tmp_path / "x") as w:
        image = source.manifest.stages["image"]
        file = source.stage_file("image", "fp32")
        w.add_stage("image", image.inputs, image.outputs, {"fp32": file})
        w.finish(description_of(source))
    assert list(tmp_path.iterdir()) == []


def test_a_description_that_would_not_read_back_is_refused(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "x") as writer:
        copy_stages(source, writer)
        with pytest.raises(BundleError, match="wrong form at name"):
            writer.finish(replace(description_of(source), name="two words"))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bundle_is_replaced_only_when_asked(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    target = write_mobile_sam_bundle(tmp_path / "bundle", fused_decoder=False).path
    with pytest.raises(BundleError, match="exists"):
        BundleWriter(target)
    before = set(tmp_path.iterdir())
    with BundleWriter(target, replace_existing=True) as writer:
        copy_stages(source, writer)
        written = writer.finish(description_of(source))
    assert written.path == target
    assert "prompt_encoder" not in written.manifest.stages
    assert not (target / "fp32" / "prompt_encoder.onnx").exists()
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(BundleError, match="is no bundle"):
        BundleWriter(tmp_path / "home", replace_existing=True)
    assert (tmp_path / "home" / "letter.txt").exists()


def test_verification_is_recorded_in_place(tmp_path: Path) -> None:
    bundle = write_mobile_sam_bundle(tmp_path / "bundle")
    figures = {"click": {"mean_iou": 0.93}, "scenes": 500, "seeds": (1, 2)}
    again = record_verification(bundle.path, figures)
    assert again.manifest.verification == {
        "click": {"mean_iou": 0.93},
        "scenes": 500,
        "seeds": [1, 2],
    }
    assert again.manifest.stages == bundle.manifest.stages
    assert sorted(path.name for path in bundle.path.iterdir()) == ["bundle.yaml", "fp32"]
