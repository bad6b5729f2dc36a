"""`sam3-ros bundle push` and `pull` by way of a hub that runs here."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from local_hub import READER, TOKEN, LocalHub, ask_here, running_hub, sha256

from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle

ADDRESS = "hf://org/colours"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with running_hub() as running:
        ask_here(running, tmp_path / "home", monkeypatch)
        monkeypatch.chdir(tmp_path)
        yield running


@pytest.fixture
def published(hub: LocalHub, sam3_bundle_path: Path) -> dict[str, bytes]:
    """Return the files of a bundle on the hub, to be changed, and how the hub has them."""
    hub.add("org/colours", files_of(sam3_bundle_path))
    return hub.repositories["org/colours"].files


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the error of a command: one line, code 2, and nothing on standard output."""
    assert main(["bundle", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()[-1]


def test_what_is_pushed_is_what_is_pulled(
    hub: LocalHub,
    sam3_bundle_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    mine = shutil.copytree(sam3_bundle_path, tmp_path / "mine")
    (mine / "README.md").write_text("---\nlicense: apache-2.0\n---\nA card.\n")
    (mine / "notes.txt").write_text("private")
    (mine / "NOTICE").symlink_to(Path(__file__).resolve())

    assert main(["bundle", "push", str(mine), ADDRESS]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"pushed: {ADDRESS}@{'2' * 40} (")
    assert "not sent, as no part of the bundle: NOTICE, notes.txt" in told.err
    assert "their licence, by the manifest: Apache-2.0" in told.err
    assert hub.repositories["org/colours"].private
    hub.repositories["org/colours"].files |= {"notes.txt": b"x", ".gitattributes": b""}

    assert main(["bundle", "pull", ADDRESS, "--json"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert document["address"] == f"{ADDRESS}@{'2' * 40}"
    assert document["left"] == ["notes.txt"]
    assert "left there, as no part of the bundle: notes.txt" in told.err
    (mine / "notes.txt").unlink()
    (mine / "NOTICE").unlink()
    assert files_of(tmp_path / "colours") == files_of(mine)
    assert Bundle.open("colours").manifest == Bundle.open(mine).manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colours", "mine"]


@pytest.mark.parametrize(
    ("token", "words"),
    [(None, "log in with a token that may write"), (READER, "your login may not do this")],
)
def test_a_push_without_the_right_is_told(
    token: str | None,
    words: str,
    hub: LocalHub,
    sam3_bundle_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    assert words in refused(capsys, "push", str(sam3_bundle_path), ADDRESS)
    assert hub.repositories == {}


def test_a_damaged_bundle_is_not_pushed(
    hub: LocalHub, sam3_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(sam3_bundle_path, tmp_path / "copy")
    (copy / "tokenizer.json").write_bytes(b"{}")
    assert "'tokenizer.json' has 2 bytes" in refused(capsys, "push", str(copy), ADDRESS)
    assert hub.requests == []


@pytest.mark.usefixtures("published")
def test_a_bundle_that_is_there_is_replaced_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", "kept")
    assert main(["bundle", "pull", ADDRESS, *out]) == 0
    capsys.readouterr()
    assert "kept exists; remove it" in refused(capsys, "pull", ADDRESS, *out)
    (tmp_path / "kept" / "old.txt").touch()
    assert main(["bundle", "pull", ADDRESS, *out, "--force"]) == 0
    assert not (tmp_path / "kept" / "old.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_a_cut_pull_goes_on_with_what_came(
    hub: LocalHub,
    published: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub.cuts = [10**9, 300, 0, 0, 0]
    assert "the same command goes on from there" in refused(capsys, "pull", ADDRESS)
    assert not (tmp_path / "colours").exists()
    hub.requests.clear()

    assert main(["bundle", "pull", ADDRESS]) == 0
    fetched = [each.range for each in hub.asked("GET", "/storage/")]
    large = {sha256(each) for each in published.values() if len(each) > 600}
    assert fetched.count("bytes=300-") == 1
    assert len(fetched) == len(large) - 1
    assert files_of(tmp_path / "colours") == published
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colours"]


def _other_sum(files: dict[str, bytes]) -> None:
    files["tokenizer.json"] = files["tokenizer.json"].replace(b"red", b"rad")


def _other_size(files: dict[str, bytes]) -> None:
    files["fp32/text.onnx"] += b"\0"


def _absent(files: dict[str, bytes]) -> None:
    del files["fp32/text.onnx"]


def _no_manifest(files: dict[str, bytes]) -> None:
    del files["bundle.yaml"]


def _endless_manifest(files: dict[str, bytes]) -> None:
    files["bundle.yaml"] = b"#" * 40_000_000


def _no_yaml(files: dict[str, bytes]) -> None:
    files["bundle.yaml"] = b"format: [1"


def _path(path: str) -> object:
    def change(files: dict[str, bytes]) -> None:
        document = yaml.safe_load(files["bundle.yaml"])
        document["stages"]["text"]["files"]["fp32"]["path"] = path
        files["bundle.yaml"] = yaml.safe_dump(document).encode()

    return change


def _odd_operator(files: dict[str, bytes]) -> None:
    """A model file that is what the manifest says, and asks for what no model may."""
    name = "fp32/text.onnx"
    files[name] = files[name].replace(b"Gather", b"Loader")
    document = yaml.safe_load(files["bundle.yaml"])
    entry = document["stages"]["text"]["files"]["fp32"]
    entry["sha256"], entry["bytes"] = sha256(files[name]), len(files[name])
    files["bundle.yaml"] = yaml.safe_dump(document).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_sum, "'tokenizer.json' is not what the manifest says"),
        (_other_size, "'fp32/text.onnx' has .* bytes and the sum .*, the manifest says"),
        (_absent, "'fp32/text.onnx' is in the manifest and not in the repository"),
        (_no_manifest, "is no bundle: it has no bundle.yaml"),
        (_endless_manifest, "has 40000000 bytes, .* at most"),
        (_no_yaml, "bundle.yaml|manifest"),
        (_path("../outside.onnx"), "is no path of a file in a bundle"),
        (_path("/etc/passwd"), "is no path of a file in a bundle"),
        (_path("fp32/../../x"), "is no path of a file in a bundle"),
        (_odd_operator, "is no model to load"),
    ],
    ids=lambda value: getattr(value, "__name__", "")[1:],
)
def test_a_bundle_that_lies_is_refused_and_nothing_of_it_stays(
    change: object,
    words: str,
    hub: LocalHub,
    published: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(published)
    hub.add("org/colours", published)

    error = refused(capsys, "pull", ADDRESS)
    assert error.startswith("sam3-ros: error: hf://org/colours")
    assert re.search(words, error), error
    assert ".pulling" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://org/none", "sees no repository org/none"),
        ("hf://org/colours@v7", "has no revision 'v7'"),
        ("hf://org/colours/bundle.yaml", "names a file: a bundle is a repository"),
    ],
)
@pytest.mark.usefixtures("published")
def test_what_is_no_bundle_on_the_hub_is_told(
    address: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, "pull", address)


def test_a_folder_of_somebody_else_in_its_place_is_refused(
    published: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".colours.pulling").symlink_to(tmp_path / "elsewhere")
    assert published
    assert "is not this user's folder" in refused(capsys, "pull", ADDRESS)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("arguments", [["pull", "./colours"], ["push", "tabletop", "org/colours"]])
def test_a_path_is_no_address(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bundle", *arguments])
    assert ended.value.code == 2
    assert "expected hf://ORG/REPO, got" in capsys.readouterr().err
