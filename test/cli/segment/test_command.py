from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import colour_scene, iou, patch_mask

from sam3_ros.cli.main import main
from sam3_ros.core.image_file import write_png

RED, BLUE = (20, 30, 90, 110), (200, 40, 300, 180)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "table.png"
    write_png(path, colour_scene(240, 320, {"red": RED, "blue": BLUE}))
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers"


def segment(bundle: Path, *arguments: object) -> int:
    common = ["--bundle", bundle, "--threads", "1"]
    return main([str(argument) for argument in ("segment", *arguments, *common)])


def test_words_points_and_boxes_are_answered_in_files(
    sam3_bundle_path: Path, picture: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--text", "red", "--text", "green", "--point", "250,100", "--box", "20,30,90,110")
    assert segment(sam3_bundle_path, picture, *asked, "--out", answers) == 0
    (answer,) = json.loads((answers / "segments.json").read_text())["images"]
    assert answer["label_values"] == {"red": 1, "green": 2, "point": 3, "box": 4}
    assert [found["prompt_id"] for found in answer["segments"]] == ["red", "point", "box"]
    assert (answer["width"], answer["height"]) == (320, 240)
    np.testing.assert_allclose(answer["segments"][0]["box"], RED, atol=11)
    with Image.open(answer["labels"]) as labels:
        assert labels.size == (320, 240)
        assert iou(np.array(labels) == 3, patch_mask(240, 320, BLUE)) > 0.9
    with Image.open(answer["overlay"]) as overlay, Image.open(picture) as original:
        assert overlay.size == original.size
        assert (np.array(overlay) != np.array(original)).any()
    assert "3 segments" in capsys.readouterr().out


def test_json_is_the_file_that_was_written(
    sam3_bundle_path: Path, picture: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(sam3_bundle_path, picture, "--text", "red", "--out", answers, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((answers / "segments.json").read_text())
    assert printed["images"][0]["segments"][0]["area"] > 5000


def test_pictures_of_the_same_name_do_not_overwrite_each_other(
    sam3_bundle_path: Path, picture: Path, answers: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "table.png"
    other.parent.mkdir()
    write_png(other, colour_scene(100, 120, {"blue": (5, 5, 40, 40)}))
    assert segment(sam3_bundle_path, picture, other, "--text", "red", "--out", answers) == 0
    written = {path.name for path in answers.iterdir()}
    assert written == {
        "segments.json",
        "table_labels.png",
        "table_overlay.png",
        "table_1_red.png",
        "table-2_labels.png",
        "table-2_overlay.png",
        ".sam3-ros-written",
    }


def test_a_negative_point_joins_the_positive_ones(
    sam3_bundle_path: Path, picture: Path, answers: Path
) -> None:
    asked = ("--point", "280,60", "--negative-point", "220,160")
    assert segment(sam3_bundle_path, picture, *asked, "--out", answers) == 0
    with Image.open(answers / "table_labels.png") as picture_of_labels:
        labels = np.array(picture_of_labels)
    assert labels[60, 280] == 1
    assert labels[160, 220] == 0


def test_points_and_box_together_are_one_prompt(
    sam3_bundle_path: Path, picture: Path, answers: Path
) -> None:
    asked = ("--box", "20,30,90,110", "--point", "50,60", "--together")
    assert segment(sam3_bundle_path, picture, *asked, "--out", answers) == 0
    (answer,) = json.loads((answers / "segments.json").read_text())["images"]
    assert answer["label_values"] == {"point+box": 1}


def test_an_exemplar_stands_for_a_word(
    sam3_bundle_path: Path, picture: Path, answers: Path
) -> None:
    asked = ("--exemplar", "20,30,90,110", "--out", answers)
    assert segment(sam3_bundle_path, picture, *asked) == 0
    (answer,) = json.loads((answers / "segments.json").read_text())["images"]
    assert [found["prompt_id"] for found in answer["segments"]] == ["visual"]


def test_a_bad_picture_does_not_keep_the_others_from_their_answers(
    sam3_bundle_path: Path,
    picture: Path,
    answers: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture.read_bytes()[:200])
    images = (cut, tmp_path / "missing.jpg", picture)
    assert segment(sam3_bundle_path, *images, "--text", "red", "--out", answers) == 2
    results = json.loads((answers / "segments.json").read_text())["images"]
    assert ["error" in answer for answer in results] == [True, True, False]
    assert "no image that can be decoded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ((), "nothing is asked"),
        (("--text", ""), "must not be blank"),
        (("--text", "x" * 10_000), "at most 1000 characters"),
        (("--point", "nan,3"), "finite"),
        (("--text", "red \udcff"), "valid Unicode"),
        (("--point", "500,3"), "lies outside the image of 320x240 px"),
        (("--point", "1,2,3"), "pair"),
        (("--box", "90,10,10,90"), "as two corners [x0, y0, x1, y1] with x1 > x0"),
        (("--box", "50,60,20,30"), "as x, y, width, height is written [50, 60, 70, 90]"),
        (("--exemplar", "50,60,20,30"), "as x, y, width, height is written [50, 60, 70, 90]"),
        (("--box", "1,2,3"), "two corners [x0, y0, x1, y1], got [1, 2, 3]"),
        (("--point", "5,5", "--together"), "exactly one --box"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(
    sam3_bundle_path: Path,
    picture: Path,
    answers: Path,
    capsys: pytest.CaptureFixture[str],
    asked: tuple[str, ...],
    reason: str,
) -> None:
    assert segment(sam3_bundle_path, picture, *asked, "--out", answers) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


@pytest.mark.parametrize("asked", [("--point", "a,b"), ("--box", "1;2;3;4"), ("--threads", "0")])
def test_what_is_no_number_is_a_usage_error(
    sam3_bundle_path: Path, picture: Path, answers: Path, asked: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        segment(sam3_bundle_path, picture, *asked, "--out", answers)
    assert stopped.value.code == 2


def test_the_model_options_reach_the_segmenter(
    sam3_bundle_path: Path, picture: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--text", "red", "--out", answers)
    assert segment(sam3_bundle_path, picture, *asked, "--precision", "fp16") == 0
    assert segment(sam3_bundle_path, picture, *asked, "--precision", "int4") == 2
    assert "int4" in capsys.readouterr().err
    assert segment(sam3_bundle_path, picture, *asked, "--backend", "abacus") == 2
    assert "no backend 'abacus'" in capsys.readouterr().err


def test_a_word_and_a_click_of_one_name_stay_two_prompts(
    sam3_bundle_path: Path, picture: Path, answers: Path
) -> None:
    asked = ("--text", "point", "--text", "box", "--point", "50,60", "--box", "20,30,90,110")
    assert segment(sam3_bundle_path, picture, *asked, "--out", answers) == 0
    (answer,) = json.loads((answers / "segments.json").read_text())["images"]
    assert answer["label_values"] == {"point": 1, "box": 2, "point 2": 3, "box 2": 4}


def test_a_file_name_that_is_no_text_is_printed_all_the_same(
    sam3_bundle_path: Path, picture: Path, answers: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "caf\udce9.png"
    odd.write_bytes(picture.read_bytes())
    command = [sys.executable, "-m", "sam3_ros.cli.main", "segment", odd, "--text", "red"]
    done = subprocess.run(
        [*command, "--out", answers, "--bundle", sam3_bundle_path, "--threads", "1"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"caf\udce9.png: 1 segments" in done.stdout


def test_a_semicolon_separates_phrases(
    sam3_bundle_path: Path, picture: Path, answers: Path
) -> None:
    assert segment(sam3_bundle_path, picture, "--text", "red; blue", "--out", answers) == 0
    (answer,) = json.loads((answers / "segments.json").read_text())["images"]
    assert answer["label_values"] == {"red": 1, "blue": 2}
    assert [found["label"] for found in answer["segments"]] == ["red", "blue"]


def test_what_to_know_of_a_prompt_is_told_once_and_is_in_the_json(
    sam3_bundle_path: Path,
    picture: Path,
    answers: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(picture.read_bytes())
    asked = ("--text", "red, blue", "--point", "-5,-5")
    assert segment(sam3_bundle_path, picture, other, *asked, "--out", answers, "--json") == 0
    output = capsys.readouterr()
    told = [line.removeprefix("sam3-ros: warning: ") for line in output.err.splitlines()]
    assert len([line for line in told if "phrases are separated by ';'" in line]) == 1
    assert len([line for line in told if "the point (-5, -5) lies outside" in line]) == 1
    for answer in json.loads(output.out)["images"]:
        assert answer["warnings"]
        assert set(answer["warnings"]) <= set(told)


def test_a_folder_is_segmented_again_and_again_into_itself(
    sam3_bundle_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = picture.parent
    (folder / "notes.txt").write_text("mine")
    asked = (folder, "--text", "red", "--out", folder)
    assert segment(sam3_bundle_path, *asked) == 0
    first = {path.name for path in folder.iterdir()}
    capsys.readouterr()
    assert segment(sam3_bundle_path, *asked, "--json") == 0
    output = capsys.readouterr()
    document = json.loads(output.out)

    assert [answer["image"] for answer in document["images"]] == [str(picture)]
    assert "(written by sam3-ros)" in document["warnings"][0]
    assert document["warnings"][0] in output.err
    assert {path.name for path in folder.iterdir()} == first


def test_what_a_person_changed_is_not_overwritten(
    sam3_bundle_path: Path, picture: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(sam3_bundle_path, picture, "--text", "red", "--out", answers) == 0
    (answers / "table_labels.png").write_bytes(b"corrected by hand")
    before = {path.name: path.read_bytes() for path in answers.iterdir()}
    capsys.readouterr()
    assert segment(sam3_bundle_path, picture, "--text", "blue", "--out", answers) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "table_labels.png" in output.err
    assert {path.name: path.read_bytes() for path in answers.iterdir()} == before
    assert segment(sam3_bundle_path, picture, "--text", "blue", "--out", answers, "--force") == 0


def test_a_name_with_control_characters_stays_one_row(
    sam3_bundle_path: Path, picture: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = picture.rename(picture.with_name("new\nline \x1b[31m.png"))
    missing = odd.with_name("no\nsuch.png")
    assert segment(sam3_bundle_path, odd, missing, "--text", "green", "--out", answers) == 2
    told = capsys.readouterr()
    assert r"new\nline \x1b[31m.png: 0 segments -> " in told.out
    assert len(told.out.splitlines()) == 1
    assert len(told.err.splitlines()) == 1
    assert "\x1b" not in told.out + told.err
