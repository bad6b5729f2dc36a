"""`sam3-ros inspect` and `sam3-ros slim`, and the functions that they use."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from small_model import FAMILY, SmallArchitecture, small_tensors
from torch import Tensor

from sam3_ros.cli.inspect import component_lines
from sam3_ros.cli.main import main
from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.checkpoint.safetensors_file import write_safetensors
from sam3_ros.export.commands.inspection import inspect, recognise
from sam3_ros.export.commands.slimming import slim
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.families.sam3 import COMPONENTS, SAM3_COMPONENTS
from sam3_ros.export.family import component_of
from sam3_ros.export.weights.loading import load_strictly

ONLY_SMALL = {FAMILY.name: FAMILY}


def published() -> dict[str, Tensor]:
    """Return tensors as in published files: with a teacher, and a tensor that no stage uses."""
    teacher = {f"image.teacher.{index}.weight": torch.ones(50, 100) for index in range(3)}
    return {**small_tensors(), **teacher, "text.end_token": torch.ones(1, 8)}


@pytest.fixture
def checkpoint_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkpoint of the small model, and make its family known."""
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)
    path = tmp_path / "model.pth"
    moments = {name: torch.zeros_like(tensor) for name, tensor in published().items()}
    torch.save({"model": published(), "optimizer": moments, "epoch": 3}, path)
    return path


def numbers(tensors: dict[str, Tensor], prefix: str) -> int:
    return sum(tensor.numel() for name, tensor in tensors.items() if name.startswith(prefix))


def test_rows_count_every_tensor_once(checkpoint_path: Path) -> None:
    tensors = published()
    inspection = inspect(open_checkpoint(checkpoint_path), ONLY_SMALL)
    rows = {row.name: row for row in inspection.rows}

    assert rows["image encoder / branch"].parameters == numbers(tensors, "image.branch")
    assert rows["image encoder / stem"].parameters == (
        numbers(tensors, "image.")
        - numbers(tensors, "image.branch")
        - numbers(tensors, "image.teacher")
    )
    assert (rows["teacher"].tensors, rows["teacher"].parameters) == (3, 15_000)
    assert inspection.total.tensors == len(tensors)
    assert inspection.total.parameters == numbers(tensors, "")
    assert inspection.total.bytes == sum(tensor.nbytes for tensor in tensors.values())
    assert inspection.dtypes == {"float32": len(tensors) - 3, "int64": 3}


def test_unneeded_tensors_are_listed_with_their_reason(checkpoint_path: Path) -> None:
    inspection = inspect(open_checkpoint(checkpoint_path), ONLY_SMALL)
    rows = {row.name: row for row in inspection.rows}
    lines = list(component_lines(inspection))

    assert not rows["teacher"].needed
    assert rows["text encoder"].needed
    (line,) = (line for line in lines if line.startswith("teacher"))
    assert line.split()[1:3] == ["15,000", "3"]
    assert line.endswith("not needed: the teacher")
    assert lines[-1] == "  text encoder: 1 tensors, 8 parameters: answers with every token"


def test_parts_of_a_component_are_summed(checkpoint_path: Path) -> None:
    inspection = inspect(open_checkpoint(checkpoint_path), ONLY_SMALL)
    lines = [line.split() for line in component_lines(inspection)]
    stem, branch = (row for row in inspection.rows if row.name.startswith("image encoder"))

    at = lines.index(next(words for words in lines if words[:2] == ["image", "encoder"]))
    assert lines[at][2:4] == [
        f"{stem.parameters + branch.parameters:,}",
        str(stem.tensors + branch.tensors),
    ]
    assert [words[0] for words in lines[at + 1 : at + 3]] == ["stem", "branch"]


def test_the_command_prints_the_table(
    checkpoint_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(checkpoint_path)]) == 0
    printed = capsys.readouterr().out

    assert "Small (family small), width-8" in printed
    assert f"total {numbers(published(), ''):,}" in " ".join(printed.split())
    beside = printed.split("beside the model")[1].splitlines()
    assert [line.split()[0] for line in beside[1:]] == ["optimizer", "epoch"]
    assert beside[2].endswith("no tensors")


def document(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_the_json_has_every_figure(
    checkpoint_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = document(capsys, "inspect", str(checkpoint_path))

    assert (answer["family"], answer["variant"]) == ("small", "width-8")
    assert answer["parameters"] == sum(row["parameters"] for row in answer["components"])
    assert sum(row["share"] for row in answer["components"]) == pytest.approx(1)
    (teacher,) = (row for row in answer["components"] if row["name"] == "teacher")
    assert teacher["exported_as"] == []
    assert teacher["not_needed"] == [{"reason": "the teacher", "tensors": 3, "parameters": 15_000}]
    assert [left["name"] for left in answer["leftovers"]] == ["optimizer", "epoch"]


def test_a_checkpoint_of_no_family_has_a_table_by_first_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file(
        {"a.x": torch.ones(3), "a.y": torch.ones(1), "ab": torch.ones(5)}, path
    )
    answer = document(capsys, "inspect", str(path), status=2)
    assert answer["family"] is None
    assert {row["name"]: row["parameters"] for row in answer["components"]} == {"a": 4, "ab": 5}
    assert set(answer["refusals"]) == set(FAMILIES)

    assert main(["inspect", str(path)]) == 2
    printed = capsys.readouterr()
    assert "of no family that can be exported" in printed.out
    assert "not efficientsam3: the file has no tensor below" in printed.out
    assert "fits no known family" in printed.err


def test_a_requested_family_that_does_not_fit_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)
    path = tmp_path / "other.pth"
    torch.save({"a": torch.ones(1)}, path)

    assert main(["inspect", str(path), "--family", "small"]) == 2
    assert "no image.norm.weight: this is no Small checkpoint" in capsys.readouterr().err
    assert main(["inspect", str(path), "--family", "large"]) == 2
    assert "unknown family 'large'; known" in capsys.readouterr().err


def test_a_checkpoint_that_fits_several_families_is_refused(checkpoint_path: Path) -> None:
    with pytest.raises(CheckpointError, match="fits small, small; choose one with --family"):
        recognise(open_checkpoint(checkpoint_path), {"small": FAMILY, "twin": FAMILY})


def test_slimmed_weights_load_strictly_and_are_the_same(
    checkpoint_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = checkpoint_path.with_name("slim.safetensors")
    assert main(["slim", str(checkpoint_path), "--out", str(out)]) == 0
    slimmed = open_checkpoint(out)

    expected = {n: t for n, t in published().items() if not n.startswith("image.teacher")}
    assert set(slimmed.shapes) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(slimmed.tensor(name), tensor), name
    load_strictly(FAMILY.build(SmallArchitecture(8)), slimmed, FAMILY)

    words = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [line[0] for line in words] == ["before", "removed", "removed", "removed", "after"]
    assert words[1][1:] == ["60.0", "kB", "teacher,", "3", "tensors"]
    assert [line[3] for line in words[2:4]] == ["optimizer,", "epoch,"]


def test_slimming_to_fp16_keeps_integer_counts(
    checkpoint_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = checkpoint_path.with_name("slim.safetensors")
    assert main(["slim", str(checkpoint_path), "--out", str(out), "--precision", "fp16"]) == 0
    slimmed = open_checkpoint(out)

    assert slimmed.dtypes["image.norm.num_batches_tracked"] == torch.int64
    assert {str(d) for n, d in slimmed.dtypes.items() if "tracked" not in n} == {"torch.float16"}
    assert slimmed.tensor("image.norm.num_batches_tracked") == 1
    assert torch.equal(slimmed.tensor("text.gamma"), published()["text.gamma"].half())
    load_strictly(FAMILY.build(SmallArchitecture(8)), slimmed, FAMILY)
    assert "as fp16" in capsys.readouterr().out


def test_other_readers_understand_the_file(checkpoint_path: Path) -> None:
    out = checkpoint_path.with_name("slim.safetensors")
    checkpoint = open_checkpoint(checkpoint_path)
    slim(checkpoint, recognise(checkpoint, ONLY_SMALL), out)

    read = safetensors.torch.load_file(out)
    assert torch.equal(read["text.words.weight"], published()["text.words.weight"])
    with safetensors.safe_open(out, framework="pt") as file:
        assert file.metadata() == {
            "format": "pt",
            "family": "small",
            "variant": "width-8",
            "text_context_length": "7",
        }


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (70_000.0, "text.gamma has numbers up to 7e+04, but the largest float16 is 6.55e+04"),
        (float("nan"), "text.gamma holds NaN or infinite numbers"),
    ],
)
def test_numbers_that_fp16_cannot_hold_are_refused(
    wrong: float, reason: str, tmp_path: Path
) -> None:
    tensors = published()
    tensors["text.gamma"][2] = wrong
    torch.save(tensors, tmp_path / "model.pth")
    checkpoint = open_checkpoint(tmp_path / "model.pth")

    with pytest.raises(CheckpointError) as caught:
        slim(checkpoint, recognise(checkpoint, ONLY_SMALL), tmp_path / "s.safetensors", "fp16")
    assert reason in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"], "nothing half written"


def test_a_file_is_replaced_only_with_force(
    checkpoint_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = checkpoint_path.with_name("slim.safetensors")
    out.write_text("mine")
    assert main(["slim", str(checkpoint_path), "--out", str(out)]) == 2
    assert "exists; remove it, or ask to replace it (--force)" in capsys.readouterr().err
    assert out.read_text() == "mine"

    assert main(["slim", str(checkpoint_path), "--out", str(out), "--force"]) == 0
    assert "text.gamma" in open_checkpoint(out).shapes
    assert main(["slim", str(checkpoint_path), "--out", str(out.with_suffix(".pth"))]) == 2
    assert "must end in .safetensors" in capsys.readouterr().err


HALF_WRITTEN = """
import pathlib, signal, sys
from sam3_ros.export.checkpoint.file import atomic_file
path, number = pathlib.Path(sys.argv[1]), int(sys.argv[2])
with atomic_file(path, False) as unfinished:
    unfinished.write_bytes(b"half")
    assert len(list(path.parent.iterdir())) == 1
    signal.raise_signal(number)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_nothing_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    path = tmp_path / "slim.safetensors"
    arguments = [sys.executable, "-c", HALF_WRITTEN, str(path), str(int(number))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert done.returncode == -number, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_no_family_is_not_slimmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    out = tmp_path / "slim.safetensors"

    assert main(["slim", str(tmp_path / "other.pth"), "--out", str(out)]) == 2
    assert "fits no known family" in capsys.readouterr().err
    assert not out.exists()


def test_a_file_can_be_slimmed_onto_itself(checkpoint_path: Path) -> None:
    path = checkpoint_path.with_name("model.safetensors")
    checkpoint = open_checkpoint(checkpoint_path)
    slim(checkpoint, recognise(checkpoint, ONLY_SMALL), path)
    again = open_checkpoint(path)
    slim(again, recognise(again, ONLY_SMALL), path, "fp16", replace_existing=True)

    assert open_checkpoint(path).dtypes["text.gamma"] == torch.float16


def test_a_type_without_a_name_in_the_format_is_refused(tmp_path: Path) -> None:
    odd = torch.zeros(1, dtype=torch.complex128)
    with pytest.raises(CheckpointError, match=r"a is torch\.complex128"):
        write_safetensors(
            tmp_path / "x.safetensors", {"a": ((1,), odd.dtype)}, lambda _name: odd, {}
        )


@pytest.mark.parametrize("components", [COMPONENTS, SAM3_COMPONENTS])
def test_components_have_unique_names_and_prefixes(components: Any) -> None:
    assert len({each.name for each in components}) == len(components)
    assert len({each.prefix for each in components}) == len(components)


@pytest.mark.parametrize("name", ["efficientsam3", "sam3", "efficientvit-sam", "mobilesam"])
def test_the_table_names_the_stages_of_each_component(name: str) -> None:
    family = FAMILIES[name]
    architecture = family.architecture(family.variants[0])
    with torch.device("meta"):  # the real sizes, without the memory
        network = family.build(architecture, family.default_input_size(architecture))

    for binding in network.bindings():
        stage = binding.targets[0].split(".")[1]
        for original in binding.originals:
            component = component_of(original, family.components)
            assert component is not None, original
            assert stage in component.exported_as.split(", "), original
