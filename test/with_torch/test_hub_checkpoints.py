"""`export`, `inspect`, `slim` and `verify` of a checkpoint on a hub that runs here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from local_hub import LocalHub, ask_here, running_hub, sha256
from safetensors.torch import load_file, save
from small_clicker import FAMILY, SMALL

from sam3_ros.cli import export
from sam3_ros.cli.main import main
from sam3_ros.core.errors import ExportError
from sam3_ros.export.commands.export_job import ExportJob
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.weights.filled_network import from_seed
from sam3_ros.export.weights.loading import write_checkpoint
from sam3_ros.hub import published
from sam3_ros.hub.address import HubAddress
from sam3_ros.hub.known_models import KnownModel

ADDRESS = "hf://org/clicker/w/small.pt"
COMMIT = "1" * 40


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    write_checkpoint(from_seed(FAMILY, 1, None, None).network, path, False)
    return path.read_bytes()


@pytest.fixture
def hub(weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with running_hub() as running:
        running.add("org/clicker", {"w/small.pt": weights})
        ask_here(running, tmp_path / "home", monkeypatch)
        monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)
        monkeypatch.chdir(tmp_path)
        yield running


@pytest.fixture
def model(weights: bytes, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """Return a published model as the table would have it."""
    known = KnownModel(
        "small-clicker",
        FAMILY.name,
        SMALL.variant,
        "clicks, boxes",
        0.1,
        "Apache-2.0",
        HubAddress("org/clicker", "w/small.pt"),
        sha256=sha256(weights)[:6],
    )
    monkeypatch.setattr(published, "PUBLISHED", (known,))
    return known


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[ExportJob]:
    """Return the exports that would begin; test_export_command.py runs one to its end."""
    begun: list[ExportJob] = []

    def end(job: ExportJob) -> NoReturn:
        begun.append(job)
        raise ExportError("not now")

    monkeypatch.setattr(export, "_exported", end)
    return begun


@pytest.mark.usefixtures("hub")
def test_a_published_model_is_exported_by_its_name(
    model: KnownModel, weights: bytes, jobs: list[ExportJob], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", "--model", model.name, "--out", "made"])
    told = capsys.readouterr().err
    assert f"fetching {ADDRESS}@{COMMIT}" in told
    assert "small-clicker: Apache-2.0; https://huggingface.co/org/clicker" in told
    (job,) = jobs
    assert job.family is FAMILY
    expected = from_seed(FAMILY, 1, None, None).network.state_dict()
    for name, tensor in job.network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)
    assert job.source["checkpoint"] == "small.pt"
    assert job.source["checkpoint_address"] == f"{ADDRESS}@{COMMIT}"
    assert job.source["checkpoint_sha256"] == sha256(weights)
    assert job.source["command"] == (
        "sam3-ros export --model small-clicker --out made --precision fp32 --renditions "
        "portable,cuda"
    )


@pytest.mark.usefixtures("hub")
def test_the_family_of_a_checkpoint_need_not_be_named(jobs: list[ExportJob]) -> None:
    main(["export", "--checkpoint", f"{ADDRESS}@v1", "--out", "made"])
    (job,) = jobs
    assert job.family is FAMILY
    assert f"export --checkpoint {ADDRESS}@v1 --out made" in job.source["command"]


def in_two_files(folder: Path) -> dict[str, bytes]:
    """Return the weights as transformers writes large models: two files and their index."""
    write_checkpoint(from_seed(FAMILY, 1, None, None).network, folder / "all.safetensors", False)
    tensors = load_file(folder / "all.safetensors")
    files, places = {}, {}
    for number, names in enumerate((list(tensors)[::2], list(tensors)[1::2]), start=1):
        file = f"model-{number:05}-of-00002.safetensors"
        files[file] = save({name: tensors[name] for name in names})
        places |= dict.fromkeys(names, file)
    index = json.dumps({"metadata": {}, "weight_map": places}).encode()
    return {**files, "model.safetensors.index.json": index}


def test_an_index_on_the_hub_is_a_checkpoint(
    hub: LocalHub, jobs: list[ExportJob], tmp_path: Path
) -> None:
    files = in_two_files(tmp_path)
    hub.add("org/large", files)
    address = "hf://org/large/model.safetensors.index.json"
    main(["export", FAMILY.name, "--checkpoint", address, "--out", "made"])

    (job,) = jobs
    expected = from_seed(FAMILY, 1, None, None).network.state_dict()
    for name, tensor in job.network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)
    assert job.source["checkpoint_address"] == f"{address}@{COMMIT}"
    assert job.source["checkpoint_shards_sha256"] == "; ".join(
        f"{name} {sha256(content)}" for name, content in sorted(files.items()) if "-of-" in name
    )


@pytest.mark.usefixtures("hub")
def test_verify_fetches_what_a_bundle_is_compared_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "tabletop", "--checkpoint", "hf://org/clicker/w/large.pt"]) == 2
    assert "has no file 'w/large.pt' at main" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.usefixtures("hub")
def test_another_file_than_the_authors_is_refused(
    model: KnownModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(published, "PUBLISHED", (replace(model, sha256="abcdef"),))

    assert main(["export", "--model", model.name, "--out", "made"]) == 2
    assert "name abcdef: it is another file" in capsys.readouterr().err.splitlines()[-1]
    assert not Path("made").exists()


@pytest.mark.usefixtures("hub")
def test_inspect_and_slim_take_an_address(
    weights: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", f"{ADDRESS}@v1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["family"], document["file_bytes"]) == (FAMILY.name, len(weights))
    assert main(["slim", ADDRESS, "--out", "slim.safetensors"]) == 0
    assert f"{ADDRESS}" in capsys.readouterr().out
    assert Path("slim.safetensors").is_file()


def test_nothing_is_fetched_for_a_target_that_is_not_free(
    hub: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("slim.safetensors").touch()
    Path("made").mkdir()
    assert main(["slim", ADDRESS, "--out", "slim.safetensors"]) == 2
    assert main(["export", FAMILY.name, "--checkpoint", ADDRESS, "--out", "made"]) == 2
    assert "exists" in capsys.readouterr().err
    assert hub.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "sam4"], "no known model 'sam4': `sam3-ros models` lists them; did you mean"),
        (["sam3", "--model", "mobilesam"], "mobilesam is of the family mobilesam, not sam3"),
        (["--random-weights", "1"], "name the family of the random weights: efficientsam3, eff"),
        (["--model", "mobilesam", "--variant", "x"], "--variant goes with --random-weights"),
    ],
)
def test_a_wrong_choice_of_weights_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_every_published_model_is_of_a_family_that_is_exported() -> None:
    assert {each.family for each in published.PUBLISHED} <= set(FAMILIES)
