"""Checkpoints of other models and other formats: each is named for what it is, with what to do."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers
from small_model import FAMILY, small_tensors
from torch import Tensor

from sam3_ros.cli.main import main
from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.families.foreign import named_by_tensors
from sam3_ros.export.weights.filled_network import from_checkpoint
from sam3_ros.export.weights.recognition import without_prefix

OTHERS = "none of the models that can be exported"
WHOLE = "give the whole checkpoint"


@cache
def names_in_transformers(model: str) -> tuple[str, ...]:
    """Return the tensors' names of a model as transformers saves it."""
    kind = getattr(transformers, model)
    with torch.device("meta"):
        return tuple(kind(kind.config_class()).state_dict())


@cache
def original_shapes(family: str) -> Mapping[str, tuple[int, ...]]:
    """Return the tensors of a family's first variant that take no packing."""
    known = FAMILIES[family]
    architecture = known.architecture(known.variants[0])
    with torch.device("meta"):
        network = known.build(architecture, known.default_input_size(architecture))
    own = network.state_dict()
    return {
        original: tuple(own[binding.targets[0]].shape)
        for binding in network.bindings()
        for original in binding.originals
    }


def of_decoder(prefixes: tuple[str, ...]) -> list[str]:
    return [name for name in original_shapes("mobilesam") if name.startswith(prefixes)]


def sam1(width: int, depth: int) -> dict[str, tuple[int, ...]]:
    """Return the tensors of segment-anything's files."""
    encoder = "image_encoder."
    blocks = [
        f"{encoder}blocks.{index}.{part}"
        for index in range(depth)
        for part in ("norm1.weight", "attn.qkv.weight", "attn.rel_pos_h", "mlp.lin1.weight")
    ]
    names = [encoder + "pos_embed", *blocks, encoder + "neck.0.weight"]
    names += of_decoder(("prompt_encoder.", "mask_decoder."))
    return {**dict.fromkeys(names, (1,)), f"{encoder}patch_embed.proj.weight": (width, 3, 1, 1)}


TRACKER = "tracker.model."


def sam31() -> dict[str, tuple[int, ...]]:
    """Return the tensors of SAM 3.1's files: a third neck, a second decoder for clicks."""
    found = {}
    for name, shape in original_shapes("sam3").items():
        found[name.replace("sam2_convs.", "propagation_convs.").replace("tracker.", TRACKER)] = (
            shape
        )
        if name.startswith("tracker.sam_mask_decoder."):
            found[name.replace("tracker.", f"{TRACKER}interactive_")] = shape
    return found


def sam2(width: int, depth: int, newer: bool) -> dict[str, tuple[int, ...]]:
    """Return the tensors of SAM 2's files; its tracker's names are those of SAM 3's."""
    trunk = "image_encoder.trunk."
    names = [
        f"{trunk}pos_embed",
        f"{trunk}pos_embed_window",
        "image_encoder.neck.convs.0.conv.weight",
    ]
    names += [f"{trunk}blocks.{index}.attn.qkv.weight" for index in range(depth)]
    tracker = [n.removeprefix("tracker.") for n in original_shapes("sam3") if n[:8] == "tracker."]
    names += [
        n.replace("maskmem_backbone.", "memory_encoder.").replace(
            "transformer.", "memory_attention."
        )
        for n in tracker
        if newer or not n.startswith(("obj_ptr_tpos_proj", "no_obj_embed_spatial"))
    ]
    return {**dict.fromkeys(names, (1,)), f"{trunk}patch_embed.proj.weight": (width, 3, 1, 1)}


def sam3_without(prefix: str, start: str = "") -> list[str]:
    return [
        name.removeprefix(start) for name in original_shapes("sam3") if not name.startswith(prefix)
    ]


def ones(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names, (1,))


OTHER_MODELS: Mapping[str, tuple[Callable[[], Mapping[str, tuple[int, ...]]], str, str]] = {
    **{
        model: (lambda model=model: ones(names_in_transformers(model)), f"({model})", advice)
        for model, advice in {
            "SamHQModel": OTHERS,
            "Sam2Model": OTHERS,
            "Sam2VideoModel": OTHERS,
            "EdgeTamVideoModel": OTHERS,
        }.items()
    },
    **{
        model: (lambda model=model: ones(names_in_transformers(model)), title, OTHERS)
        for model, title in {
            "Sam2VisionModel": "SAM 2's image encoder",
            "OwlViTForObjectDetection": "OWL-ViT",
            "CLIPSegForImageSegmentation": "CLIPSeg",
            "Dinov2Model": "DINOv2",
            "YolosForObjectDetection": "YOLOS",
        }.items()
    },
    "Sam3VisionModel": (
        lambda: ones(names_in_transformers("Sam3VisionModel")),
        "SAM 3's image encoder",
        WHOLE,
    ),
    "CLIP": (lambda: ones(names_in_transformers("CLIPModel")), "CLIP or a model", OTHERS),
    "SamVisionModel": (
        lambda: ones(names_in_transformers("SamVisionModel")),
        "SAM's image encoder",
        WHOLE,
    ),
    "timm's SAM": (
        lambda: ones(["patch_embed.proj.weight", "blocks.0.attn.rel_pos_h", "neck.0.weight"]),
        "SAM's image encoder alone, as timm names it",
        WHOLE,
    ),
    "TinyViT": (
        lambda: ones(["patch_embed.conv1.conv.weight", "stages.0.blocks.0.conv1.bn.bias"]),
        "TinyViT alone",
        WHOLE,
    ),
    "decoder": (
        lambda: ones(of_decoder(("prompt_encoder.", "mask_decoder."))),
        "without an image encoder",
        WHOLE,
    ),
    "SAM 3.1": (sam31, "SAM 3.1", "take SAM 3 (`sam3.pt`)"),
    "EdgeSAM": (
        lambda: ones(["image_encoder.features.0.0.c.weight", "mask_decoder.iou_token.weight"]),
        "EdgeSAM or RepViT-SAM",
        OTHERS,
    ),
    "language": (
        lambda: ones(["model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "lm_head"]),
        "a language model",
        OTHERS,
    ),
    "HQ-SAM": (
        lambda: {**sam1(768, 12), "mask_decoder.hf_token.weight": (1, 256)},
        "HQ-SAM",
        OTHERS,
    ),
    "HQ-SAM of MobileSAM": (
        lambda: {**original_shapes("mobilesam"), "mask_decoder.hf_token.weight": (1, 256)},
        "HQ-SAM",
        OTHERS,
    ),
    "SAM 2 tiny": (lambda: sam2(96, 12, newer=False), "SAM 2 (tiny or small)", OTHERS),
    "SAM 2.1 large": (lambda: sam2(144, 48, newer=True), "SAM 2.1 (large)", OTHERS),
    "SAM 2.1 base": (lambda: sam2(112, 24, newer=True), "SAM 2.1 (base plus)", OTHERS),
    "tracker": (lambda: ones(sam3_without("detector.")), "SAM 3's tracker alone", WHOLE),
    "tracker's names": (
        lambda: ones(sam3_without("detector.", "tracker.")),
        "SAM 3's tracker alone",
        WHOLE,
    ),
    "lora": (
        lambda: ones(
            [f"base_model.model.layers.{i}.lora_{ab}.weight" for i in (0, 1) for ab in "AB"]
        ),
        "a LoRA adapter",
        "merge it",
    ),
    "tensorflow": (
        lambda: ones(["encoder/layer_0/kernel:0", "encoder/layer_0/bias:0"]),
        "names of TensorFlow or Flax",
        "file for PyTorch",
    ),
    "yolo": (
        lambda: ones([f"model.{i}.conv.weight" for i in range(4)]),
        "YOLO or FastSAM",
        OTHERS,
    ),
}


def written(path: Path, shapes: Mapping[str, tuple[int, ...]], wrap: Callable[[Any], Any]) -> Path:
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(wrap(tensors), path)
    return path


@pytest.mark.parametrize("prefix", ["", "model.", "module.sam."])
@pytest.mark.parametrize("which", OTHER_MODELS)
def test_other_models_are_known_by_their_names(which: str, prefix: str) -> None:
    shapes, title, advice = OTHER_MODELS[which]
    found = named_by_tensors({prefix + name: shape for name, shape in shapes().items()})

    assert found is not None
    assert title in found
    assert advice in found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_models_that_can_be_exported_are_not_taken_for_others(family: str) -> None:
    found = named_by_tensors(original_shapes(family))
    assert found is None, found


@pytest.mark.parametrize(
    ("which", "name", "wrap"),
    [
        ("Sam3VisionModel", "model.safetensors", dict),
        ("SamHQModel", "pytorch_model.bin", dict),
        ("SAM 3.1", "sam3.1_multiplex.pt", dict),
        ("HQ-SAM of MobileSAM", "sam_hq_vit_tiny.pth", dict),
        ("SAM 2.1 large", "sam2.1_hiera_large.pt", lambda tensors: {"model": tensors}),
        ("Sam2Model", "last.ckpt", lambda tensors: {"state_dict": tensors, "epoch": 3}),
    ],
)
def test_the_commands_name_another_model_and_end_with_two(
    which: str,
    name: str,
    wrap: Callable[[Any], Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shapes, title, advice = OTHER_MODELS[which]
    path = written(tmp_path / name, shapes(), wrap)
    out = str(tmp_path / "out")

    assert main(["inspect", str(path)]) == 2
    printed = capsys.readouterr()
    assert title in printed.err
    assert advice in printed.err
    assert "total" in printed.out, "what is in it is shown all the same"
    assert "no tensor has such a name" not in printed.out + printed.err

    assert main(["inspect", str(path), "--json"]) == 2
    assert title in json.loads(capsys.readouterr().out)["is"]
    for family in ("efficientsam3", "mobilesam"):
        assert main(["export", family, "--checkpoint", str(path), "--out", out]) == 2
        assert title in capsys.readouterr().err
    assert main(["slim", str(path), "--out", f"{out}.safetensors"]) == 2
    assert title in capsys.readouterr().err


@pytest.fixture
def small_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the small family alone: to try the real ones takes seconds."""
    for name in list(FAMILIES):
        monkeypatch.delitem(FAMILIES, name)
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in small_tensors().items()}


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


@pytest.mark.usefixtures("small_known")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda: prefixed("model."),
        lambda: prefixed("sam."),
        lambda: prefixed("module.model."),
        lambda: prefixed("_orig_mod.net."),
        lambda: prefixed("model._orig_mod."),
        lambda: {"state_dict": prefixed("model.sam3."), "epoch": 3, "global_step": 7},
        lambda: {  # as Lightning writes it
            "pytorch-lightning_version": "2.4.0",
            "state_dict": {**prefixed("model."), "criterion.weight": torch.ones(3)},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(4)}}}],
            "loops": {},
            "callbacks": {},
        },
        lambda: {"state_dict": {**prefixed("model."), **prefixed("ema_model.")}},
        lambda: {"ema": prefixed(""), "epoch": 3},
        lambda: {"ema": {"decay": 0.999, "module": prefixed("")}, "optimizer": {}},
        lambda: {"module": prefixed(""), "ds_version": "0.15"},
        lambda: {"model": None, "model_ema": prefixed("module.")},
        lambda: {"net": prefixed("model."), "optim": {"state": {}}},
        lambda: prefixed("model_ema."),
        lambda: prefixed("ema.module."),
        lambda: {**prefixed("student."), **copied(prefixed("teacher."))},
        lambda: {"student": prefixed(""), "teacher": copied(prefixed("")), "epoch": 1},
        lambda: {"sam_model": prefixed(""), "optimizer": {"state": {}}, "epoch": 1},
        lambda: {**prefixed("net."), "dice_loss.weight": torch.ones(2), "mean": torch.ones(3)},
    ],
)
def test_prefixes_and_wrappers_are_taken_off_where_the_rest_fits(
    wrap: Callable[[], Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "epoch=3.ckpt"
    torch.save(wrap(), path)

    assert main(["inspect", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["family"] == "small"
    assert document["tensors"] == len(small_tensors())
    network = from_checkpoint(FAMILY, path, None).network
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.save(small_tensors(), tmp_path / "plain.pth")
    expected = from_checkpoint(FAMILY, tmp_path / "plain.pth", None).network.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.usefixtures("small_known")
def test_a_prefix_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pth"
    torch.save({"state_dict": {**prefixed("model."), "loss.scale": torch.ones(2)}}, path)

    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "every name begins with model., which is taken off" in printed
    assert "loss" in printed.split("beside the model")[1], "what stands beside the model is listed"


@pytest.mark.usefixtures("small_known")
def test_two_models_side_by_side_are_refused(tmp_path: Path) -> None:
    torch.save({**prefixed("a."), **copied(prefixed("b."))}, tmp_path / "two.pth")
    with pytest.raises(CheckpointError, match=r"several models \(a, b\)"):
        without_prefix(open_checkpoint(tmp_path / "two.pth"), [FAMILY])


@pytest.mark.usefixtures("small_known")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors, name: tensors.pop(name), "1 missing"),
        (lambda tensors, name: tensors.update({name: torch.ones(7, 3)}), "1 mis-shaped"),
        (lambda tensors, name: tensors.update({name + "2": torch.ones(1)}), "1 unexpected"),
        (lambda tensors, name: tensors.update({name: tensors[name].char()}), "of another type"),
    ],
)
def test_inspect_ends_with_two_where_an_export_would_not_load_the_tensors(
    change: Callable[[dict[str, Tensor], str], Any],
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tensors, path = small_tensors(), tmp_path / "model.pth"
    change(tensors, next(name for name in tensors if name.endswith(".bias")))
    torch.save(tensors, path)

    assert main(["inspect", str(path)]) == 2
    assert reason in capsys.readouterr().err
    assert main(["inspect", str(path), "--json"]) == 2
    assert reason in json.loads(capsys.readouterr().out)["unfit"]
    with pytest.raises(CheckpointError, match=reason):
        from_checkpoint(FAMILY, path, None)


@pytest.mark.usefixtures("small_known")
def test_parts_under_their_own_keys_are_one_model(tmp_path: Path) -> None:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in small_tensors().items():
        first, _, rest = name.partition(".")
        parts.setdefault(first, {})[rest] = tensor
    torch.save({**parts, "epoch": 3}, tmp_path / "parts.pth")
    found = open_checkpoint(tmp_path / "parts.pth")
    assert found.shapes == {n: tuple(t.shape) for n, t in small_tensors().items()}


@pytest.mark.usefixtures("small_known")
def test_a_prefix_stays_where_the_rest_fits_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pth"
    torch.save({f"model.{name}": torch.ones(1) for name in ("a.weight", "b.weight")}, path)

    assert main(["inspect", str(path), "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["prefix"] == ""
    assert "fits no known family" in printed.err


@pytest.mark.parametrize("family", ["mobilesam", "efficientvit-sam"])
@pytest.mark.parametrize("prefix", ["model.", "net.sam."])
def test_real_models_are_found_behind_a_prefix(family: str, prefix: str) -> None:
    shapes = original_shapes(family)
    named = {prefix + name: shape for name, shape in shapes.items()}
    raw = Checkpoint(
        Path("x.pth"), named, dict.fromkeys(named, torch.float32), (), {}, lambda name: named[name]
    )
    found = without_prefix(raw, FAMILIES.values())
    assert found.prefix == prefix
    assert found.shapes == shapes
    assert found.read(next(iter(shapes))) == next(iter(shapes.values()))


@pytest.mark.parametrize(
    "name", ["model-00002-of-00003.safetensors", "pytorch_model-00002-of-00003.bin"]
)
@pytest.mark.parametrize("which", ["SamHQModel", "unknown"])
def test_one_shard_is_named_as_a_part(
    name: str, which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = ones(["a.weight"]) if which == "unknown" else OTHER_MODELS[which][0]()
    part = written(tmp_path / name, dict(list(shapes.items())[::3]), dict)

    assert main(["inspect", str(part)]) == 2
    error = capsys.readouterr().err
    assert "part 2 of 3 of a checkpoint" in error
    assert ("2 of its files are not in" if which == "unknown" else OTHERS) in error
    assert main(["export", "sam3", "--checkpoint", str(part), "--out", str(tmp_path / "o")]) == 2
    assert "part 2 of 3 of a checkpoint" in capsys.readouterr().err


def sharded(folder: Path, names: Iterable[str], ending: str, count: int = 3) -> list[Path]:
    """Write shards and their index as transformers does; return the index and the shards."""
    tensors = {name: torch.ones(1) for name in names}
    files = {n: f"model-{n + 1:05}-of-{count:05}{ending}" for n in range(count)}
    places = {name: files[i * count // len(tensors)] for i, name in enumerate(tensors)}
    for file in files.values():
        part = {name: tensors[name] for name in tensors if places[name] == file}
        (safetensors.torch.save_file if ending == ".safetensors" else torch.save)(
            part, folder / file
        )
    index = folder / f"model{ending}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return [index, *(folder / file for file in files.values())]


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
@pytest.mark.parametrize("model", ["SamHQModel", "Sam2Model"])
def test_index_shards_and_folder_name_the_whole_model(
    model: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (*sharded(tmp_path, names_in_transformers(model), ending), tmp_path):
        assert main(["inspect", str(path)]) == 2
        assert f"({model})" in capsys.readouterr().err
        out = str(tmp_path / "out")
        assert main(["export", "sam3", "--checkpoint", str(path), "--out", out]) == 2
        assert f"({model})" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
def test_what_is_said_to_make_one_file_of_shards_does(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, *shards = sharded(tmp_path, [f"name.{i}" for i in range(9)], ending)
    read = [open_checkpoint(path).shapes for path in (index, tmp_path)]
    index.unlink()
    monkeypatch.chdir(tmp_path)
    code = refused(tmp_path).partition("make one file of all 3: ")[2]
    exec(code, {})
    made = open_checkpoint(tmp_path / ("model.safetensors" if ending != ".bin" else "model.pth"))
    assert read == [made.shapes] * 2
    assert len(made.shapes) == 9

    shards[0].unlink()
    assert f"1 of its files are not in {tmp_path}: {shards[0].name}; fetch" in refused(tmp_path)


def places(**changed: str) -> dict[str, str]:
    return {"name.0": "model-00001-of-00002.safetensors", "name.1": SECOND, **changed}


SECOND = "model-00002-of-00002.safetensors"


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (places(name_2=SECOND), "1 tensors are not in the file that the index says: name_2"),
        ({"name.0": SECOND, "name.1": SECOND}, "1 tensors are not in the file that the index"),
        ({"name.0": "model-00001-of-00002.safetensors"}, ""),
        (places(**{"name.1": "../up.safetensors"}), "lists files outside of its folder"),
        (places(**{"name.1": "model.safetensors.index.json"}), "lists no files"),
        ({}, "lists no files"),
    ],
)
def test_an_index_that_does_not_fit_its_files_is_refused(
    listed: dict[str, str], said: str, tmp_path: Path
) -> None:
    index, *_ = sharded(tmp_path, ["name.0", "name.1"], ".safetensors", count=2)
    index.write_text(json.dumps({"weight_map": listed}))
    if said:
        assert said in refused(index)
    else:  # one of the two files alone is a whole checkpoint by its index
        assert list(open_checkpoint(index).shapes) == ["name.0"]


@pytest.mark.usefixtures("small_known")
def test_a_shard_with_nearly_all_tensors_is_named_as_a_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors, path = small_tensors(), tmp_path / "model-00001-of-00002.safetensors"
    tensors.popitem()
    safetensors.torch.save_file(tensors, path)
    assert main(["inspect", str(path)]) == 2
    error = capsys.readouterr().err
    assert "1 missing" in error
    assert "part 1 of 2" in error


@pytest.mark.usefixtures("small_known")
def test_a_file_that_is_one_of_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model-00001-of-00001.safetensors"
    safetensors.torch.save_file(small_tensors(), path)
    assert main(["inspect", str(path)]) == 0


WEIGHT_MAP = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.4.0\x3a" + varint(300) + bytes(300)
FLAX = b"\x82\xa6params\x81\xa7encoder\x80\xa4step\x01"


@pytest.mark.parametrize(
    ("name", "content", "reason", "advice"),
    [
        ("model.onnx", ONNX, "is an ONNX graph", "that it was made from"),
        ("renamed.pt", ONNX, "is an ONNX graph", "that it was made from"),
        ("model.gguf", b"GGUF\x03\0\0\0", "is a GGUF file", "publish for PyTorch"),
        ("flax_model.msgpack", FLAX, "is a Flax checkpoint", "publish for PyTorch"),
        ("renamed.pth", FLAX, "is a Flax checkpoint", "publish for PyTorch"),
        ("tf_model.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), "is an HDF5 file, as Keras", "PyTorch"),
        ("m.ckpt.index", bytes(50) + bytes.fromhex("57fb808b247547db"), "TensorFlow", "PyTorch"),
        ("m.ckpt.data-00000-of-00001", bytes(99), "a part of a TensorFlow", "PyTorch"),
        ("checkpoint", b'model_checkpoint_path: "m"\n', "a TensorFlow checkpoint's", "PyTorch"),
        ("saved_model.pb", b"\x08\x01\x12\x10" + bytes(16), "a TensorFlow graph", "PyTorch"),
        ("m.tflite", struct.pack("<I", 28) + b"TFL3" + bytes(20), "TensorFlow Lite", "made from"),
        ("model.engine", b"ftrt" + bytes(40), "a TensorRT engine", "made from"),
        ("model.xml", b'<?xml version="1.0"?>\n<net name="x">', "an OpenVINO model", "made from"),
        (
            "model.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3439938512\n",
            "is a Git LFS pointer",
            "git lfs pull",
        ),
        ("sam3.pt", b"\xef\xbb\xbf\n<!doctype html><html>", "is a web page", "a login"),
        ("sam3.pt", b"<HTML><HEAD><TITLE>302", "is a web page", "a login"),
        ("sam3.pt", b"Entry not found", "what a server answered", "another address or a login"),
        ("sam3.pt", b"Access to model facebook/sam3 is restricted.", "server answered", "a login"),
        ("sam3.pt", b'{"error":"Repository not found"}', "Repository not found", "a login"),
        (
            "model.safetensors.index.json",
            json.dumps({"metadata": {}, "weight_map": WEIGHT_MAP}).encode(),
            "2 of its files are not in",
            "model-00001-of-00002.safetensors, model-00002-of-00002.safetensors; fetch them",
        ),
        (
            "pytorch_model.bin.index.json",
            json.dumps({"weight_map": {"a": "pytorch_model-00001-of-00002.bin"}}).encode(),
            "1 of its files are not in",
            "fetch them",
        ),
        ("config.json", b'{"model_type": "sam3"}', "a model's configuration", "with the weights"),
        ("other.json", b'{"a": [1, 2', "is JSON and not a checkpoint", "name a .pth"),
        ("model.pth.gz", b"\x1f\x8b\x08" + bytes(20), "compressed with gzip", "unpack it first"),
        ("model.tar", bytes(257) + b"ustar\x0000" + bytes(250), "a tar archive", "unpack it first"),
        ("model.npy", b"\x93NUMPY\x01\0" + bytes(20), "a NumPy array", "name a .pth"),
        ("zeros.pth", bytes(5000), "begins with zeros alone", "fetch it again"),
        ("text.pth", b"Too Many Requests\n", "is a text (Too Many Requests)", "name a .pth"),
        ("picture.pth", b"\x89PNG\r\n\x1a\n" + bytes(9), "is a picture", "name a .pth"),
        ("noise.pth", bytes(range(160, 250)), "neither a PyTorch nor a safetensors", "name a .pth"),
    ],
)
def test_files_of_other_formats_are_named_with_what_to_do(
    name: str,
    content: bytes,
    reason: str,
    advice: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    assert main(["inspect", str(path)]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert advice in error
    assert main(["export", "sam3", "--checkpoint", str(path), "--out", str(tmp_path / "o")]) == 2
    assert reason in capsys.readouterr().err


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    return str(caught.value)


def test_programs_are_named_as_such(tmp_path: Path) -> None:
    scripted = tmp_path / "scripted.pt"
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(str(scripted))
    assert "is a TorchScript program and not weights" in refused(scripted)

    exported = tmp_path / "program.pt2"
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(program, exported)
    assert "a program of torch.export" in refused(exported)

    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, a=np.ones(2))
    assert "is an archive of NumPy arrays" in refused(arrays)
    for name, kind in (("model.weights.h5", "a Keras model"), ("model.pt", "unpack it first")):
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr(name, b"1")
        assert kind in refused(tmp_path / "other.zip")
    with zipfile.ZipFile(tmp_path / "empty.pt", "w"):
        pass
    assert "empty.pt" in refused(tmp_path / "empty.pt")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict(),
            "the state of an optimiser alone; name the file with the model",
        ),
        ({"optimizer": {"state": {}}, "epoch": 4}, "without the model; name the file with the"),
        ({"lr_scheduler": {"last_epoch": 3}, "scaler": {}}, "without the model"),
    ],
)
def test_a_trainers_file_without_a_model_is_named(
    document: Any, reason: str, tmp_path: Path
) -> None:
    torch.save(document, tmp_path / "optimizer.pt")
    assert reason in refused(tmp_path / "optimizer.pt")


def test_a_whole_module_is_named(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    assert "a whole module, saved with torch.save(MODULE)" in refused(tmp_path / "module.pt")


def test_several_averages_are_refused(tmp_path: Path) -> None:
    torch.save({"ema": {"a": torch.ones(1)}, "net": {"a": torch.ones(1)}}, tmp_path / "x.pt")
    assert "several models (ema, net)" in refused(tmp_path / "x.pt")


def test_a_folder_names_its_files(tmp_path: Path) -> None:
    assert "is a folder; name a .pth" in refused(tmp_path)
    (tmp_path / "sam3.pt").touch()
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").touch()
    assert "name one of its files: model.safetensors, sam3.pt" in refused(tmp_path)
    (tmp_path / "sam3.pt").unlink()
    safetensors.torch.save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors")
    assert open_checkpoint(tmp_path).path == tmp_path / "model.safetensors"
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / ".metadata").touch()
    (tmp_path / "__0_0.distcp").touch()
    assert "dcp_to_torch_save" in refused(tmp_path)
