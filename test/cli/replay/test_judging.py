"""`sam3-ros replay --expect` on the shipped bag, as CI runs it, and what it says of mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from bags import write_bag
from golden_scenes import RED, answer, golden
from node_client import PATIENCE
from node_under_test import ENVIRONMENT
from planted_faults import planted, value_of
from ros_domains import own_domain

from sam3_ros.cli.main import main
from sam3_ros.ros.launching.shared_files import demo_bag

pytestmark = pytest.mark.long

EXPECTATION = Path(__file__).parents[2] / "replay" / "tabletop.yaml"
GOLDEN = EXPECTATION.with_name("tabletop_golden")
# After the board has gone.
BACK_NS = 1_700_000_009_000_000_000


def replayed(*arguments: object) -> subprocess.CompletedProcess[str]:
    with own_domain() as domain:
        return subprocess.run(
            [sys.executable, "-m", "sam3_ros.cli.main", "replay", *map(str, arguments)],
            env={**os.environ, **ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)},
            text=True,
            capture_output=True,
            timeout=4 * PATIENCE,
        )


def test_the_shipped_bag_is_answered_as_expected(tmp_path):
    junit, figures = tmp_path / "reports" / "junit.xml", tmp_path / "figures" / "all.json"
    outputs = ("--junit", junit, "--json", figures)
    command = replayed(demo_bag(), "--expect", EXPECTATION, *outputs)
    print(command.stdout)
    assert command.returncode == 0, command.stdout + command.stderr
    assert "pass, " in command.stdout
    document = json.loads(figures.read_text())
    assert document["passed"] is True
    played = yaml.safe_load(EXPECTATION.read_text())["play"]
    found = {(prompt["camera"], prompt["prompt_id"]) for prompt in document["prompts"]}
    assert {camera for camera, _ in found} == set(played["cameras"])
    assert {prompt for _, prompt in found} >= {"red cube", "black star", "point", "box", "followed"}
    assert all(prompt["frames"] > 0 for prompt in document["prompts"]), "nothing was compared"
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    checks = {check["name"]: check["figures"] for check in document["checks"]}
    assert list(checks) == ["frames", "stamps", "account", "drops", "latency", "ids", "places"]
    assert int(checks["places"].split()[0]) > 50
    assert int(suite.get("tests", "0")) == len(found) + len(checks)


def test_the_node_answers_as_the_labels_of_its_bag_do(tmp_path, capsys):
    out, file = tmp_path / "labels", tmp_path / "test.yaml"
    asked = ("--text", "red cube; ball", "--every", "25", "--topic", "/camera/image/compressed")
    labelled = main(["label", str(demo_bag()), *asked, "--formats", "mcap", "--out", str(out)])
    assert labelled == 0, capsys.readouterr().err
    play = {
        "cameras": {"front": "/camera/image/compressed"},
        "prompts": [{"at": 0, "text": "red cube; ball"}],
        "only_every": 25,
    }
    file.write_text(yaml.safe_dump({"format": 1, "play": play}))
    labels = out / "bags" / demo_bag().name
    expectation = ["replay", str(demo_bag()), "--expect", str(file)]
    assert main([*expectation, "--update-from", str(labels)]) == 0
    assert "6 golden frames" in capsys.readouterr().out
    command = replayed(*expectation[1:])
    assert command.returncode == 0, command.stdout + command.stderr
    assert "6 judged, 0 missing, 0 extra" in command.stdout


def test_a_wrong_mask_and_an_id_that_changes_fail(tmp_path):
    value = value_of(GOLDEN, "purple ball")

    def changed(entries):
        """Give what is hidden for a while another id in golden, once it is back."""
        for entry in entries:
            for segment in entry["segments"]:
                if segment["prompt_id"] == "hidden" and entry["stamp_ns"] > BACK_NS:
                    segment["track"]["id"] += 10
        return entries

    planted(
        GOLDEN,
        tmp_path / "golden",
        holding="purple ball",
        labels=lambda labels: np.where(labels == value, np.uint8(0), labels),
        index=changed,
    )
    expectation = yaml.safe_load(EXPECTATION.read_text()) | {"golden": "golden"}
    # Half of it suffices to see the fault.
    expectation["play"]["loops"] = 1
    expectation["judge"]["prompts"]["hidden"]["found_again"] = 1
    expectation["judge"]["limits"]["missing_frames"] = len(list(GOLDEN.glob("*_1_*.png")))
    file = tmp_path / "test.yaml"
    # PyYAML reads the key `on` as true.
    file.write_text(yaml.safe_dump(expectation).replace("true: image", "on: image"))
    junit, out = tmp_path / "junit.xml", tmp_path / "out"
    command = replayed(demo_bag(), "--expect", file, "--junit", junit, "--out", out, "--worst", 1)
    assert command.returncode == 1, command.stdout + command.stderr
    assert "FAIL, 2 of" in command.stdout
    cases = ElementTree.parse(junit).getroot().iter("testcase")
    told = {
        case.get("name"): failure.get("message") or ""
        for case in cases
        for failure in case.iter("failure")
    }
    assert set(told) == {"prompt purple ball", "prompt hidden"}
    assert "IoU 0.000" in told["prompt purple ball"]
    assert "goes to another object" in told["prompt hidden"]
    (picture,) = out.glob("worst_*.png")
    assert "purple-ball" in picture.name
    assert str(picture) in command.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["bag", "--expect", "absent.yaml"],
            "the expectation absent.yaml cannot be read: No such",
        ),
        (["bag", "--update"], "--update needs --expect"),
        (["bag", "--junit", "x.xml"], "--junit needs --expect"),
        (["bag", "--expect", "x", "--update", "--against", "a=b"], "give one"),
        (["bag", "--expect", "x", "--text", "red"], "--text does not go with --expect"),
        (["bag", "--expect", "x", "--rate", "3"], "--rate does not go with --expect"),
        (["bag", "--against", "precison=fp16"], "the node has no such parameter; it has params"),
        (["absent", "--against", "precision=fp16"], "there is no bag absent"),
        (["bag", "--against", "threads=1", "--junit", "/proc/x.xml"], "cannot use /proc/x.xml: "),
    ],
)
def test_what_cannot_be_judged_is_one_line(arguments, reason, capsys, monkeypatch):
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "unused.xml")
    assert main(["replay", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("sam3-ros: error: ")
    assert reason in error


def test_ros2_bag_play_may_be_asked_for_what_is_paced_by_answers(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "unused.xml")
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = ["replay", str(demo_bag()), "--expect", str(EXPECTATION), "--player", "ros2"]
    assert main(asked) == 2
    assert "there is no ros2 command on PATH" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--against", "fp16"], ["--worst", "-1"]], ids=str)
def test_options_that_make_no_sense_are_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        main(["replay", "bag", *wrong])
    assert "expected" in capsys.readouterr().err


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp("small") / "bag", frames=3, truth=False)


def test_two_precisions_are_compared(sam3_bundle_path, bag):
    asked = ("--bundle", sam3_bundle_path, "--text", "red; blue")
    command = replayed(bag, *asked, "--against", "precision=fp16")
    assert command.returncode == 0, command.stdout + command.stderr
    assert f"{bag} against itself without precision=fp16" in command.stdout
    assert "pass, 7 checks, 3 frames" in command.stdout


def test_a_precision_that_the_bundle_lacks_is_refused_as_the_node_does(sam3_bundle_path, bag):
    asked = ("--bundle", sam3_bundle_path, "--text", "red")
    command = replayed(bag, *asked, "--against", "precision=fp7")
    assert command.returncode == 2
    assert "fp7" in command.stderr
    assert command.stdout == ""


def test_an_update_says_what_changed(sam3_bundle_path, bag, tmp_path):
    file, kept = tmp_path / "test.yaml", tmp_path / "test_golden"
    file.write_text("format: 1\nplay: {prompts: [{at: 0, text: red}]}\n")
    asked = ("--expect", file, "--bundle", sam3_bundle_path, "--update")
    golden(kept, answer(RED), answer(RED, number=1))
    command = replayed(bag, *asked)
    assert command.returncode == 0, command.stderr
    # The first frame of both is of one stamp, and nothing else of it agrees.
    told = command.stdout.splitlines()[-1]
    assert told == f"3 golden frames in {kept}: 2 new, 1 gone, worst IoU against the old 0.000"
    assert len(list(kept.glob("*.png"))) == 3


def test_prompts_that_are_not_asked_are_told(sam3_bundle_path, bag, tmp_path):
    file = tmp_path / "test.yaml"
    prompts = "[{at: 0, text: red}, {at: 0.1, point: [9000, 5]}, {at: 9, text: blue}]"
    file.write_text(f"format: 1\nplay: {{prompts: {prompts}}}\n")
    for asked in (["--update"], []):
        command = replayed(bag, "--expect", file, "--bundle", sam3_bundle_path, *asked)
        assert command.returncode == 0, command.stderr
        told = [line for line in command.stderr.splitlines() if line.startswith("sam3-ros: ")]
        assert len(told) == 2
        assert "click at 9000,5: refused: " in told[0]
        assert "(9000, 5) lies outside the image" in told[0]
        assert told[1] == 'sam3-ros: text "blue": no image was certainly asked for it'


def test_without_golden_frames_it_says_how_to_write_them(bag, tmp_path, capsys):
    file = tmp_path / "test.yaml"
    file.write_text("format: 1\n")
    assert main(["replay", str(bag), "--expect", str(file)]) == 2
    assert "write them with --update" in capsys.readouterr().err
