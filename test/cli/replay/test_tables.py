"""The tables of `sam3-ros replay`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sam3_ros.cli.replay.tables import remark_lines, report_table, verdict_table
from sam3_ros.replay.bag.recording import BagRemark
from sam3_ros.replay.golden.verdicts import CheckVerdict, PromptVerdict, ReplayVerdict
from sam3_ros.replay.report.places import PlaceReport
from sam3_ros.replay.report.report import (
    CameraResult,
    FrameAccount,
    Latency,
    PromptReport,
    ReplayReport,
    account_frames,
)
from sam3_ros.replay.report.tracks import TrackReport
from sam3_ros.replay.under_test.diagnostics import FrameCounts

WRONG = PromptVerdict("side", 'a "<thing>\x00', 9, 0.912, 0.4, "17.5", 0.01, 1, 0, ("IoU 0.400",))
JUDGEMENT = ReplayVerdict(
    "my_bag",
    "kept",
    12.5,
    10,
    (PromptVerdict("front", "red cube", 10, 0.99, 0.97, "17.2", 0.002, 0, 0), WRONG),
    (CheckVerdict("frames", "10 judged"), CheckVerdict("stamps", "1 wrong", ("frame_id 'x'",))),
    ("out/worst_1.png",),
)


def test_the_table_has_a_row_a_prompt_and_a_line_a_failure():
    rows = [" ".join(line.split()) for line in verdict_table(JUDGEMENT).splitlines()]
    assert rows[0] == "my_bag against kept"
    assert "front red cube 10 0.990 0.970 0.002 0 0 pass 17.2" in rows
    assert rows[rows.index("IoU 0.400") - 1].endswith("9 0.912 0.400 0.010 1 0 FAIL 17.5")
    assert "frames pass 10 judged" in rows
    assert rows[rows.index("frame_id 'x'") - 1] == "stamps FAIL 1 wrong"
    assert rows[-3:] == ["out/worst_1.png", "", "FAIL, 2 of 4 checks, 10 frames"]


def report_of(frames: FrameAccount, *remarks: BagRemark) -> ReplayReport:
    cameras = (CameraResult("", frames, None),)
    return ReplayReport("bag", "/node", 1.0, cameras, None, (), False, remarks=remarks)


@pytest.mark.parametrize(
    ("dropped", "expected"),
    [
        ({"superseded": 6}, "too fast"),
        ({"undecodable": 6}, ""),
        ({"rate limit": 6}, ""),
        ({"superseded": 1, "undecodable": 5}, ""),
    ],
)
def test_speed_is_blamed_for_superseded_frames_alone(dropped, expected):
    frames = account_frames(10, 4, FrameCounts(10, 4, dropped))
    assert ("too fast" in " ".join(remark_lines(report_of(frames)))) == bool(expected)


def test_the_nodes_own_reasons_and_the_bags_are_told():
    counts = FrameCounts(3, 0, {"undecodable": 3}, {"cut off": 2, "no image": 1, "earlier": 0})
    own = [BagRemark(f"/node/{name}", "left out", 2) for name in ("mask", "overlay")]
    told = list(remark_lines(report_of(account_frames(3, 0, counts), *own)))
    assert told == [
        "the bag: /node/mask, /node/overlay (4 messages): left out",
        "2 of 3 frames failed, the node says: cut off",
        "1 of 3 frames failed, the node says: no image",
        "no frame was answered",
    ]


def test_the_table_tells_all_of_it():
    frames = account_frames(10, 7, FrameCounts(9, 8, {"superseded": 1}))
    prompts = (
        PromptReport("text", "red cube", 5, 5, judged=5, iou=0.91234, wrong_frames=3),
        PromptReport("text", "blue star", 2, 0, judged=2, rightly_nothing=2),
        PromptReport("click", "on the red cube", 1, 0, refused="outside the image"),
        PromptReport("followed", "blue ball", 9, 9, 9, 0.8, lost="too small", delay_ms=21.4),
    )
    cameras = (CameraResult("", frames, None),)
    ball = TrackReport("", "ball", "text", "ball", (1,), 1, 40, 12, 1, 1, 0, 0, 0, 2)
    point = TrackReport(
        "", "point", "followed", "star", (*range(2, 11),), 9, 8, 0, 0, 0, 8, 0, 1, 0
    )
    cup = TrackReport("", "cup", "", "cup", (20, 21), 2, 8, 3, 2, 0, 2, 0, 0, 5)
    told = ReplayReport(
        "my_bag",
        "/node",
        3.0,
        cameras,
        None,
        prompts,
        True,
        files=("a.mp4",),
        file_remarks=("a.mp4: odd",),
        prompt_warnings=("the model does not know 'mug'",),
        tracks=(ball, point, cup, replace(cup, asked="mug", found_again=1)),
    )
    assert "warning: the model does not know 'mug'" in list(remark_lines(told))
    table = report_table(told)
    rows = [" ".join(line.split()) for line in table.splitlines()]
    assert "frames in 10" in rows
    assert "superseded 1" in rows
    assert "lost on the way to the node 1" in rows
    assert "latency, camera to mask no answer" in rows
    assert "prompt frames found in judged wrong in mean IoU" in rows
    assert 'text "red cube" 5 5 5 3 0.912' in rows
    assert 'text "blue star" 2 0 2 0 - rightly nothing in 2 of 2' in rows
    assert "click on the red cube 1 0 0 0 - refused: outside the image" in rows
    assert "followed: blue ball 9 9 9 0 0.800 answered after 21 ms; lost: too small" in rows
    assert "tracked id seen in hidden in id switches lost in view found again" in rows
    assert 'text "ball" #1 40 12 0 2 yes, same id' in rows
    assert "followed: star #2 #3 #4 #5 #6 #7 +3 8 0 8 0 -" in rows
    assert "cup #20 #21 8 3 2 5 no, 2 times" in rows
    assert "mug #20 #21 8 3 2 5 1 of 2" in rows
    assert rows[-2:] == ["a.mp4", "a.mp4: odd"]


def test_without_ground_truth_no_switches_are_told():
    track = TrackReport("", "ball", "text", "ball", (1,), 1, 4, 1, 2, 2, None, None, None, None)
    told = replace(report_of(account_frames(1, 1, FrameCounts(1, 1))), tracks=(track,))
    rows = [" ".join(line.split()) for line in report_table(told).splitlines()]
    assert rows[-2:] == [
        "tracked id seen in hidden in found again",
        'text "ball" #1 4 1 yes, same id, 2 times',
    ]


def test_several_cameras_have_a_column_each():
    front = CameraResult("front", account_frames(3, 3, FrameCounts(3, 3)), Latency(5, 9), 2)
    side = CameraResult("side", account_frames(2, 1, FrameCounts(2, 1, {"other": 1})), None)
    prompts = (PromptReport("click", "at 1,2", 1, 1, camera="side"),)
    told = ReplayReport("bag", "/node", 3.0, (front, side), Latency(5, 9), prompts, False)
    assert told.complete
    assert (told.frames.sent, told.frames.answered, told.frames.dropped) == (5, 4, {"other": 1})
    rows = [" ".join(line.split()) for line in report_table(told).splitlines()]
    assert rows[1:4] == ["front side", "frames in 3 2", "answered 3 1"]
    assert "other 0 1" in rows
    assert "latency, camera to mask, median 5.0 ms -" in rows
    assert "answered again, for a click 2 0" in rows
    assert "side: click at 1,2 1 1" in rows


def test_places_have_a_row_for_each_object_whatever_found_it():
    frames = FrameAccount(3, 3, {}, 0, 0, 0)
    box, true_box = (0.1, 0.05, 0.02), (0.11, 0.06, 0.03)
    red = PlaceReport("side", "red", "red cube", 3, (0.002, 0.004, 0.009), box, true_box)
    click = replace(red, prompt_id="point", found=1, errors_m=(0.004,), reasons=("no depth",))
    lost = PlaceReport("side", "ball", "blue ball", 2, reasons=("few pixels",))
    report = replace(report_of(frames), places=(red, click, lost))
    rows = [" ".join(line.split()) for line in report_table(report).splitlines()]
    start = rows.index("in space found placed centre off by p95 box, mm true box, mm")
    assert rows[start + 1 : start + 5] == [
        "side: blue ball 2 0 - - - -",
        "side: red cube 4 4 4.0 mm 8.2 mm 100 x 50 x 20 110 x 60 x 30",
        "all 6 4 4.0 mm 8.2 mm",
        "without a place: no depth; few pixels",
    ]
    assert not any("in space" in line for line in report_table(report_of(frames)).splitlines())
