"""Opening a bundle: what is wrong is refused with its own reason, before any session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from bundles import rewrite_manifest

from sam3_ros.core.bundle import bundle as bundle_module
from sam3_ros.core.bundle.bundle import Bundle, embedded_bundles
from sam3_ros.core.errors import BundleError, ChecksumError, PrecisionError


@pytest.fixture
def folder(mobile_sam_bundle_path: Path, tmp_path: Path) -> Path:
    """Copy a sound bundle, for a test to damage."""
    return Path(shutil.copytree(mobile_sam_bundle_path, tmp_path / "copy"))


@pytest.fixture(autouse=True)
def no_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if opening a bundle makes a session."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a session was made")

    monkeypatch.setattr("onnxruntime.InferenceSession", refuse)


def refused(folder: Path, kind: type[BundleError] = BundleError) -> str:
    with pytest.raises(kind) as caught:
        Bundle.open(folder)
    assert str(folder.name) in str(caught.value), "the message must name the bundle"
    return str(caught.value)


def test_a_sound_bundle_opens(sam3_bundle_path: Path) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    assert bundle.capabilities == ("concept", "interactive")
    assert bundle.precisions == ("fp32", "fp16")
    assert bundle.stage_file("text", "fp16") == sam3_bundle_path / "fp16" / "text.onnx"
    assert bundle.tokenizer_file == sam3_bundle_path / "tokenizer.json"


def test_the_manifest_itself_may_be_named(sam3_bundle_path: Path) -> None:
    assert Bundle.open(sam3_bundle_path / "bundle.yaml").path == sam3_bundle_path


def test_a_folder_behind_a_link_is_a_bundle(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert Bundle.open(link).path == folder


def test_a_truncated_file_is_refused(folder: Path) -> None:
    model = folder / "fp32" / "image.onnx"
    os.truncate(model, model.stat().st_size // 2)
    assert "cut short" in refused(folder, ChecksumError)


def test_a_flipped_bit_is_refused(folder: Path) -> None:
    model = folder / "fp32" / "image.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    reason = refused(folder, ChecksumError)
    assert "fp32/image.onnx" in reason
    assert "damaged or swapped" in reason


def test_swapped_files_are_refused(folder: Path) -> None:
    one, other = folder / "fp32" / "image.onnx", folder / "fp32" / "mask_decoder.onnx"
    spare = folder / "spare"
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    refused(folder, ChecksumError)


def test_damage_in_a_precision_nobody_asked_for_is_refused(
    sam3_bundle_path: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(sam3_bundle_path, tmp_path / "copy"))
    (folder / "fp16" / "scoring.onnx").write_bytes(b"")
    assert "fp16/scoring.onnx" in refused(folder, ChecksumError)


def test_a_damaged_tokenizer_is_refused(sam3_bundle_path: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sam3_bundle_path, tmp_path / "copy"))
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text("utf-8").replace("red", "rad"), "utf-8")
    assert "tokenizer.json" in refused(folder, ChecksumError)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "fp32" / "image.onnx").unlink()
    assert "'fp32/image.onnx' is missing" in refused(folder)


def test_a_missing_manifest_is_refused(folder: Path) -> None:
    (folder / "bundle.yaml").unlink()
    assert "'bundle.yaml' is missing" in refused(folder)


def test_an_unknown_version_is_refused(folder: Path) -> None:
    rewrite_manifest(folder, "format: 1", "format: 7")
    assert "format 7" in refused(folder)


def test_a_manifest_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "bundle.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert "UTF-8" in refused(folder)


@pytest.mark.parametrize(
    "path",
    [
        "../copy/fp32/image.onnx",
        "fp32/../../copy/fp32/image.onnx",
        "/etc/hostname",
        "C:/models/image.onnx",
        "..\\\\image.onnx",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(folder: Path, path: str) -> None:
    rewrite_manifest(folder, "path: fp32/image.onnx", f'path: "{path}"')
    assert "points outside the bundle" in refused(folder)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    model = folder / "fp32" / "image.onnx"
    shutil.move(model, tmp_path / "elsewhere.onnx")
    model.symlink_to(tmp_path / "elsewhere.onnx")
    assert "leads out of the bundle" in refused(folder)


def test_a_folder_that_is_a_link_out_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "fp32", tmp_path / "elsewhere")
    (folder / "fp32").symlink_to(tmp_path / "elsewhere")
    assert "leads out of the bundle" in refused(folder)


def test_a_manifest_that_is_a_link_out_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "bundle.yaml", tmp_path / "elsewhere.yaml")
    (folder / "bundle.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert "leads out of the bundle" in refused(folder)


def test_a_link_that_leads_in_circles_is_refused(folder: Path) -> None:
    model = folder / "fp32" / "image.onnx"
    model.unlink()
    model.symlink_to(model)
    assert "image.onnx" in refused(folder)


def test_a_link_inside_the_folder_is_welcome(folder: Path) -> None:
    model = folder / "fp32" / "image.onnx"
    shutil.move(model, folder / "blob")
    model.symlink_to(folder / "blob")
    assert Bundle.open(folder).stage_file("image", "fp32") == folder / "blob"


def test_only_regular_files_count(folder: Path) -> None:
    model = folder / "fp32" / "image.onnx"
    model.unlink()
    os.mkfifo(model)  # reading it would wait for ever
    assert "not a regular file" in refused(folder)


@pytest.mark.parametrize(
    "name", ["nonesuch", "", "/no/such/folder", "x" * 5000, "nul\0byte", "~nobody_here/bundle"]
)
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BundleError, match="neither a folder nor the name") as caught:
        Bundle.open(name)
    assert len(str(caught.value)) < 1000


def test_a_file_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(BundleError, match="is not a folder"):
        Bundle.open(tmp_path / "model.onnx")


def test_a_precision_the_bundle_lacks_is_named_with_those_it_has(folder: Path) -> None:
    with pytest.raises(PrecisionError, match=r"no 'int8'.*all of its stages have: fp32"):
        Bundle.open(folder).stage_file("image", "int8")


def test_a_stage_the_bundle_lacks_is_named_with_those_it_has(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"no stage 'text'; it has image, mask_decoder"):
        Bundle.open(folder).stage_file("text", "fp32")


def test_a_bundle_without_texts_has_no_tokenizer(folder: Path) -> None:
    with pytest.raises(BundleError, match="no tokenizer"):
        _ = Bundle.open(folder).tokenizer_file


def test_an_embedded_bundle_linked_file_by_file_opens_by_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "bundles" / "linked"
    installed.mkdir(parents=True)
    (installed / "bundle.yaml").symlink_to(folder / "bundle.yaml")
    monkeypatch.setattr(bundle_module, "EMBEDDED_FOLDER", tmp_path / "bundles")
    assert embedded_bundles() == {"linked": folder}
    assert Bundle.open("linked").path == folder
    with pytest.raises(BundleError, match=r"embedded bundle \(linked\)"):
        Bundle.open("nonesuch")
