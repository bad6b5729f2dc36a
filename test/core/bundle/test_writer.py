"""Writing a bundle: whole, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from bundles import write_mobile_sam_bundle
from onnx.external_data_helper import set_external_data

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.files import ModelFile, sha256_of
from sam3_ros.core.bundle.manifest import FileRef, StageEntry
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter, record_verification
from sam3_ros.core.errors import BundleError, ChecksumError, PrecisionError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice, StagePlan


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


def test_a_written_manifest_describes_its_files(tmp_path: Path) -> None:
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
        with pytest.raises(BundleError, match="line 2, name: expected a name"):
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


def test_an_older_bundle_is_restored_when_its_replacement_fails_half_way(
    mobile_sam_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    target = write_mobile_sam_bundle(tmp_path / "bundle", fused_decoder=False).path
    before, rename = set(tmp_path.iterdir()), Path.rename

    def fail_once_the_old_one_is_away(path: Path, place: Path) -> None:
        if not target.exists():
            monkeypatch.setattr(Path, "rename", rename)
            raise KeyboardInterrupt
        rename(path, place)

    with pytest.raises(KeyboardInterrupt), BundleWriter(target, replace_existing=True) as writer:
        copy_stages(source, writer)
        monkeypatch.setattr(Path, "rename", fail_once_the_old_one_is_away)
        writer.finish(description_of(source))
    assert "prompt_encoder" in Bundle.open(target).manifest.stages
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


def with_data_file(source: Path, folder: Path) -> ModelFile:
    """Write the model again with its float tensors in a data file beside it.

    Integer tensors, such as shapes, stay in the model.
    """
    model, path = onnx.load(source), folder / source.name
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            set_external_data(tensor, f"{path.name}.data")
    onnx.save(model, path)
    return ModelFile(path, (path.with_name(f"{path.name}.data"),))


@pytest.fixture
def with_data(mobile_sam_bundle_path: Path, tmp_path: Path) -> Bundle:
    """Write a bundle whose stages keep their weights in data files beside the models."""
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "with_data") as writer:
        for name, stage in source.manifest.stages.items():
            file = with_data_file(source.stage_file(name, "fp32"), tmp_path)
            writer.add_stage(name, stage.inputs, stage.outputs, {"fp32": file})
        return writer.finish(description_of(source))


def test_weights_beside_a_model_are_part_of_the_bundle(with_data: Bundle) -> None:
    (data,) = with_data.manifest.stages["image"].files["fp32"].data
    assert data.path == "fp32/image.onnx.data"
    assert data in with_data.manifest.files
    Segmenter.load(with_data.path).close()


def test_damage_in_weights_beside_a_model_is_refused(with_data: Bundle) -> None:
    data = with_data.path / "fp32" / "image.onnx.data"
    data.write_bytes(bytes(data.stat().st_size))
    with pytest.raises(ChecksumError, match=r"image\.onnx\.data' is damaged"):
        Bundle.open(with_data.path)
    data.unlink()
    with pytest.raises(BundleError, match=r"image\.onnx\.data' is missing"):
        Bundle.open(with_data.path)


def test_a_file_that_serves_two_precisions_is_there_once(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "bundle") as writer:
        for name, stage in source.manifest.stages.items():
            file = source.stage_file(name, "fp32")
            writer.add_stage(name, stage.inputs, stage.outputs, {"fp32": file, "int8": file})
        bundle = writer.finish(description_of(source))
    assert bundle.precisions == ("fp32", "int8")
    assert bundle.stage_file("image", "int8") == bundle.stage_file("image", "fp32")
    assert len(bundle.manifest.files) == len(bundle.manifest.stages)
    Segmenter.load(bundle, precision="int8").close()


def test_a_precision_can_be_dropped_and_takes_only_its_own_files_along(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "bundle") as writer:
        for name, stage in source.manifest.stages.items():
            file = source.stage_file(name, "fp32")
            own = tmp_path / f"{name}.onnx"
            own.write_bytes(file.read_bytes())
            int8 = own if name == "image" else file
            writer.add_stage(name, stage.inputs, stage.outputs, {"fp32": file, "int8": int8})
        assert Path(writer.draft(description_of(source)).path / "int8/image.onnx").is_file()
        writer.drop_precision("int8")
        bundle = writer.finish(description_of(source))
    assert bundle.precisions == ("fp32",)
    assert not (bundle.path / "int8").exists()


def test_a_precision_can_be_added_to_a_stage_later(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "bundle") as writer:
        copy_stages(source, writer)
        writer.add_precision("image", "int8", source.stage_file("image", "fp32"))
        writer.share_precision("mask_decoder", "int8", of="fp32")
        with pytest.raises(BundleError, match="has 'int8' already"):
            writer.share_precision("image", "int8", of="fp32")
        bundle = writer.finish(description_of(source))
    assert bundle.precisions == ("fp32", "int8")
    assert bundle.stage_file("image", "int8") == bundle.path / "int8" / "image.onnx"
    assert bundle.stage_file("mask_decoder", "int8").parent.name == "fp32"


def test_files_made_in_the_workspace_are_moved_and_the_rest_of_it_goes(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "bundle") as writer:
        copy_stages(source, writer)
        made = writer.workspace / "note.txt"
        made.write_text("made here")
        (writer.workspace / "scrap").write_text("left over")
        writer.add_file(made, "note.txt")
        assert not made.exists()
        bundle = writer.finish(description_of(source))
    assert (bundle.path / "note.txt").read_text() == "made here"
    names = sorted(path.name for path in bundle.path.iterdir())
    assert names == ["bundle.yaml", "fp32", "note.txt"]


def test_a_draft_runs_before_the_bundle_is_finished(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "bundle") as writer:
        copy_stages(source, writer)
        Segmenter.load(writer.draft(description_of(source))).close()
    assert list(tmp_path.iterdir()) == []


def test_recorded_answers_are_checked_like_any_file(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    answers = tmp_path / "answers.npz"
    answers.write_bytes(b"what the original model answered")
    with BundleWriter(tmp_path / "bundle") as writer:
        copy_stages(source, writer)
        recorded = writer.add_file(answers, "recorded_answers.npz")
        description = replace(description_of(source), recorded_answers=recorded)
        bundle = writer.finish(description)
    assert Bundle.open(bundle.path).manifest.recorded_answers == recorded
    assert isinstance(recorded, FileRef)
    (bundle.path / recorded.path).write_bytes(b"what the original model answers.")
    with pytest.raises(ChecksumError, match="recorded_answers"):
        Bundle.open(bundle.path)


def add_for_cuda(bundle: Bundle, writer: BundleWriter, stage: str) -> None:
    writer.add_precision(stage, "fp32", bundle.stage_file(stage, "fp32"), rendition="cuda")


def test_a_backend_gets_the_file_of_its_rendition_and_others_the_portable_one(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "x") as writer:
        copy_stages(source, writer)
        add_for_cuda(source, writer, "image")
        bundle = writer.finish(description_of(source))
    assert bundle.chosen_file("image", StageChoice("cuda", "fp32")) == (
        bundle.path / "cuda" / "fp32" / "image.onnx"
    )
    for backend in ("cpu", "openvino", "tensorrt"):
        portable = bundle.path / "fp32" / "image.onnx"
        assert bundle.chosen_file("image", StageChoice(backend, "fp32")) == portable
    assert Bundle.open(bundle.path).manifest == bundle.manifest
    (bundle.path / "cuda" / "fp32" / "image.onnx").write_bytes(b"cut short")
    with pytest.raises(ChecksumError, match=r"cuda/fp32/image\.onnx"):
        Bundle.open(bundle.path)


def test_a_precision_that_is_computed_from_missing_files_is_told_with_theirs(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "x") as writer:
        copy_stages(source, writer)
        for stage in source.manifest.stages:
            writer.share_precision(stage, "fp16", of="fp32")
        writer.drop_precision("fp32")
        bundle = writer.finish(description_of(source))
    with pytest.raises(
        PrecisionError, match=r"^tf32 is computed from fp32 files: bundle .*have: fp16"
    ):
        bundle.chosen_file("image", StageChoice("cuda", "tf32"))
    with pytest.raises(PrecisionError, match=r"^bundle .* has no 'fp32' for stage 'image'"):
        bundle.chosen_file("image", StageChoice("cuda", "fp32"))


def test_a_rendition_that_is_dropped_leaves_no_file_and_no_entry(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    with BundleWriter(tmp_path / "x") as writer:
        copy_stages(source, writer)
        add_for_cuda(source, writer, "image")
        writer.drop_precision("fp32", rendition="cuda")
        bundle = writer.finish(description_of(source))
    assert not (bundle.path / "cuda").exists()
    assert bundle.manifest == source.manifest


def test_a_stage_for_some_backends_goes_with_its_last_file(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    file = source.stage_file("image", "fp32")
    with BundleWriter(tmp_path / "x") as writer:
        copy_stages(source, writer)
        writer.add_stage("pixels", {"image": "a"}, {"pixel_values": "b"}, {"fp32": file}, "cuda")
        writer.drop_precision("fp32", rendition="cuda")
        bundle = writer.finish(description_of(source))
    assert not (bundle.path / "cuda").exists()
    assert bundle.manifest == source.manifest


def test_a_stage_may_be_for_some_backends_alone(
    mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    source = Bundle.open(mobile_sam_bundle_path)
    file = source.stage_file("image", "fp32")
    with BundleWriter(tmp_path / "x") as writer:
        copy_stages(source, writer)
        writer.add_stage("pixels", {"image": "a"}, {"pixel_values": "b"}, {"fp32": file}, "cuda")
        bundle = writer.finish(description_of(source))
    on_gpu, on_cpu = StageChoice("cuda", "tf32"), StageChoice("cpu", "fp32")
    assert bundle.has_file("pixels", on_gpu) and not bundle.has_file("pixels", on_cpu)
    assert not bundle.has_file("pixels", StageChoice("cuda", "fp32"))  # close, and fp32 is exact
    assert not bundle.has_file("no_such_stage", on_gpu)
    assert "pixels" in bundle.manifest.stages_to_load(StagePlan(on_gpu))
    assert bundle.manifest.stages_to_load(StagePlan(on_cpu)) == source.manifest.stages_in_use
    assert bundle.precisions == source.precisions
    assert Bundle.open(bundle.path).manifest == bundle.manifest
    with pytest.raises(BundleError, match="no file of any precision"):
        StageEntry("pixels", {}, {"pixel_values": "b"}, {})
