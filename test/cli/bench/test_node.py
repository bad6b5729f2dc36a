"""`sam3-ros bench --node` as a user types it: a real node, over DDS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from node_client import PATIENCE
from node_under_test import ENVIRONMENT
from ros_domains import own_domain
from scenes import colour_scene
from sensor_msgs.msg import Image

from sam3_ros.cli import needs
from sam3_ros.cli.main import main
from sam3_ros.core.image_file import write_png
from sam3_ros.replay.client.spinning import SpinningNode

pytestmark = pytest.mark.long

BENCH = (sys.executable, "-m", "sam3_ros.cli.main", "bench", "--node")
FEW = ("--frames", "3", "--rate", "20", "--clicks", "2", "--threads", "1")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a picture with a red patch in its middle."""
    path = tmp_path_factory.mktemp("picture") / "red.png"
    write_png(path, colour_scene(120, 160, {"red": (50, 40, 110, 80)}))
    return path


def bench(bundle: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    with own_domain() as domain:
        return bench_in(domain, bundle, *arguments)


def bench_in(domain: int, bundle: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BENCH, "--bundle", bundle, "--domain", str(domain), *map(str, arguments)],
        env={**os.environ, **ENVIRONMENT},
        text=True,
        capture_output=True,
        timeout=4 * PATIENCE,
    )


@pytest.fixture(scope="module")
def document(sam3_bundle_path: Path, picture: Path) -> dict[str, Any]:
    """Return the JSON of a bench of two image sizes, raw and compressed."""
    sizes = ("--sizes", "160x120,320x240")
    done = bench(sam3_bundle_path, *FEW, *sizes, "--image", picture, "--text", "red", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def frame_cases(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [case for case in document["cases"] if case["frames"] is not None]


def test_each_transport_size_and_pace_is_a_case(document: dict[str, Any]) -> None:
    paces = ["as fast as answered", "first click on a frame", "next click on it", "20 a second"]
    told = [(c["transport"], c["width"], c["height"], c["pace"]) for c in document["cases"]]

    assert told == [
        (transport, width, height, pace)
        for transport in ("raw", "compressed")
        for width, height in ((160, 120), (320, 240))
        for pace in paces
    ]
    assert document["parameters"]["prompts"] == '["red"]'
    assert document["fastdds_profile"].endswith("fastdds.xml")


def test_every_frame_is_accounted_for(document: dict[str, Any]) -> None:
    assert document["complete"] is True
    for case in frame_cases(document):
        frames = case["frames"]
        lost = frames["lost_to_node"] + frames["lost_from_node"]
        assert frames["sent"] == 3
        assert frames["unaccounted"] == 0
        assert frames["answered"] + sum(frames["dropped"].values()) + lost == 3


def test_raw_and_compressed_frames_and_clicks_are_answered(document: dict[str, Any]) -> None:
    for case in document["cases"]:
        if case["pace"] == "20 a second":  # where a busy machine may drop them all
            continue
        clicks = {"first click on a frame": 1, "next click on it": 2}
        assert case["latency"]["answers"] == clicks.get(case["pace"], 3)
        assert 0.05 < case["covered"] < 0.5, "the red is in the mask, and more is not"
        assert case["per_second"] > 0
    raw, compressed = (
        {case["message_bytes"] for case in document["cases"] if case["transport"] == transport}
        for transport in ("raw", "compressed")
    )
    assert max(compressed) < min(raw)


def test_tracked_texts_are_tracked(sam3_bundle_path: Path, picture: Path) -> None:
    only = ("--sizes", "160x120", "--transports", "raw", "--rate", "0")
    asked = ("--image", picture, "--text", "red", "--tracked", "2", "--json")
    done = bench(sam3_bundle_path, *FEW[:2], *FEW[-2:], *only, *asked)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["parameters"]["tracking"] == "true"
    assert document["parameters"]["prompts"] == '["red", "white ball"]'
    (case,) = document["cases"]
    assert case["tracked"] >= 1


def test_the_parts_add_up_to_the_whole(document: dict[str, Any]) -> None:
    for case in document["cases"]:
        latency = case["latency"]
        if latency is None:
            continue
        mean = {part: spread["mean"] for part, spread in latency["parts"].items()}
        outside = ("sending", "to the node", "waiting", "mask over DDS", "mask read")
        whole = latency["total"]["mean"]
        assert sum(mean.values()) == pytest.approx(whole, abs=0.01)
        overhead = whole - mean["sessions"]
        assert latency["overhead"]["mean"] == pytest.approx(overhead, abs=0.01)
        in_node = overhead - sum(mean[part] for part in outside)
        assert latency["in_node"]["mean"] == pytest.approx(in_node, abs=0.01)


def test_a_frame_has_the_steps_that_a_click_on_it_spares(document: dict[str, Any]) -> None:
    frame, first, following, _ = (case["latency"]["parts"] for case in document["cases"][:4])

    assert {"convert", "preprocess", "sessions", "postprocess", "messages"} <= set(frame)
    for click in (first, following):
        assert {"sessions", "postprocess", "messages"} <= set(click)
        assert not {"convert", "preprocess"} & set(click)
    for part in (*frame.values(), *following.values()):
        assert part["median"] <= part["p95"] <= part["worst"]


def test_the_node_process_is_watched(document: dict[str, Any]) -> None:
    for case in document["cases"]:
        use = case["use"]
        assert use["cpu_percent"] >= 0
        assert 2**20 < use["resident"] <= use["resident_peak"]
    assert sum(case["use"]["cpu_percent"] for case in document["cases"]) > 0


def test_a_bundle_without_words_is_asked_by_a_point_and_told_in_a_table(
    mobile_sam_bundle_path: Path, picture: Path
) -> None:
    done = bench(
        *(mobile_sam_bundle_path, "--frames", "3", "--rate", "0", "--clicks", "2"),
        *("--sizes", "160x120", "--transports", "raw", "--image", picture, "--encoding", "rgb8"),
        *("-p", "threads:=1"),
    )

    assert done.returncode == 0, done.stderr
    assert "{id: middle, point: [80, 60]}" in done.stdout
    assert "3 sent, 3 answered" in done.stdout
    assert "first click" in done.stdout and "next click" in done.stdout
    for said in ("worst", "overhead", "in node", "CPU ms", "to the node", "fastdds.xml"):
        assert said in done.stdout


def test_clicks_whose_frame_is_dropped_are_told_without_answers(
    sam3_bundle_path: Path, picture: Path
) -> None:
    done = bench(
        *(sam3_bundle_path, "--frames", "3", "--rate", "0", "--clicks", "2", "--threads", "1"),
        *("--sizes", "160x120", "--transports", "raw", "--image", picture, "--text", "red"),
        *("-p", "max_rate:=0.001"),
    )

    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.endswith("0 clicks answered")]
    assert [("first" in row, "next" in row) for row in rows] == [(True, False), (False, True)]
    assert all("no answer" in row for row in rows)


def test_a_node_that_does_not_come_up_says_why(sam3_bundle_path: Path, picture: Path) -> None:
    done = bench(sam3_bundle_path, *FEW, "--image", picture, "-p", "prompts:=['{point: [1]}']")

    assert done.returncode == 2
    assert "'{point: [1]}'" in done.stderr


def test_a_prompt_that_does_not_fit_is_told(sam3_bundle_path: Path, picture: Path) -> None:
    prompts = "prompts:=['{point: [500, 5]}']"
    done = bench(sam3_bundle_path, *FEW, "--sizes", "160x120", "--image", picture, "-p", prompts)

    assert done.returncode == 2
    assert "the node refused the prompt of the bench" in done.stderr


def test_another_camera_in_the_domain_is_refused(sam3_bundle_path: Path, picture: Path) -> None:
    with own_domain() as domain, SpinningNode("other", domain) as other:
        other.node.create_publisher(Image, "/image", 1)
        done = bench_in(domain, sam3_bundle_path, *FEW, "--image", picture)

    assert done.returncode == 2
    assert "another node publishes /image in this ROS domain" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--transports", "raw,smoke"), "raw, compressed or both"),
        (("--rate", "-1"), "frames a second, or 0"),
        (("--rate", "often"), "frames a second, or 0"),
        (("--clicks", "-1"), "whole number from 0"),
        (("--sizes", "big"), "WIDTHxHEIGHT"),
        (("-p", "threads=1"), "NAME:=VALUE"),
    ],
)
def test_options_of_a_wrong_form_are_refused(
    arguments: tuple[str, str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "--node", *arguments])
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-p", "score_treshold:=0.5"), "the node has no such parameter"),
        (("--size", "64x48"), "--size is not for a bench with --node; give --sizes"),
        (("--size", "640x480"), "--size is not for a bench with --node; give --sizes"),
        (("--reductions",), "--reductions is not for a bench with --node"),
        (("--against", "plain"), "--against is not for a bench with --node"),
        (("--plot", "g.png"), "--plot is not for a bench with --node"),
        (("--bundle", "absent"), "no bundle 'absent'"),
        (("--image", "absent.png"), "absent.png"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--node", *arguments]) == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]


def test_without_ros_it_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "rclpy" else name)
    assert main(["bench", "--node"]) == 2
    assert "make build" in capsys.readouterr().err
