"""`sam3-ros evaluate` on frames whose objects are known to the pixel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_scenes import AnnotatedScenes, write_annotated_scenes
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sam3_ros.cli import needs
from sam3_ros.cli.main import main
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.masks import iou, mask_bounds
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

ABSENT = ("yellow star", "banana")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedScenes:
    return write_annotated_scenes(tmp_path_factory.mktemp("scenes"), 2, ABSENT)


@pytest.fixture
def evaluated(
    scenes: AnnotatedScenes, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Return a function that evaluates tabletop, and gives the exit code and the JSON."""

    def run(*more: object, coco: Path = scenes.file, images: Path = scenes.folder) -> Any:
        files = ("--coco", coco, "--images", images)
        words = ("evaluate", "tabletop", *files, "--threads", 1, "--json", *more)
        code = main([str(word) for word in words])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_names_are_asked_for_and_what_is_not_there_stays_unanswered(
    evaluated: Any, scenes: AnnotatedScenes, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.json"
    code, found = evaluated("--answers", answers)
    figures = found["figures"]
    assert code == 0 and found["pictures"] == 2
    assert figures["objects"] == sum(map(len, scenes.masks.values()))
    assert figures["mean_iou_of_matched"] > 0.9 and figures["recall"] > 0.9
    assert figures["absent"] == 2 * len(ABSENT)
    assert figures["absent_answered_with_nothing"] == 1
    rows = {row["name"]: row for row in found["categories"]}
    assert rows["red cube"]["objects"] == 2 and rows["banana"]["objects"] == 0
    assert any("does not know 'banana'" in remark for remark in found["remarks"])
    assert any("categories have no object" in remark for remark in found["remarks"])
    # What COCO's own code makes of the file and of the answers that were written.
    truth = COCO(str(with_ids_from_1(scenes, tmp_path)))
    judge = COCOeval(truth, truth.loadRes(str(answers)), "segm")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert found["figures"]["AP"] == pytest.approx(judge.stats[0], abs=1e-4)
    assert found["figures"]["AP75"] == pytest.approx(judge.stats[2], abs=1e-4)


def with_ids_from_1(scenes: AnnotatedScenes, folder: Path) -> Path:
    """COCOeval takes an object of id 0 for none."""
    numbered = [{**each, "id": each["id"] + 1} for each in scenes.document["annotations"]]
    return scenes.changed(folder / "numbered.json", annotations=numbered)


def test_boxes_of_the_truth_are_answered_as_the_segmenter_answers_them(
    evaluated: Any, scenes: AnnotatedScenes
) -> None:
    name, masks = next(iter(scenes.masks.items()))
    true = [mask for mask in masks.values() if mask.any()]
    with Segmenter.load("tabletop", threads=1) as segmenter:
        image = segmenter.encode_image(read_rgb(scenes.folder / name))
        prompts = [InteractivePrompt(box=bounds_of(mask)) for mask in true]
        answers = segmenter.ask(image, prompts).by_prompt
    ious = [iou(found[0].mask, mask) for found, mask in zip(answers, true, strict=True)]

    code, found = evaluated("--prompt", "box", "--limit", 1)
    assert code == 0
    assert found["figures"]["mean_iou"] == pytest.approx(np.mean(ious), abs=1e-4)
    assert found["figures"]["objects"] == len(true)
    assert "the first 1 of 2 pictures of the file" in found["remarks"]


def bounds_of(mask: np.ndarray) -> Box:
    bounds = mask_bounds(mask)
    assert bounds is not None
    return bounds


def test_clicks_correct_the_answer_before(evaluated: Any) -> None:
    _, found = evaluated("--prompt", "point", "--clicks", 2, "--limit", 1)
    figures = found["figures"]
    # The first leaves little to correct: a click that does not know the answer before costs more.
    assert figures["mean_iou"] != figures["mean_iou_after_1"]
    assert figures["mean_iou"] > figures["mean_iou_after_1"] - 0.002 > 0.85
    _, once = evaluated("--prompt", "point", "--limit", 1)
    assert once["figures"]["mean_iou"] == figures["mean_iou_after_1"]


def test_what_cannot_be_measured_is_counted(
    evaluated: Any, scenes: AnnotatedScenes, tmp_path: Path
) -> None:
    pictures, annotations = scenes.document["images"], scenes.document["annotations"]
    shutil.copy(scenes.folder / "frame_0.jpg", tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    names = {"frame_0.jpg": {}, "absent.jpg": {}, "broken.jpg": {}, "frame_0.jpg ": {"width": 320}}
    listed = [
        {**pictures[0], "id": number, "file_name": name.strip(), **other}
        for number, (name, other) in enumerate(names.items())
    ]
    listed.append({**listed[1], "id": len(listed)})  # one file under two ids
    odd = [
        {**annotations[0], "segmentation": [[1, 1, 5, 5]]},
        {**annotations[0], "iscrowd": 1},
        {**annotations[1], "bbox": [0, 0, 0, 0]},
        {**annotations[2], "bbox": [5000, 0, 10, 10]},
        {**annotations[0], "category_id": 99},
    ]
    file = scenes.changed(tmp_path / "odd.json", images=listed, annotations=odd)
    code, found = evaluated("--prompt", "box", coco=file, images=tmp_path)
    assert code == 2
    assert found["pictures"] == 1 and found["figures"]["objects"] == 2
    reasons = found["pictures_left_out"]
    assert "No such file" in reasons["absent.jpg"]
    assert "No such file" in reasons["absent.jpg (id 4)"]
    assert "is no image" in reasons["broken.jpg"]
    assert reasons["frame_0.jpg"] == "it has 640x480 px, and 320x480 in the annotation file"
    assert found["annotations_left_out"] == {
        "of a category that the file does not list": 1,
        "with a polygon of fewer than three corners": 1,
    }
    assert {
        "2 annotations without a box on their picture: it was drawn around the mask",
        "1 crowds were not pointed at; --crowds does it",
    } <= set(found["remarks"])


def test_an_answer_that_lies_in_a_crowd_is_neither_right_nor_wrong(
    evaluated: Any, scenes: AnnotatedScenes, tmp_path: Path
) -> None:
    crowds = [{**each, "iscrowd": 1} for each in scenes.document["annotations"]]
    file = scenes.changed(tmp_path / "crowds.json", annotations=crowds)
    code, found = evaluated("--limit", 1, "--categories", "purple ball", coco=file)
    figures = found["figures"]
    assert code == 0  # there were answers
    assert (figures["objects"], figures["answers"], figures["absent"]) == (0, 0, 0)
    assert figures["AP"] is None


def test_only_what_was_looked_for_in_vain_is_absent_where_the_file_says_so(
    evaluated: Any, scenes: AnnotatedScenes, tmp_path: Path
) -> None:
    star = next(c["id"] for c in scenes.document["categories"] if c["name"] == "yellow star")
    listed = [{**each, "neg_category_ids": [star]} for each in scenes.document["images"]]
    file = scenes.changed(tmp_path / "lvis.json", images=listed)
    _, found = evaluated("--limit", 1, "--categories", "banana; yellow star; red cube", coco=file)
    assert found["figures"]["absent"] == 1
    assert any("neg_category_ids" in remark for remark in found["remarks"])


def test_a_person_gets_a_table(scenes: AnnotatedScenes, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "tabletop", "--coco", str(scenes.file), "--images", str(scenes.folder)]
    assert main([*words, "--limit", "1", "--categories", "red cube; banana", "--threads", "1"]) == 0
    output = capsys.readouterr()
    assert "1 pictures, by name" in output.out
    assert "red cube" in output.out and "absent answered with nothing  1.0000" in output.out
    assert "0 of 1 pictures" in output.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--clicks", "2"), "--clicks does not go with --prompt text"),
        (("--prompt", "box", "--least-score", "0.2"), "--least-score does not go with"),
        (("--categories", "mug"), "has no category 'mug'"),
        (("--images", "absent"), "expected the folder of the pictures, got absent"),
        (("--images", "."), "none of 2 pictures could be asked; the first: cannot read the image"),
        (("--answers", "pyproject.toml"), "pyproject.toml exists; it is not overwritten"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    words: tuple[str, ...], reason: str, scenes: AnnotatedScenes, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--coco", str(scenes.file), "--images", str(scenes.folder)]
    assert main(["evaluate", "tabletop", *files, *words]) == 2
    assert reason in capsys.readouterr().err


def test_the_annotations_are_not_overwritten_by_the_answers(
    scenes: AnnotatedScenes, capsys: pytest.CaptureFixture[str]
) -> None:
    before = scenes.file.read_bytes()
    files = ["--coco", str(scenes.file), "--images", str(scenes.folder)]
    assert main(["evaluate", "tabletop", *files, "--answers", str(scenes.file), "--force"]) == 2
    assert "has the annotations: name another file" in capsys.readouterr().err
    assert scenes.file.read_bytes() == before


def test_an_evaluation_without_an_answer_says_so(
    scenes: AnnotatedScenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twins = [{**each, "name": "yellow star"} for each in scenes.document["categories"]]
    file = scenes.changed(tmp_path / "twins.json", categories=twins)
    files = ["--coco", str(file), "--images", str(scenes.folder)]
    assert main(["evaluate", "tabletop", *files, "--limit", "1"]) == 1
    out, err = capsys.readouterr()
    assert "by the same words" in out and "wrong for the others: yellow star" in out
    assert err.endswith("sam3-ros: nothing was answered\n")


def test_a_bundle_without_words_is_evaluated_by_clicks(
    mobile_sam_bundle_path: Path, scenes: AnnotatedScenes, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--coco", str(scenes.file), "--images", str(scenes.folder)]
    assert main(["evaluate", str(mobile_sam_bundle_path), *files]) == 2
    assert "it can be evaluated with --prompt point or box" in capsys.readouterr().err
    # Another rule chooses among the same masks.
    by = ["--prompt", "box", "--limit", "1", "--json"]
    figures = []
    for choice in ("bundle", "best"):
        main(["evaluate", str(mobile_sam_bundle_path), *files, *by, "--mask-choice", choice])
        figures.append(json.loads(capsys.readouterr().out)["figures"])
    assert figures[0]["objects"] == figures[1]["objects"] > 0


def test_without_pycocotools_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "pycocotools" else name)
    assert main(["evaluate", "tabletop", "--coco", "a.json", "--images", "."]) == 2
    assert "pip install 'sam3_ros[evaluate]'" in capsys.readouterr().err
