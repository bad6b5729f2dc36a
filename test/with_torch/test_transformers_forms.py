"""SAM 3 in transformers' names and layout: read to the same answers, every tensor accounted for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers_models import (
    SMALL,
    SMALL_INPUT,
    clicked,
    detections,
    our_clicked,
    our_detections,
    questions,
    small_model,
)

from sam3_ros.cli.main import main
from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.families.sam3 import SAM3
from sam3_ros.export.forms.in_original_names import in_original_names
from sam3_ros.export.models.trunks.recognise import TrunkArchitecture
from sam3_ros.export.models.trunks.sam3_vit import Sam3VitSizes
from sam3_ros.export.network import Network
from sam3_ros.export.weights.filled_network import from_checkpoint
from sam3_ros.export.weights.loading import original_tensors
from sam3_ros.export.weights.recognition import open_known, without_prefix

#: Its image encoder is known, so that no other has to be compared with it.
FAMILY = replace(
    SAM3, trunks=(TrunkArchitecture("small", Sam3VitSizes(128, 96, depth=8, window=4), 128),)
)
ALL = ("concept", "interactive", "video")
PARTS = {
    "Sam3Model": ALL[:1],
    "Sam3LiteTextModel": ALL[:1],
    "Sam3TrackerModel": ALL[1:2],
    "Sam3TrackerVideoModel": ALL[1:],
    "Sam3VideoModel": ALL,
}


@cache
def model(name: str) -> PreTrainedModel:
    return small_model(name)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Each model as transformers saves it, by its class."""
    folder = tmp_path_factory.mktemp("saved")
    for name in SMALL:
        model(name).save_pretrained(folder / name)
    return {name: folder / name for name in SMALL}


@cache
def network_of(name: str, path: Path) -> Network:
    return from_checkpoint(FAMILY, path, SMALL_INPUT, PARTS[name]).network


@pytest.fixture
def only_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one family with the small image encoder: to try all takes seconds."""
    for name in list(FAMILIES):
        monkeypatch.delitem(FAMILIES, name)
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)


def require_close(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    for what, expected in theirs.items():
        assert expected.numel() < 2 or expected.std() > 1e-3, f"{what} is the same everywhere"
        torch.testing.assert_close(ours[what], expected, atol=1e-4, rtol=1e-4, msg=what)


@pytest.mark.parametrize("name", ["Sam3Model", "Sam3LiteTextModel"])
def test_detectors_answer_as_transformers_does(name: str, saved: Mapping[str, Path]) -> None:
    asked = questions(SMALL_INPUT, vocabulary=96, tokens=16)
    network = network_of(name, saved[name])
    require_close(our_detections(network, asked), detections(model(name), asked))
    same_tensors(network.stages()["geometry"].encoder, model(name).geometry_encoder)


def test_the_video_models_detector_answers_as_transformers_does(
    saved: Mapping[str, Path],
) -> None:
    asked = questions(SMALL_INPUT, vocabulary=96, tokens=16)
    ours = our_detections(network_of("Sam3VideoModel", saved["Sam3VideoModel"]), asked)
    require_close(ours, detections(model("Sam3VideoModel").detector_model, asked))


def test_clicks_answer_as_transformers_does(saved: Mapping[str, Path]) -> None:
    pixels = questions(SMALL_INPUT, 96, 16)["pixel_values"]
    ours = our_clicked(network_of("Sam3TrackerModel", saved["Sam3TrackerModel"]), pixels)
    require_close(ours, clicked(model("Sam3TrackerModel"), pixels))


@pytest.mark.parametrize("name", ["Sam3VideoModel", "Sam3TrackerVideoModel"])
def test_the_memory_is_transformers_own(name: str, saved: Mapping[str, Path]) -> None:
    """Our stages hold transformers' layers, so their tensors must be the same under their names."""
    theirs = getattr(model(name), "tracker_model", model(name))
    ours = network_of(name, saved[name]).stages()
    same_tensors(ours["memory_encoder"].encoder, theirs.memory_encoder)
    same_tensors(ours["memory_attention"].layers, theirs.memory_attention.layers)
    same_tensors(ours["object_pointer"].projection, theirs.object_pointer_proj)
    same_tensors(ours["mask_prompt"].mask_downsample, theirs.mask_downsample)
    for stage, ours_is, theirs_is in (
        ("memory_encoder", "no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
        ("memory_attention", "maskmem_tpos_enc", "memory_temporal_positional_encoding"),
        ("object_pointer", "no_obj_ptr", "no_object_pointer"),
        ("tracker_neck", "no_mem_embed", "no_memory_embedding"),
    ):
        assert torch.equal(getattr(ours[stage], ours_is), getattr(theirs, theirs_is)), ours_is


def same_tensors(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("name", SMALL)
def test_every_tensor_of_the_original_comes_from_one_of_the_file(
    name: str, saved: Mapping[str, Path]
) -> None:
    """Written in the original's names and read again, all is the same."""
    checkpoint = in_original_names(open_checkpoint(saved[name]))
    assert f"({name})" in checkpoint.form
    network = network_of(name, saved[name])
    for original, tensor in original_tensors(network):
        assert torch.equal(checkpoint.tensor(original), tensor), original
    sizes = sum(checkpoint.size(each) for each in checkpoint.shapes)
    in_file = sum(tensor.numel() for tensor in model(name).state_dict().values())
    twice = sum(t.numel() for n, t in model(name).state_dict().items() if "shared_image_emb" in n)
    class_row = 128
    assert sizes == in_file - twice + class_row


@pytest.mark.usefixtures("only_small")
def test_shards_are_read_by_their_index_and_by_their_folder(
    saved: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model("Sam3VideoModel").save_pretrained(tmp_path, max_shard_size="600KB")
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2
    whole = in_original_names(open_checkpoint(saved["Sam3VideoModel"]))
    hashes = set()
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        checkpoint = in_original_names(open_known(path))
        assert checkpoint.shapes == whole.shapes
        assert all(torch.equal(checkpoint.tensor(n), whole.tensor(n)) for n in whole.shapes)
        assert checkpoint.file_bytes == sum(each.stat().st_size for each in shards)
        hashes.add(checkpoint.sha256())
    assert len(hashes) == 1
    assert main(["inspect", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert f"(Sam3VideoModel); in {len(shards)} files" in document["form"]
    assert main(["inspect", str(shards[1])]) == 2
    assert f"name the index, {tmp_path / 'model.safetensors.index.json'}" in capsys.readouterr().err

    shards[0].rename(tmp_path / "away")
    assert main(["inspect", str(tmp_path)]) == 2
    assert f"1 of its files are not in {tmp_path}: {shards[0].name}" in capsys.readouterr().err


def test_a_prefix_before_transformers_names_is_taken_off(
    saved: Mapping[str, Path], tmp_path: Path
) -> None:
    name, path = "Sam3Model", tmp_path / "last.ckpt"
    tensors = safetensors.torch.load_file(saved[name] / "model.safetensors")
    torch.save({"state_dict": {f"net.sam.{n}": t for n, t in tensors.items()}}, path)
    found = without_prefix(open_checkpoint(path), [FAMILY])
    whole = in_original_names(open_checkpoint(saved[name]))
    assert (found.prefix, found.form, found.shapes) == ("net.sam.", whole.form, whole.shapes)
    assert all(torch.equal(found.tensor(each), whole.tensor(each)) for each in whole.shapes)


def test_names_as_on_the_hub_have_the_trackers_prefix_once(
    saved: Mapping[str, Path], tmp_path: Path
) -> None:
    """save_pretrained writes it twice; the published file of facebook/sam3 has it once."""
    tensors = model("Sam3VideoModel").state_dict()
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    safetensors.torch.save_file(tensors, tmp_path / "model.safetensors")
    found = in_original_names(open_checkpoint(tmp_path))
    whole = in_original_names(open_checkpoint(saved["Sam3VideoModel"]))
    assert found.shapes == whole.shapes
    assert all(torch.equal(found.tensor(each), whole.tensor(each)) for each in whole.shapes)


TWICE = "tracker_model.tracker_model."


def damaged(folder: Path, path: Path, drop: str = "", add: str = "", change: str = "") -> Path:
    """Write a model again: without a tensor, with one more, or with another number."""
    tensors = safetensors.torch.load_file(path / "model.safetensors")
    tensors = {name.replace(TWICE, TWICE[:14]): tensor for name, tensor in tensors.items()}
    tensors.pop(drop, None)
    if add:
        tensors[add] = torch.ones(2)
    if change:
        tensors[change] = tensors[change] + 1
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    return folder / "model.safetensors"


LAYER = "detector_model.detr_encoder.layers.0.self_attn."


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ({"drop": LAYER + "k_proj.weight"}, ["self_attn.in_proj_weight", LAYER + "q_proj.weight"]),
        ({"drop": "tracker_model.no_object_pointer"}, ["1 missing", "tracker.no_obj_ptr"]),
        ({"add": "detector_model.extra.weight"}, ["1 unexpected", "detector_model.extra.weight"]),
        (
            {"change": "tracker_model.shared_image_embedding.positional_embedding"},
            ["hold different numbers", "prompt_encoder.shared_embedding"],
        ),
    ],
)
def test_what_is_missing_or_more_is_named(
    harm: dict[str, str], said: list[str], saved: Mapping[str, Path], tmp_path: Path
) -> None:
    path = damaged(tmp_path, saved["Sam3VideoModel"], **harm)
    with pytest.raises(CheckpointError) as caught:
        network_of("Sam3VideoModel", path)
    assert all(each in str(caught.value) for each in said), str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_attention_heads": 4}, "4 attention heads for 128 channels in backbone_config"),
        ({"global_attn_indexes": [7]}, "blocks [7] attend over the whole picture, [1, 3, 5, 7]"),
        ({"patch_size": 16}, "patches of 16 px"),
    ],
)
def test_a_configuration_that_no_tensor_shows_is_refused(
    change: dict[str, object], said: str, saved: Mapping[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").symlink_to(saved["Sam3Model"] / "model.safetensors")
    config = json.loads((saved["Sam3Model"] / "config.json").read_text())
    config["vision_config"]["backbone_config"] |= change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as caught:
        in_original_names(open_checkpoint(tmp_path))
    assert said in str(caught.value)


@pytest.mark.usefixtures("only_small")
@pytest.mark.parametrize("name", ["Sam3Model", "Sam3TrackerModel"])
def test_a_part_that_is_not_there_has_to_be_left_out_by_name(
    name: str, saved: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError, match=f"--parts {PARTS[name][0]} exports that"):
        from_checkpoint(FAMILY, saved[name], SMALL_INPUT)
    assert main(["inspect", str(saved[name])]) == 0
    printed = capsys.readouterr().out
    assert f"as transformers names it ({name})" in printed
    assert f"it has tensors for {PARTS[name][0]} alone" in printed


def test_shards_of_a_tracker_are_not_taken_for_another_models_part(tmp_path: Path) -> None:
    model("Sam3TrackerModel").save_pretrained(tmp_path, max_shard_size="600KB")
    checkpoint = in_original_names(open_known(tmp_path))
    assert "(Sam3TrackerModel)" in checkpoint.form
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(CheckpointError, match="of its files are not in"):
        open_known(tmp_path)


@pytest.mark.usefixtures("only_small")
def test_slim_writes_the_originals_names(saved: Mapping[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "slim.safetensors"
    command = ["slim", str(saved["Sam3Model"]), "--out", str(out)]
    assert main(command) == 0
    slimmed = open_checkpoint(out)
    assert all(name.startswith("detector.") for name in slimmed.shapes)
    expected = dict(original_tensors(network_of("Sam3Model", saved["Sam3Model"])))
    found = dict(original_tensors(network_of("Sam3Model", out)))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
