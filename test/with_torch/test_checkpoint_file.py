"""Checkpoint files: what is read, and the messages of what is refused."""

from __future__ import annotations

import argparse
import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.file import open_checkpoint


def tensors() -> dict[str, Tensor]:
    return {
        "image.weight": torch.arange(6.0).reshape(2, 3),
        "image.count": torch.tensor(7),
        "text.bias": torch.ones(3, dtype=torch.bfloat16),
    }


def saved(folder: Path, document: Any, name: str = "model.pth") -> Path:
    path = folder / name
    torch.save(document, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        lambda model: {"model": model},
        lambda model: {"state_dict": model},
        lambda model: {"model_state_dict": model},
        lambda model: {"model": {"state_dict": model}},
        lambda model: {"model": {f"module.{name}": t for name, t in model.items()}},
        lambda model: {f"module._orig_mod.{name}": t for name, t in model.items()},
        lambda model: {"model": {name: nn.Parameter(t, False) for name, t in model.items()}},
    ],
)
def test_the_model_is_found_wherever_training_scripts_put_it(wrap: Any, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(saved(tmp_path, wrap(tensors())))

    assert checkpoint.shapes == {"image.weight": (2, 3), "image.count": (), "text.bias": (3,)}
    assert checkpoint.dtypes["text.bias"] == torch.bfloat16
    for name, tensor in tensors().items():
        torch.testing.assert_close(checkpoint.tensor(name), tensor, rtol=0, atol=0)


def test_safetensors_are_known_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    safetensors.torch.save_file({f"module.{n}": t for n, t in tensors().items()}, path)
    checkpoint = open_checkpoint(path)

    assert checkpoint.shapes == {n: tuple(t.shape) for n, t in tensors().items()}
    assert checkpoint.dtypes["image.count"] == torch.int64
    for name, tensor in tensors().items():
        torch.testing.assert_close(checkpoint.tensor(name), tensor, rtol=0, atol=0)
    assert checkpoint.leftovers == ()


def test_leftovers_beside_the_model_are_listed_with_their_bytes(tmp_path: Path) -> None:
    moments = {"state": {0: {"exp_avg": torch.zeros(100), "step": 3}}, "param_groups": [{"lr": 1}]}
    document = {"model": tensors(), "optimizer": moments, "epoch": 4, "args": {"lr": 0.1}}
    checkpoint = open_checkpoint(saved(tmp_path, document))

    found = {left.name: left.bytes for left in checkpoint.leftovers}
    assert found == {"optimizer": 400, "epoch": 0, "args": 0}


def test_plain_values_beside_the_model_are_its_notes(tmp_path: Path) -> None:
    meta = {"text_context_length": 16, "student": {"name": "s0"}, "flags": [1, 2]}
    document = {"model": tensors(), "epoch": 3, "meta": meta, "optimizer": {"0": tensors()}}

    assert open_checkpoint(saved(tmp_path, document, "some_ctx16.pt")).notes == {
        "epoch": 3,
        "meta.text_context_length": 16,
        "meta.student.name": "s0",
        "file": "some_ctx16.pt",
    }


def test_student_wrappers_are_removed_from_names(tmp_path: Path) -> None:
    path = saved(tmp_path, {"model": {"trunk.student_trunk.model.weight": torch.ones(2)}})

    assert list(open_checkpoint(path).shapes) == ["trunk.model.weight"]


def test_sizes_bytes_and_sha256(tmp_path: Path) -> None:
    path = saved(tmp_path, tensors())
    checkpoint = open_checkpoint(path)

    assert (checkpoint.size("image.weight"), checkpoint.bytes("image.weight")) == (6, 24)
    assert (checkpoint.size("image.count"), checkpoint.bytes("text.bias")) == (1, 6)
    assert checkpoint.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_slices_of_one_buffer_are_read(tmp_path: Path) -> None:
    flat = torch.arange(6.0)
    checkpoint = open_checkpoint(saved(tmp_path, {"a": flat[:2], "b": flat[2:].reshape(2, 2)}))

    assert checkpoint.tensor("b").tolist() == [[2, 3], [4, 5]]


class Deletes:
    def __reduce__(self) -> Any:
        return os.remove, ("important",)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "important").touch()
    message = refusal(saved(tmp_path, {"model": tensors(), "hook": Deletes()}))

    assert "more than tensors and plain values: posix.remove" in message
    assert "runs code" in message
    assert (tmp_path / "important").exists()


def test_python_objects_of_a_training_script_are_named(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, {"model": tensors(), "args": argparse.Namespace(lr=1)}))

    assert "argparse.Namespace" in message
    assert "weights_only=False" in message, "says how to save it again"


def test_a_bare_pickle_is_refused(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))

    assert "is a Python pickle, which may run code" in refusal(path)


def test_the_format_before_1_6_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(tensors(), path, _use_new_zipfile_serialization=False)

    assert "format of PyTorch before 1.6" in refusal(path)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    path = saved(tmp_path, {"model": {"weight": torch.randn(1000)}})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    assert "is cut short" in refusal(path)


def test_truncated_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"weight": torch.randn(1000)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert f"it has {len(whole) - 100:,} of {len(whole):,} bytes" in refusal(path)

    path.write_bytes(whole[:40])
    assert "cut short within its header" in refusal(path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}q\x00X\x01")
        archive.writestr("model/version", "3")

    assert "the file is damaged" in refusal(path)


def test_torchscript_other_archives_and_repacked_ones_are_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.pt"
    with zipfile.ZipFile(script, "w") as archive:  # as torch.jit.save lays it out
        archive.writestr("script/data.pkl", b"")
        archive.writestr("script/code/__torch__/torch/nn/modules/linear.py", "")
    assert "TorchScript program" in refusal(script)

    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not a PyTorch file" in refusal(other)

    packed = tmp_path / "packed.pth"
    with (
        zipfile.ZipFile(saved(tmp_path, tensors())) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert "is a compressed archive" in refusal(packed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>sign in</html>", "a web page"),
        (b"\x08\x07\x12\x07pytorch" * 10, "neither a PyTorch nor a safetensors file"),
    ],
)
def test_anything_else_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)

    assert reason in refusal(path)


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nothing.pth")
    assert "is a folder" in refusal(tmp_path)


SHARED = torch.ones(4)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([torch.ones(1)], "holds a list"),
        ({"epoch": 3, "note": "x"}, "found no tensors"),
        ({"model": {}}, "found no tensors"),
        ({"model": tensors(), "state_dict": tensors()}, "several models (model, state_dict)"),
        ({"model": {**tensors(), "epoch": 3}}, "not (dense) tensors: epoch (int)"),
        ({"model": {"a": {"b": torch.ones(1)}, "c": torch.ones(1)}}, "a (dict)"),
        ({"model": {"a": torch.ones(2).to_sparse(), "b": torch.ones(1)}}, "a (Tensor)"),
        ({"module.a": torch.ones(1), "a": torch.zeros(1)}, "two tensors are called a once"),
        ({"a": torch.ones(1, device="meta")}, "1 tensors have a shape and no numbers"),
        ({"one": SHARED, "two": SHARED}, "one and two share the same numbers"),
        ({"one": SHARED[:3], "two": SHARED[2:]}, "one and two share the same numbers"),
    ],
)
def test_documents_without_one_plain_model_are_refused(
    document: Any, reason: str, tmp_path: Path
) -> None:
    assert reason in refusal(saved(tmp_path, document))


def safetensors_file(path: Path, header: str) -> Path:
    text = header.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    return path


def test_malformed_safetensors_headers_are_refused(tmp_path: Path) -> None:
    entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    path = tmp_path / "model.safetensors"

    assert "two tensors are called a;" in refusal(
        safetensors_file(path, f'{{"a":{entry},"a":{entry}}}')
    )
    assert "header is damaged" in refusal(safetensors_file(path, '{"a":3}'))
    assert "header is damaged" in refusal(safetensors_file(path, '{"a":{"dtype"'))
    for end in ("null", "Infinity"):
        no_end = entry.replace("4]", f"{end}]")
        assert "header is damaged" in refusal(safetensors_file(path, f'{{"a":{no_end}}}'))
    text = entry.replace("4]", '"4"]')
    assert "is damaged" in refusal(safetensors_file(path, f'{{"a":{text}}}'))
    safetensors.torch.save_file({}, path)
    assert "holds no tensors" in refusal(path)
    odd = entry.replace("F32", "F8_E4M3").replace("[1]", "[4]")
    assert "type F8_E4M3" in refusal(safetensors_file(path, f'{{"a":{odd}}}'))
