"""`sam3-ros ask` to a node that `sam3-ros node` runs on a folder of images."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from node_client import PATIENCE
from node_under_test import ENVIRONMENT
from ros_domains import own_domain
from running_command import RunningCommand
from scenes import colour_scene

from sam3_ros.asking import nodes, once, standing
from sam3_ros.cli.main import main
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

HEIGHT, WIDTH = 96, 128
RED, BLUE = (10, 10, 40, 40), (80, 16, 116, 60)
SCENE_BGR = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": BLUE})[:, :, ::-1]
NOTHING_FOUND, FAILED = 1, 2
# Seconds to look for what is not there.
IN_VAIN = 0.2

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("images") / "scene.png"
    cv2.imwrite(str(file), np.ascontiguousarray(SCENE_BGR))
    return file


@pytest.fixture(scope="module")
def running(tmp_path_factory, sam3_bundle_path, image) -> Iterator[RunningCommand]:
    """Run the node, and put this process into its domain."""
    with pytest.MonkeyPatch.context() as patch, own_domain() as domain:
        for name in PROFILE_VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in {**ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)}.items():
            patch.setenv(name, value)
        source = ("--video", str(image.parent), "--loop", "--rate", "10", "--no-show")
        log = tmp_path_factory.mktemp("node") / "log"
        command = RunningCommand(log, "node", *source, "--bundle", str(sam3_bundle_path))
        try:
            command.wait_for("Ctrl-C")
            yield command
            assert command.stop(signal.SIGTERM) == 0
        except BaseException:
            print(command.text)
            raise
        finally:
            command.process.kill()


@pytest.fixture
def ask(running, capsys, monkeypatch):
    """Return a function that asks, and returns exit code, output and error output."""
    monkeypatch.setattr(nodes, "_LOOK_SECONDS", PATIENCE)
    monkeypatch.setattr(once, "_CONNECT_SECONDS", PATIENCE)
    monkeypatch.setattr(standing, "_CONNECT_SECONDS", PATIENCE)

    def asked(*arguments: object) -> tuple[int, str, str]:
        assert running.process.poll() is None, running.text
        code = main(["ask", "--patience", str(PATIENCE), *map(str, arguments)])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return asked


def test_what_is_tracked_has_an_id_and_stands_beside_the_others(ask):
    assert ask("blue")[0] == 0
    code, out, _ = ask("--track", "red")
    assert code == 0
    words = out.split()
    assert words[0] == "red"
    assert int(words[1].removeprefix("#")) > 0
    rows = [row.split() for row in ask("--list")[1].splitlines()[1:]]
    assert [(row[0], row[-2]) for row in rows] == [("blue", "no"), ("red", "yes")]
    code, out, _ = ask("--track", "--click", "100,40", "--json")
    (found,) = json.loads(out)["found"]
    assert (found["prompt_id"], found["track_id"] > 0) == ("point", True)
    assert ask("--track", "--once", "red")[0] == FAILED
    assert ask("--clear")[0] == 0


def test_a_text_is_asked_and_its_first_answer_shown(ask):
    code, out, _ = ask("red")
    assert code == 0
    label, score, *box = out.replace(",", "").split()
    assert (label, box[0]) == ("red", "box")
    assert float(score) > 0.5
    assert np.abs(np.asarray(box[1:], float) - RED).max() < 4
    code, out, _ = ask("--list")
    assert code == 0
    assert out.splitlines()[1].split()[:2] == ["red", "red"]


def test_json_has_what_the_node_said_and_found(ask):
    code, out, _ = ask("red; blue", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["node"] == "/segmentation_node"
    assert [(each["id"], each["accepted"]) for each in document["prompts"]] == [
        ("red", True),
        ("blue", True),
    ]
    assert {each["label"] for each in document["found"]} == {"red", "blue"}
    assert document["image"]["frame_id"] == "camera"


def test_a_click_and_a_box_mark_one_object_each(ask):
    code, out, error = ask("--click", "20,20", "--box", "78,14,118,62", "--json")
    boxes = {each["prompt_id"]: each["box"] for each in json.loads(out)["found"]}
    assert code == 0, error
    assert boxes["point"] == pytest.approx(RED, abs=4)
    assert boxes["box"] == pytest.approx(BLUE, abs=4)


def test_prompts_are_removed_and_cleared(ask):
    assert ask("red; blue", "--no-wait")[0] == 0
    assert ask("--remove", "blue")[0] == 0
    assert [row.split()[0] for row in ask("--list")[1].splitlines()[1:]] == ["red"]
    assert ask("--clear")[0] == 0
    assert json.loads(ask("--list", "--json")[1]) == []


def test_nothing_found_has_an_exit_code_of_its_own(ask):
    code, out, _ = ask("green")
    assert (code, out) == (NOTHING_FOUND, "nothing found\n")


def test_once_leaves_the_prompts_in_use(ask, image):
    ask("--clear")
    assert ask("--once", "red; blue", "--json")[0] == 0
    code, out, _ = ask("--image", image, "blue", "--click", "20,20")
    assert code == 0
    assert {row.split()[0] for row in out.splitlines()} == {"blue", "point"}
    assert json.loads(ask("--list", "--json")[1]) == []
    assert ask("--once", "green")[0] == NOTHING_FOUND


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--click", "5000,20"], "128x96"),
        (["--once", "--click", "5000,20"], "128x96"),
        (["--remove", "nobody"], "'nobody'"),
        (["--node", "other", "red"], "no segmentation node /other runs in ROS_DOMAIN_ID="),
        (["--of", "left", "red"], "does not listen to /segmentation_node/left/prompt/text"),
        (["--once", "--of", "left", "red"], "no camera 'left'"),
        (["--image", "missing.png", "red"], "missing.png"),
        ([], "nothing is asked"),
        (["--list", "red"], "ask nothing"),
    ],
)
def test_a_refusal_is_one_row_with_its_reason(monkeypatch, ask, arguments, words):
    if "other" in arguments:
        monkeypatch.setattr(nodes, "_LOOK_SECONDS", IN_VAIN)
    if "--of" in arguments:
        monkeypatch.setattr(standing, "_CONNECT_SECONDS", IN_VAIN)
    code, _, error = ask(*arguments)
    assert code == FAILED
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--click", "5"], "expected X,Y"),
        (["--click", "a,b"], "expected X,Y"),
        (["--box", "9,9,1,1"], "two corners"),
        (["--patience", "0", "red"], "expected seconds"),
    ],
)
def test_a_malformed_option_is_refused(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        main(["ask", *arguments])
    assert ended.value.code == FAILED
    assert words in capsys.readouterr().err


def test_without_a_node_the_domain_is_named(monkeypatch, capsys):
    with own_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        monkeypatch.setattr(nodes, "_LOOK_SECONDS", IN_VAIN)
        assert main(["ask", "red"]) == FAILED
    said = capsys.readouterr().err
    assert f"no segmentation node runs in ROS_DOMAIN_ID={domain}" in said
    assert "sam3-ros node" in said
