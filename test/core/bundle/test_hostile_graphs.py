"""A model file from a stranger is refused before an engine reads it, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from bundle_spoiling import HostileBundle, copied, read_manifest, stated, write_manifest
from hostile_graphs import bombs, bundle_with, hostile_graphs, mutated_graphs
from onnx import numpy_helper
from onnx.external_data_helper import set_external_data

from sam3_ros.core.bundle import model_files
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BundleError


@pytest.mark.parametrize("hostile", list(hostile_graphs()), ids=lambda each: str(each.name))
def test_a_hostile_graph_is_refused(
    hostile: HostileBundle, sam3_bundle_path: Path, tmp_path: Path
) -> None:
    folder = hostile.make(sam3_bundle_path, tmp_path / "hostile")
    with pytest.raises(BundleError, match=hostile.reason) as caught:
        Bundle.open(folder)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("name", "make"), list(mutated_graphs(seed=5, count=60)))
def test_a_changed_graph_is_refused_or_sound(
    name: str, make: Any, sam3_bundle_path: Path, tmp_path: Path
) -> None:
    try:
        Bundle.open(make(sam3_bundle_path, tmp_path / "changed"))
    except BundleError as error:
        assert "image_trunk" in str(error), name


@pytest.mark.parametrize("place", ["fp16", "cuda"])
def test_files_that_do_not_run_here_are_surveyed_too(
    place: str, sam3_bundle_path: Path, tmp_path: Path
) -> None:
    folder = copied(sam3_bundle_path, tmp_path / "hostile")
    hostile = next(each for each in hostile_graphs() if each.name == "operators: texts")
    other = hostile.make(sam3_bundle_path, tmp_path / "other")
    stage, spoilt = (read_manifest(each)["stages"]["image_trunk"] for each in (folder, other))
    manifest = read_manifest(folder)
    path = folder / "fp32" / "spoilt.onnx"
    path.write_bytes((other / spoilt["files"]["fp32"]["path"]).read_bytes())
    file = {**spoilt["files"]["fp32"], "path": "fp32/spoilt.onnx"}
    if place == "cuda":
        stage["renditions"] = {"cuda": {"fp16": file}}
    else:
        stage["files"]["fp16"] = file
    manifest["stages"]["image_trunk"] = stage
    write_manifest(folder, manifest)
    with pytest.raises(BundleError, match="RegexFullMatch"):
        Bundle.open(folder)


def test_external_data_that_the_manifest_lists_is_sound(
    sam3_bundle_path: Path, tmp_path: Path
) -> None:
    weights = np.arange(4, dtype=np.float32).tobytes()

    def spoil(model: onnx.ModelProto) -> None:
        tensor = numpy_helper.from_array(np.arange(4, dtype=np.float32), "extra")
        set_external_data(tensor, "weights.bin", offset=0, length=16)
        tensor.ClearField("raw_data")
        model.graph.initializer.append(tensor)

    folder = bundle_with(spoil)(sam3_bundle_path, tmp_path / "bundle")
    (folder / "fp32" / "weights.bin").write_bytes(weights)
    manifest = read_manifest(folder)
    manifest["stages"]["image_trunk"]["files"]["fp32"]["data"] = [
        stated("fp32/weights.bin", weights)
    ]
    write_manifest(folder, manifest)
    assert Bundle.open(folder).manifest.stages["image_trunk"].files["fp32"].data


def test_control_flow_is_allowed_stage_by_stage(sam3_bundle_path: Path, tmp_path: Path) -> None:
    loop = next(each for each in bombs() if "Loop" in each.name)
    folder = loop.make(sam3_bundle_path, tmp_path / "loop")
    bundle = Bundle.open(folder)
    allowed = [name for name, stage in bundle.manifest.stages.items() if stage.control_flow]
    assert allowed == ["image_trunk"]


@pytest.mark.parametrize("kind", ["links", "copies", "different"])
def test_the_parts_of_all_files_together_are_bounded(
    kind: str, sam3_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy = b"\x08\x08\x3a\xa0\x9c\x01" + b"\x6a\x00" * 10_000
    monkeypatch.setattr(model_files, "MOST_FIELDS_OF_ALL", 25_000)
    folder = copied(sam3_bundle_path, tmp_path / "bundle")
    manifest = read_manifest(folder)
    first, *_ = manifest["stages"].values()
    (folder / "heavy").mkdir()
    for number in range(5):
        path, content = f"heavy/{number}.onnx", heavy
        if kind == "different":
            content += b"\x12\x04odd" + bytes([ord("a") + number])
        if kind == "links" and number:
            (folder / path).symlink_to("0.onnx")
        else:
            (folder / path).write_bytes(content)
        first["files"][f"p{number}"] = stated(path, content)
    write_manifest(folder, manifest)
    if kind == "different":
        with pytest.raises(BundleError, match="more than 25000 parts"):
            Bundle.open(folder)
    else:
        Bundle.open(folder)
