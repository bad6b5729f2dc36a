"""`sam3-ros label` as a person runs it: options, exit codes, one line for what is wrong."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import bags
import pytest

from sam3_ros.cli.label.progress import described, duration
from sam3_ros.cli.main import main
from sam3_ros.label.run.report import LabelProgress


@pytest.fixture
def bag(tmp_path):
    return bags.write_bag(tmp_path / "bag", 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{bag}"], "nothing is asked: give --text or --prompts"),
        (["--text", "red"], "nothing to label: name a bag"),
        (["{bag}", "--text", "red", "--resume"], "nothing to resume"),
        (["{bag}", "--text", "red", "--prompts", "{twice}"], "two prompts have the id 'red'"),
        (["{bag}", "--prompts", "{wrong}"], "entry 1: expected"),
        (["{bag}", "--text", "red", "--bundle", "{clicks}"], "asks by text"),
        (["--list", "{absent}", "--text", "red"], "cannot use"),
        (["--list", "{bytes}", "--text", "red"], "nothing could be labelled"),
        (["{bag}", "--text", ";".join(map(str, range(255)))], "at most 254 prompts, got 255"),
        (["{absent}", "--text", "red"], "nothing could be labelled"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_line(
    bag, tmp_path, mobile_sam_bundle_path, capsys, arguments, said
):
    (tmp_path / "twice.yaml").write_text("- {text: red, label: other}")
    (tmp_path / "bytes.txt").write_bytes(b"a name that is no text \xff")
    (tmp_path / "wrong.yaml").write_text("- {text: red, at: 5}")
    places = {
        "bag": bag,
        "absent": tmp_path / "absent",
        "bytes": tmp_path / "bytes.txt",
        "twice": tmp_path / "twice.yaml",
        "wrong": tmp_path / "wrong.yaml",
        "clicks": mobile_sam_bundle_path,
    }
    out = tmp_path / "out"
    filled = [each.format(**places) for each in arguments]
    assert main(["label", *filled, "--out", str(out)]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_a_run_with_something_set_aside_ends_with_1_and_says_why(
    bag, tmp_path, sam3_bundle_path, capsys
):
    (tmp_path / "none.mcap").write_bytes(b"no bag at all, but long enough")
    (tmp_path / "list.txt").write_text(f"# bags\n{bag}\n\n{tmp_path / 'none.mcap'}\n")
    (tmp_path / "prompts.yaml").write_text("- red\n- {text: blue, label: sky}\n")
    arguments = [
        *("label", "--list", str(tmp_path / "list.txt"), "--bundle", str(sam3_bundle_path)),
        *("--prompts", str(tmp_path / "prompts.yaml"), "--out", str(tmp_path / "out")),
        *("--workers", "2", "--formats", "coco", "--json"),
    ]
    assert main(arguments) == 1
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert document["frames"] == 2
    assert document["set_aside"][0]["what"] == str(tmp_path / "none.mcap")
    assert f"set aside: {tmp_path / 'none.mcap'} is no bag" in told.err
    labels = json.loads((tmp_path / "out" / "instances.json").read_text())["categories"]
    assert [each["name"] for each in labels] == ["red", "sky"]
    assert main([*arguments, "--resume"]) == 1  # nothing is done: no worker starts
    assert json.loads(capsys.readouterr().out) == document


def test_a_full_disk_is_told_and_leaves_nothing_half_written(bag, tmp_path, sam3_bundle_path):
    out, size = tmp_path / "out", 1000
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "sam3_ros.cli.main", "label", str(bag), "--text", "red; blue"),
            *("--bundle", str(sam3_bundle_path), "--out", str(out), "--workers", "1"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("sam3-ros: error: cannot use")
    assert not list(out.rglob(".sam3-ros-[0-9]*"))
    assert not (out / "instances.json").exists()


def test_progress_has_all_that_a_person_waits_for():
    progress = LabelProgress(320, 1200, 16.04, 54.9, 3, 9, 871)
    assert described(progress) == (
        "320 of 1200 frames, 16.0 a second, 55 s left, 3 of 9 bags, 871 objects"
    )
    first = LabelProgress(0, 1200, None, None, 0, 9, 0)
    assert described(first) == "0 of 1200 frames, 0 of 9 bags, 0 objects"
    assert [duration(s) for s in (5, 65, 3600 * 25 + 120)] == ["5 s", "1:05 min", "25:02 h"]
