"""A verdict as JSON, as JUnit XML and in pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import cv2
import numpy as np
from bags import IMAGES, START_NS, frame, write_bag
from golden_scenes import RED, answer, golden

from sam3_ros.core.out_folder import OutFolder
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.golden.expectation import Judging
from sam3_ros.replay.golden.judge import GoldenJudge, WorstFrame
from sam3_ros.replay.golden.verdicts import (
    CheckVerdict,
    PromptVerdict,
    ReplayVerdict,
    junit_text,
    write_junit,
)
from sam3_ros.replay.golden.worst_frames import worst_picture, write_worst_frames

WRONG = PromptVerdict("side", 'a "<thing>\x00', 9, 0.912, 0.4, "17.5", 0.01, 1, 0, ("IoU 0.400",))
VERDICT = ReplayVerdict(
    "my_bag",
    "kept",
    12.5,
    10,
    (PromptVerdict("front", "red cube", 10, 0.99, 0.97, "17.2", 0.002, 0, 0), WRONG),
    (CheckVerdict("frames", "10 judged"), CheckVerdict("stamps", "1 wrong", ("frame_id 'x'",))),
    ("out/worst_1.png",),
)


def test_the_document_is_json():
    document = json.loads(json.dumps(VERDICT.document()))
    assert document["passed"] is False
    assert [prompt["passed"] for prompt in document["prompts"]] == [True, False]
    assert document["checks"][1]["failures"] == ["frame_id 'x'"]


def test_junit_has_a_testcase_a_check(tmp_path):
    path = tmp_path / "reports" / "junit.xml"
    write_junit(VERDICT, path)
    suites = ElementTree.parse(path).getroot()
    (suite,) = suites
    assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
    assert suite.attrib == {
        "name": "my_bag against kept",
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
        "time": "12.500",
    }
    cases = suite.findall("testcase")
    named = [(case.get("classname"), case.get("name")) for case in cases]
    assert named == [
        ("sam3_ros.replay.front", "prompt red cube"),
        ("sam3_ros.replay.side", 'prompt a "<thing>\ufffd'),
        ("sam3_ros.replay", "frames"),
        ("sam3_ros.replay", "stamps"),
    ]
    failures = [case.find("failure") for case in cases]
    assert [None if f is None else f.get("message") for f in failures] == [
        *(None, "IoU 0.400", None, "frame_id 'x'")
    ]
    assert "mean IoU 0.9120" in (failures[1].text or "")
    assert suite.findtext("system-out") == "out/worst_1.png"


def test_junit_without_a_failure_says_so():
    whole = ReplayVerdict("bag", "kept", 1.0, 1, (), VERDICT.checks[:1])
    assert ' failures="0"' in junit_text(whole)
    assert "<failure" not in junit_text(whole)


def worst_of(tmp_path, *pairs) -> list[WorstFrame]:
    kept = golden(tmp_path / "kept", *(one for one, _ in pairs))
    judge = GoldenJudge(kept, Judging(), lambda _camera, _stamp_ns: True, worst=2)
    for _, got in pairs:
        judge.answered(got)
    return judge.worst


def test_only_the_worst_are_kept_the_worst_first(tmp_path):
    pairs = [(answer(RED, number=n), answer(("red", 2 + n, 2, 1), number=n)) for n in range(5)]
    worst = worst_of(tmp_path, *pairs)
    assert [frame.comparison.key.stamp_ns % 10 for frame in worst] == [4, 3]


def test_what_agrees_pixel_by_pixel_needs_no_picture(tmp_path):
    assert worst_of(tmp_path, (answer(RED), answer(RED))) == []


def test_a_picture_shows_what_is_missing_and_what_is_extra(tmp_path):
    (worst,) = worst_of(tmp_path, (answer(RED), answer(("red", 12, 2, 1))))
    sheet = worst_picture(worst, np.full((40, 40, 3), 90, np.uint8)).astype(int)
    red, green, blue = (sheet[..., channel] for channel in range(3))
    reddish, bluish = (red > blue + 60) & (red > green + 60), (blue > red + 60)
    third = sheet.shape[1] * 2 // 3
    assert reddish[:, third:].sum() > 500
    assert bluish[:, third:].sum() > 500
    _, columns = np.nonzero(reddish[:, third:])
    assert columns.mean() < np.nonzero(bluish[:, third:])[1].mean(), "missing is left of extra"


def test_the_difference_does_not_take_a_red_object_for_something_missing(tmp_path):
    (worst,) = worst_of(tmp_path, (answer(RED), answer(("red", 12, 2, 1))))
    image = np.full((40, 40, 3), (230, 40, 40), np.uint8)
    sheet = worst_picture(worst, image).astype(int)
    difference = sheet[:, sheet.shape[1] * 2 // 3 :]
    reddish = difference[..., 0] > difference[..., 2] + 60
    assert 500 < reddish.sum() < reddish.size / 4


def test_pictures_lie_over_the_cameras_image_and_replace_older_ones(tmp_path):
    bag = write_bag(tmp_path / "bag", frames=2, truth=False)
    image, _ = frame(0)
    shape = image.shape[:2]
    mask = np.zeros(shape, np.uint8)
    mask[50:80, 14:40] = 1
    one = answer(RED)
    sized = type(one)(START_NS, 0.0, mask, one.segments, frame_id="x")
    (worst,) = worst_of(tmp_path, (sized, replace(sized, labels=np.zeros_like(mask))))
    out = tmp_path / "out"
    out.mkdir()
    with OutFolder(out) as earlier:
        earlier.claim("worst_7_old.png")[0].write_bytes(b"old")
    (out / "worst_8_theirs.png").write_bytes(b"not ours")
    with open_bag(bag) as opened, OutFolder(out) as folder:
        (path,) = write_worst_frames([worst], opened, {"": IMAGES}, folder)
    assert {p.name for p in out.glob("worst_*")} == {path.name, "worst_8_theirs.png"}
    assert path.name == "worst_1_red_1700000000.000000000.png"
    sheet = cv2.imread(str(path))
    # The red cube's place in the first tile, where no mask lies: BGR.
    scale = 240 / shape[1]
    blue, green, red = sheet[6 + round(25 * scale), 6 + round(27 * scale)].astype(int)
    assert red > 150 > max(blue, green)


def test_an_image_that_is_not_there_leaves_the_masks_on_grey(tmp_path):
    (worst,) = worst_of(tmp_path, (answer(RED), answer()))
    assert worst_picture(worst, None).shape[2] == 3
