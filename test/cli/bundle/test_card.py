"""The card of a bundle tells people what the manifest says, and changes nothing of the bundle."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.card import card_of

ADDRESS = "hf://org/repo/model.pt@" + "ab" * 20


@pytest.fixture
def own_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Bundle.open("tabletop").path, tmp_path / "own"))


def test_a_bundle_is_the_same_with_its_card_and_without(
    own_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Bundle.open(own_copy).manifest
    assert main(["bundle", "card", str(own_copy), "--no-speed"]) == 0
    assert f"written: {own_copy / 'README.md'}" in capsys.readouterr().out
    assert Bundle.open(own_copy).manifest == before
    for command in (["bundle", "verify"], ["bundle", "inspect"], ["verify"]):
        assert main([*command, str(own_copy)]) == 0
    card = (own_copy / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: other\nlibrary_name: sam3_ros\n")
    assert re.search(r"^\| licence of the weights \| Apache-2.0;", card, re.MULTILINE)
    differences = before.verification["onnx_against_pytorch"]["largest_absolute_difference"]
    assert f"| image_trunk | {differences['image_trunk']} |" in card
    assert "| text mean iou of matched | 0.9" in card
    assert 'Segmenter.load("FOLDER")' in card and 'prompts:="red cube; ball"' in card
    assert "Not measured here" in card
    assert str(own_copy) not in card


def test_it_tells_how_fast_the_bundle_is_here(tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    assert main(["bundle", "card", "tabletop", "--out", str(path)]) == 0
    times = re.findall(r"^\| (a .+) \| [\d.]+ ms \|$", path.read_text(encoding="utf-8"), re.M)
    assert len(times) == 4
    assert "a click on an image that was seen before" in times


def test_only_a_card_of_its_own_is_written_again(
    own_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = own_copy / "README.md"
    words = ["bundle", "card", str(own_copy), "--no-speed"]
    card.write_text("# Somebody's own words\n")
    assert main(words) == 2
    assert "README.md exists and sam3-ros did not write it" in capsys.readouterr().err
    assert card.read_text() == "# Somebody's own words\n"
    assert main([*words, "--force"]) == 0
    assert main(words) == 0


@pytest.mark.parametrize("part", ["bundle.yaml", "tokenizer.json"])
def test_it_takes_the_place_of_no_part_of_the_bundle(
    part: str, own_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bundle", "card", str(own_copy), "--no-speed", "--force", "--out"]
    assert main([*words, str(own_copy / part)]) == 2
    assert f"{part} is a part of the bundle: name another file" in capsys.readouterr().err
    Bundle.open(own_copy)


def test_what_came_with_sam3_ros_is_not_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "card", "tabletop", "--no-speed"]) == 2
    assert "is a part of sam3_ros, which is not written to" in capsys.readouterr().err


def test_it_names_the_weights_as_the_manifest_does() -> None:
    bundle = Bundle.open("tabletop")
    source = {"checkpoint_address": ADDRESS, "checkpoint_sha256": "cd" * 32}
    card = card_of(replace(bundle, manifest=replace(bundle.manifest, source=source)), None, "1.0")
    assert f"| checkpoint address | `{ADDRESS}` |" in card
    assert f"| checkpoint sha256 | `{'cd' * 32}` |" in card
    random = replace(bundle, manifest=replace(bundle.manifest, source={"random_seed": "1"}))
    assert "The weights are random" in card_of(random, None, "1.0")


def test_what_a_stranger_wrote_stays_in_its_cell() -> None:
    bundle = Bundle.open("tabletop")
    text = "x` | y\n# heading <script>alert(1)</script> [link](http://example.org)"
    strange = replace(
        bundle.manifest, licence=text, description=text, source={text: text}, verification={}
    )
    card = card_of(Bundle(bundle.path, strange), None, "1.0")
    assert not re.search(r"^# heading", card, re.MULTILINE)
    # As code it is shown as it is; elsewhere nothing is a mark.
    told = [line for line in card.splitlines() if "script" in line and not line.endswith("` |")]
    assert len(told) == 2
    assert all("\\<script\\>alert(1)" in line and "\\[link\\]" in line for line in told)
    row = next(line for line in card.splitlines() if line.startswith("| licence of the weights"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "Nothing: no figures are in the manifest." in card
