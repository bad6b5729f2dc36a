from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scenes import colour_scene

from sam3_ros.cli.main import main
from sam3_ros.core.image_file import write_png


def bench(bundle: Path, *arguments: object) -> int:
    common = ["bench", "--bundle", bundle, "--frames", "2", "--threads", "1"]
    return main([str(argument) for argument in (*common, *arguments)])


def test_every_stage_and_the_whole_are_timed(
    sam3_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(tmp_path / "red.png", colour_scene(480, 640, {"red": (300, 200, 500, 300)}))
    picture = ("--image", tmp_path / "red.png", "--text", "red", "--json")
    assert bench(sam3_bundle_path, *picture) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["width"], document["height"]) == (640, 480)
    scenarios = {found["key"]: found for found in document["scenarios"]}
    assert list(scenarios) == [
        "text_new_frame",
        "text_absent",
        "second_text_seen_frame",
        "prompts_new_frame",
        "cameras_round_robin",
        "click_new_frame",
        "click_seen_frame",
    ]
    click, seen = scenarios["click_new_frame"], scenarios["click_seen_frame"]
    assert list(scenarios["text_new_frame"]["steps"]) == [
        "preprocess",
        "image_trunk",
        "detector_neck",
        "geometry",
        "fusion",
        "decoder",
        "scoring",
        "segmentation",
        "postprocess",
        "end to end",
    ]
    assert "tracker_neck" in click["steps"]
    assert list(seen["steps"]) == ["prompt_encoder", "mask_decoder", "postprocess", "end to end"]
    absent = scenarios["text_absent"]
    assert absent["segments"] == 0
    assert "segmentation" not in absent["steps"]
    assert not {"image_trunk", "text"} & {*scenarios["second_text_seen_frame"]["steps"]}
    for key, scenario in scenarios.items():
        assert scenario["per_second"] > 0
        assert scenario["segments"] >= (key != "text_absent")
        for time in scenario["steps"].values():
            assert 0 <= time["median_ms"] <= time["p95_ms"]


def test_the_table_is_for_people(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(sam3_bundle_path) == 0
    out = capsys.readouterr().out
    assert "640x480" in out
    assert "per second" in out
    assert "end to end" in out


def test_a_bundle_without_words_is_timed_by_clicks(
    mobile_sam_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(mobile_sam_bundle_path, "--json") == 0
    titles = [found["scenario"] for found in json.loads(capsys.readouterr().out)["scenarios"]]
    assert titles == [
        "one click, every frame new",
        "one click on a seen frame",
        "2 cameras round robin, one click: for each frame",
    ]


def test_a_picture_and_a_size_may_be_given(
    sam3_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(tmp_path / "grey.png", np.full((50, 60, 3), 128, np.uint8))
    picture = ("--image", tmp_path / "grey.png", "--size", "200x100", "--json")
    assert bench(sam3_bundle_path, *picture) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["width"], document["height"]) == (200, 100)
    absent = next(each for each in document["scenarios"] if each["key"] == "text_absent")
    assert "segmentation" not in absent["steps"]


@pytest.mark.parametrize(
    "bad", [("--size", "640"), ("--size", "0x5"), ("--size", "99999x9"), ("--frames", "0")]
)
def test_bad_numbers_are_usage_errors(sam3_bundle_path: Path, bad: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench(sam3_bundle_path, *bad)
    assert stopped.value.code == 2


def test_a_missing_picture_is_told(
    sam3_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(sam3_bundle_path, "--image", tmp_path / "none.jpg") == 2
    assert "cannot read the image" in capsys.readouterr().err


def test_the_shipped_picture_and_bundle_are_the_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--frames", "2", "--threads", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bundle"] == "tabletop"
    assert document["scenarios"][0]["segments"] == 1  # the table has one red cube
