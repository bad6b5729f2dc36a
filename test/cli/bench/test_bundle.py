from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scenes import colour_scene

from sam3_ros.bench.instruments import graph_work
from sam3_ros.cli import needs
from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.image_file import write_png

pytestmark = pytest.mark.long


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


def test_json_tells_arithmetic_limits_memory_and_files(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(sam3_bundle_path, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    machine = document["machine"]
    assert machine["gemm_gflops"].keys() == {"cpu fp32"}
    assert min(machine["gemm_gflops"]["cpu fp32"], machine["bandwidth_gb_s"]) > 0
    resident = document["resident_bytes"]
    assert 10e6 < resident["loaded"] <= resident["answering"]
    stages = Bundle.open(sam3_bundle_path).manifest.stages_in_use
    assert document["file_bytes"].keys() == {*stages}
    assert document["flop_counted"]
    for scenario in document["scenarios"]:
        for step, cost in scenario["steps"].items():
            assert (cost["gflop"] is None) == (step in ("preprocess", "postprocess"))
            if step in stages:
                assert cost["runs"] >= 1
                assert cost["mbytes"] > 0
                assert cost["limit_percent"] >= 0
                assert cost["limited_by"] in ("arithmetic", "memory")
                assert cost["unknown"] == []


def test_without_the_library_the_table_says_how_to_get_it(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_work, "find_spec", lambda _: None)
    assert bench(sam3_bundle_path, "--prompts", "1", "--cameras", "1") == 0
    out = capsys.readouterr().out
    assert graph_work.HOW_TO_GET in out
    assert "image_trunk" in out


def test_against_the_plain_chain_ratios_and_likeness_are_told(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = ("--against", "plain", "--rival-bundle", sam3_bundle_path, "--reductions", "--json")
    assert bench(sam3_bundle_path, *baseline, "--text", "red") == 0
    document = json.loads(capsys.readouterr().out)
    (comparison,) = document["against"]
    assert comparison["rival"] == "plain"
    assert str(sam3_bundle_path) in comparison["description"]
    assert [each["key"] for each in comparison["ratios"]] == [
        "text_new_frame",
        "text_absent",
        "second_text_seen_frame",
        "click_new_frame",
        "click_seen_frame",
    ]
    for each in (*comparison["ratios"], *document["reductions"]):
        assert 0 < each["min"] <= each["median"] <= each["max"] < math.inf
    assert comparison["likeness"].keys() == {"text", "click"}
    assert comparison["likeness"]["text"]["equal_pixels"] >= 0.9999


def test_ratios_and_reductions_have_tables_too(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(sam3_bundle_path, "--against", "plain", "--reductions") == 0
    out = capsys.readouterr().out
    assert "against plain: the fp32 files of colours" in out
    assert "of its pixels equal" in out
    assert "masks of kept queries only" in out
    assert "CPU ours/theirs" in out
    assert "without/with" in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--rival-bundle", "tabletop"), "--rival-bundle goes with --against plain"),
        (("--checkpoint", "x.pth"), "--checkpoint goes with --against torch"),
        (("--against", "plain", "--rival-bundle", "nowhere"), "no bundle 'nowhere'"),
        (("--profile", "nowhere.yaml"), "nowhere.yaml"),
        (("--growth", "--against", "plain"), "--against is not for a bench with --growth"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    sam3_bundle_path: Path,
    options: tuple[str, ...],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench(sam3_bundle_path, *options) == 2
    assert told in capsys.readouterr().err


def test_a_baseline_that_answers_less_is_refused(
    sam3_bundle_path: Path, mobile_sam_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = ("--against", "plain", "--rival-bundle", mobile_sam_bundle_path)
    assert bench(sam3_bundle_path, *baseline) == 2
    assert "answers no concept prompts" in capsys.readouterr().err


def test_torch_that_is_not_here_is_told(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "torch" else name)
    assert bench(sam3_bundle_path, "--against", "torch") == 2
    assert "needs torch, which is not here" in capsys.readouterr().err


def test_an_unknown_baseline_is_a_usage_error(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench(sam3_bundle_path, "--against", "tomorrow")
    assert stopped.value.code == 2
    assert "expected plain or torch, got 'tomorrow'" in capsys.readouterr().err


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


@pytest.mark.parametrize(("text", "reason"), [("red; blue", "one phrase, got 2"), (" ;", "blank")])
def test_several_phrases_or_none_are_refused(
    text: str, reason: str, sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        bench(sam3_bundle_path, "--text", text)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err
