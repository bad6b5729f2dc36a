"""`sam3-ros replay` as a user types it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from bags import IMAGES, SIDE_IMAGES, write_bag
from node_client import PATIENCE
from node_under_test import ENVIRONMENT
from odd_bags import Odd, jpeg_cdr, write_mcap
from processes import children_of, is_running
from ros_domains import own_domain

from sam3_ros.cli import needs
from sam3_ros.cli.main import main
from sam3_ros.cli.progress import ProgressLine
from sam3_ros.replay.play.schedule import ReplayProgress

pytestmark = pytest.mark.long

REPLAY = (sys.executable, "-m", "sam3_ros.cli.main", "replay")


def run(*arguments: object, domain: int, **streams: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*REPLAY, *map(str, arguments)],
        env={**os.environ, **ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)},
        text=True,
        **streams,
    )


def wait_for(done, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


def test_prompts_of_the_command_line_and_of_a_file_are_asked(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=15)
    prompts = tmp_path / "prompts.yaml"
    prompts.write_text("- {at: 0.6, box: [82, 14, 110, 42]}\n")
    with own_domain() as domain:
        command = run(
            *(bag, "--bundle", sam3_bundle_path, "-p", "score_threshold:=0.1", "--json"),
            *("--text", "red", "--point", "0.3:30,70", "--prompts", prompts),
            domain=domain,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, progress = command.communicate(timeout=4 * PATIENCE)
    assert command.returncode == 0, progress
    document = json.loads(output)
    assert document["complete"] is True
    assert document["frames"]["sent"] == 15
    asked = [(prompt["kind"], prompt["asked"]) for prompt in document["prompts"]]
    assert asked == [("text", "red"), ("click", "on the green ball"), ("box", "on the blue cube")]
    assert "frames in" in progress


def test_a_bag_of_frames_that_all_fail_gives_the_nodes_reasons(sam3_bundle_path, tmp_path):
    """Named as ROS 1 does it, from a robot that ran the node, without its end."""
    cut = [jpeg_cdr(number, kept=0.6) for number in range(3)]
    beside = [Odd("/foo", "Foo", "json", b"{}"), Odd("/segmentation_node/prompt/text")]
    name = "/camera/0/image/compressed"
    bag = write_mcap(tmp_path / "bag.mcap", cut, topic=name, beside=beside)
    bag.write_bytes(bag.read_bytes()[:-200])
    with own_domain() as domain:
        command = run(
            *(bag, "--bundle", sam3_bundle_path, "--rate", "answered", "--json", "--text", "red"),
            domain=domain,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, told = command.communicate(timeout=4 * PATIENCE)
    assert command.returncode == 1, told
    frames = json.loads(output)["frames"]
    assert (frames["sent"], frames["dropped"]) == (3, {"undecodable": 3})
    assert "3 of 3 frames failed, the node says: expected a" in told
    assert "no frame was answered" in told
    assert "too fast" not in told
    parts = {remark["part"]: remark["messages"] for remark in json.loads(output)["remarks"]}
    assert parts == {"bag.mcap": None, "/foo": 1, "/segmentation_node/prompt/text": 1, name: None}
    assert all(part in told for part in parts)


def test_two_cameras_with_the_clock_as_fast_as_answered(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=8, side=True)
    with own_domain() as domain:
        command = run(
            *(bag, "--bundle", sam3_bundle_path, "--rate", "answered", "--clock", "--json"),
            *("--camera", f"front={IMAGES}", "--camera", f"side={SIDE_IMAGES}"),
            *("--publish-as", "side=/other/compressed", "--loop", "2", "--loop-clock"),
            *("--text", "red", "--track-point", "0.2:side:98.5,70.5"),
            domain=domain,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, progress = command.communicate(timeout=4 * PATIENCE)
    assert command.returncode == 0, progress
    document = json.loads(output)
    assert [camera["frames"]["answered"] for camera in document["cameras"]] == [16, 16]
    assert [(p["camera"], p["kind"], p["asked"]) for p in document["prompts"]] == [
        ("front", "text", "red"),
        ("side", "text", "red"),
        ("side", "followed", "green ball"),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_node_too(sam3_bundle_path, tmp_path, number):
    bag = write_bag(tmp_path / "bag", frames=15)
    with own_domain() as domain:
        command = run(bag, "--bundle", sam3_bundle_path, "--loop", 1000, domain=domain)
        try:
            wait_for(lambda: children_of(command.pid), "the node")
            (node,) = children_of(command.pid)
            command.send_signal(number)
            assert command.wait(PATIENCE) == 128 + number
            assert not is_running(node)
        finally:
            command.kill()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["absent"], "there is no bag absent"),
        (["bag", "--rate", "0"], "rate above 0"),
        (["bag", "--point", "5,5"], "expected T:X,Y"),
        (["bag", "--box", "1:2,3"], "expected T:X0,Y0,X1,Y1"),
        (["bag", "--prompts", "absent.yaml"], "cannot be read"),
        (["bag", "--no-node", "--bundle", "x"], "has its parameters"),
        (["bag", "--camera", "a=/x", "--camera", "a=/y"], "two --camera have one name"),
        (["bag", "--camera", "1st=/x"], "a camera's name"),
        (["bag", "--camera", "a=/x", "--image-topic", "/y"], "not both"),
        (["bag", "--camera", "a=/x", "--publish-as", "/y"], "NAME=TOPIC of a --camera"),
        (["bag", "--camera", "a=/x", "--depth", "/y"], "--depth is NAME=TOPIC of a --camera"),
        (["bag", "--depth", "a=/y"], "--depth is NAME=TOPIC of a --camera"),
        (["absent", "--depth"], "there is no bag absent"),
        (["bag", "--camera", "a=/x", "--point", "1:b:5,5"], "there is a"),
        (["bag", "--camera", "a=/x", "--camera", "b=/y", "--point", "1:5,5"], "the click at 1 s"),
        (["bag", "--player", "ros2", "--rate", "answered"], "keeps the recorded pace"),
        (["bag", "--player", "ros2", "--loop", "2"], "--loop-clock"),
        (["bag", "-p", "score_treshold:=0.5"], "-p score_treshold: the node has no such parameter"),
        (["bag", "--json", "/proc/none/x.json"], "cannot use /proc/none: No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, reason, capsys, monkeypatch):
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "unused.xml")
    assert main(["replay", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("sam3-ros: error: ")
    assert reason in error


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--out", "node.log"),
        ("--out", "contact_sheet.png"),
        ("--out", "overlay.avi"),
        ("--json", "x.json"),
        ("--junit", "x.xml"),
    ],
)
def test_files_of_others_are_not_overwritten(tmp_path, option, name, capsys, monkeypatch):
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "unused.xml")
    bag = write_bag(tmp_path / "bag", frames=2, truth=False)
    theirs = tmp_path / "out" / name
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    given = theirs.parent if option == "--out" else theirs
    more = ["--against", "threads=1"] if option == "--junit" else []
    assert main(["replay", str(bag), option, str(given), *more]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert name in error
    assert "--force" in error
    assert [path.read_text() for path in theirs.parent.iterdir()] == ["theirs"]


@pytest.mark.parametrize(
    "arguments", [["--camera", "front"], ["--camera", "=/x"], ["--rate", "soon"]], ids=str
)
def test_options_of_a_wrong_form_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(["replay", "bag", *arguments])
    assert arguments[0] in capsys.readouterr().err


def test_a_parameter_needs_a_name_and_a_value(capsys):
    with pytest.raises(SystemExit):
        main(["replay", "bag", "-p", "bundle=x"])
    assert "NAME:=VALUE" in capsys.readouterr().err


def test_without_ros_it_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "rclpy" else name)
    assert main(["replay", "bag"]) == 2
    assert "make build" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_on_a_terminal_and_few_in_a_file():
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        line = ProgressLine(stream)
        for sent in range(3):
            line(ReplayProgress(at=5.0, seconds=10.0, sent=sent, answered=sent))
        line.close()
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\033[K")
    assert file.getvalue() == f"[{'#' * 15:<30}]   5.0 of 10.0 s, 0 frames in, 0 answered\n"


def test_help_has_examples(capsys):
    for command in (["replay"], ["demo"], ["topic"], ["topic", "echo"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        assert f"examples:\n  sam3-ros {command[0]}" in capsys.readouterr().out
