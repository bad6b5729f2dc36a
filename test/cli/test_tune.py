"""`sam3-ros tune` writes a profile that the other commands take, and nothing where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sam3_ros.cli.main import main
from sam3_ros.core.profile.profile_yaml import read_profile
from sam3_ros.core.stages.session import SessionOptions
from sam3_ros.core.tuning import times as stage_times
from sam3_ros.core.tuning.tune import TuneSettings

pytestmark = pytest.mark.long

TABLE = Path(__file__).parents[2] / "sam3_ros" / "demo_data" / "table.jpg"


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_times, "_SECONDS", 0.0)


def test_a_profile_is_written_told_and_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["tune", "tabletop", "--threads", "2"]) == 0
    printed = capsys.readouterr()
    (path,) = (tmp_path / "cache" / "sam3_ros" / "profiles").iterdir()
    assert f"written to {path}" in printed.out
    assert "timing fusion" in printed.err
    assert "a new frame, words:" in printed.out
    assert "taken" in printed.out

    out = str(tmp_path / "out")
    arguments = ["segment", str(TABLE), "--text", "red cube", "--out", out, "--profile", str(path)]
    assert main(arguments) == 0
    answers = json.loads((tmp_path / "out" / "segments.json").read_text())
    assert answers["images"][0]["segments"]

    capsys.readouterr()
    assert main([*arguments, "--backend", "openvino"]) == 2
    assert "leave them at cpu fp32" in capsys.readouterr().err
    document = yaml.safe_load(path.read_text())
    document["machine"]["cpu"] = "Z80"
    path.write_text(yaml.safe_dump(document))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "CPU 'Z80', here" in error
    assert "run sam3-ros tune again" in error


def test_json_for_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mobile_sam_bundle_path: Path
) -> None:
    path = tmp_path / "robot.yaml"
    assert main(["tune", str(mobile_sam_bundle_path), "--out", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    profile = read_profile(path)

    assert document["profile"] == str(path)
    assert document["threads"] == 0
    assert set(document["stages"]) == set(profile.choices)
    assert document["evidence"]["candidates"]


def test_precisions_that_are_chosen_are_all_that_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mobile_sam_bundle_path: Path
) -> None:
    path = tmp_path / "robot.yaml"
    arguments = ["tune", str(mobile_sam_bundle_path), "--out", str(path), "--json"]
    assert main([*arguments, "--precisions", "fp32"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {each["precision"] for each in document["evidence"]["candidates"]} == {"fp32"}
    assert {each["precision"] for each in document["stages"].values()} == {"fp32"}
    assert "precisions other than fp32: not asked for" in document["evidence"]["refused"]

    path.unlink()
    assert main([*arguments, "--precisions", "fp32,fp8"]) == 2
    assert "fp8: no stage" in capsys.readouterr().err
    assert not path.exists()
    with pytest.raises(SystemExit):
        main([*arguments, "--precisions", "fp32,"])
    assert "expected names with commas between" in capsys.readouterr().err


def test_what_cannot_be_tuned_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "robot.yaml"
    assert main(["tune", "no such bundle", "--out", str(path)]) == 2
    assert "no bundle 'no such bundle'" in capsys.readouterr().err
    picture = tmp_path / "none.jpg"
    assert main(["tune", "tabletop", "--out", str(path), "--image", str(picture)]) == 2
    assert "none.jpg" in capsys.readouterr().err
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_told_before_anything_is_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("no folder")
    assert main(["tune", "tabletop", "--out", str(tmp_path / "taken" / "robot.yaml")]) == 2
    told = capsys.readouterr().err
    assert "cannot use" in told
    assert "timing" not in told


@pytest.mark.parametrize("device", ["-1", "64", "gpu"])
def test_a_gpu_that_the_node_would_not_take_is_refused(
    device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["tune", "tabletop", f"--device-id={device}"])
    assert "expected a whole number from 0 to 63" in capsys.readouterr().err


def test_the_gpu_that_is_asked_for_is_the_one_that_is_tried(
    tmp_path: Path, mobile_sam_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TuneSettings] = []

    def remember(settings: TuneSettings) -> SessionOptions:
        asked.append(settings)
        return SessionOptions(threads=settings.threads)

    monkeypatch.setattr(TuneSettings, "session_options", property(remember))
    out = str(tmp_path / "robot.yaml")
    assert main(["tune", str(mobile_sam_bundle_path), "--out", out, "--device-id", "3"]) == 0
    assert {each.device_id for each in asked} == {3}


@pytest.mark.parametrize("gain", ["0.5", "fast", "inf", "nan"])
def test_a_gain_that_is_none_is_refused(gain: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tune", "tabletop", "--least-gain", gain])
    assert "expected a number from 1" in capsys.readouterr().err
