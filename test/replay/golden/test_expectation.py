"""The file of an expectation: each key is read, and each mistake reported with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.replay.ask.cues import PointCue, TextCue
from sam3_ros.replay.golden.expectation import (
    Expectation,
    ExpectationError,
    Judging,
    Limits,
    Playing,
    Tolerance,
    read_expectation,
)

WHOLE = """\
format: 1
play:
  cameras: {front: /camera/image/compressed, side: /side/image/compressed}
  pace: 0.5
  loops: 2
  clock: true
  repeat_stamps: true
  only_every: 5
  prompts:
    - {at: 0, text: red cube}
    - {at: 2, point: [10, 20], camera: front}
node:
  bundle: bundles/mine
  precision: fp16
  threads: 2
  params_file: node.yaml
  parameters: {score_threshold: 0.3, outputs: [mask, scores], use_sim_time: true}
golden: kept/here
judge:
  every: 3
  least_iou: 0.9
  missing_segments: 1
  prompts:
    red cube: {least_iou: 0.8, label_values: false}
    ball: {most_ids: 1, id_switches: 0, found_again: 2, track_ids: false}
  limits:
    {dropped: {superseded: 0, inference failed: 2}, lost: 0, latency_p95_ms: 250, id_switches: 3}
"""


def read(tmp_path, text: str) -> Expectation:
    path = tmp_path / "test.yaml"
    path.write_text(text)
    return read_expectation(path)


def test_all_keys(tmp_path):
    (tmp_path / "bundles" / "mine").mkdir(parents=True)
    found = read(tmp_path, WHOLE)
    assert found.play == Playing(
        cameras={"front": "/camera/image/compressed", "side": "/side/image/compressed"},
        rate=0.5,
        loops=2,
        clock=True,
        repeat_stamps=True,
        only_every=5,
        cues=(TextCue(0.0, "red cube"), PointCue(2.0, 10.0, 20.0, "front")),
        parameters=(
            ("bundle", str((tmp_path / "bundles" / "mine").resolve())),
            ("precision", "fp16"),
            ("threads", "2"),
            ("score_threshold", "0.3"),
            ("outputs", '["mask", "scores"]'),
            ("use_sim_time", "true"),
        ),
        params_file=tmp_path / "node.yaml",
    )
    assert found.golden == tmp_path / "kept" / "here"
    assert found.judging == Judging(
        every=3,
        tolerance=Tolerance(least_iou=0.9, missing_segments=1),
        prompts={
            "red cube": Tolerance(least_iou=0.8, missing_segments=1, label_values=False),
            "ball": Tolerance(
                least_iou=0.9,
                missing_segments=1,
                track_ids=False,
                most_ids=1,
                id_switches=0,
                found_again=2,
            ),
        },
        limits=Limits(
            dropped={"superseded": 0, "inference failed": 2},
            lost=0,
            latency_p95_ms=250,
            id_switches=3,
        ),
    )
    assert found.judging.tolerance_of("blue") == found.judging.tolerance


def test_what_is_left_out_has_a_default(tmp_path):
    found = read(tmp_path, "format: 1\n")
    assert (found.play, found.judging) == (Playing(), Judging())
    assert found.play.rate is None, "as fast as answered"
    assert found.golden == tmp_path / "test_golden"


@pytest.mark.parametrize(
    ("pace", "rate"), [("answered", None), ("recorded", 1.0), ("2", 2.0)], ids=str
)
def test_paces(tmp_path, pace, rate):
    assert read(tmp_path, f"format: 1\nplay: {{pace: {pace}}}").play.rate == rate


def test_prompts_may_be_in_another_file(tmp_path):
    (tmp_path / "asked.yaml").write_text("- {at: 1, text: blue}\n")
    assert read(tmp_path, "format: 1\nplay: {prompts: asked.yaml}").play.cues == (
        TextCue(1.0, "blue"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be a mapping"),
        ("format: [", "is not plain YAML"),
        ("- 1", "must be a mapping, not list"),
        ("play: {}", "has no `format`; expected `format: 1`"),
        ("format: 2", "has format 2, and this sam3_ros reads format 1"),
        (
            "format: 1\ngold: x",
            "expected the keys format, play, node, golden, judge; got the key 'gold'",
        ),
        ("format: 1\nformat: 1", "line 2: has the key 'format' twice"),
        ("format: 1\nplay:\n  loops: 0", "line 3, play/loops: expected a whole number of 1"),
        ("format: 1\nplay:\n  loops: true", "play/loops: expected a whole number"),
        ("format: 1\nplay: {pace: slow}", "play/pace: expected recorded, answered, or a rate"),
        ("format: 1\nplay: {pace: 0}", "play/pace: expected recorded"),
        ("format: 1\nplay: {pace: .inf}", "play/pace: expected recorded, answered, or"),
        ("format: 1\nplay: {clock: 1}", "play/clock: expected true or false, got 1"),
        ("format: 1\nplay: {cameras: {1x: /a}}", "play/cameras/1x: a camera's name"),
        ("format: 1\nplay: {cameras: {a: /a, b: /a}}", "play/cameras: two cameras have one topic"),
        ("format: 1\nplay: {cameras: {a: 3}}", "play/cameras/a: expected a topic"),
        (
            "format: 1\nplay:\n  prompts:\n  - {at: 1}",
            "line 4, play/prompts/entry 1: expected",
        ),
        ("format: 1\nplay: {prompts: absent.yaml}", "play/prompts: the file of prompts"),
        ("format: 1\nnode: {brain: big}", "got the key 'brain'"),
        (
            "format: 1\nnode:\n  parameters:\n    brain: big",
            "line 4, node/parameters/brain: ",
        ),
        ("format: 1\nnode: {bundle: {a: 1}}", "node/bundle: expected a parameter's value"),
        ("format: 1\ngolden: ''", "line 2, golden: expected a path, got ''"),
        ("format: 1\njudge: {least_iou: 95}", "judge/least_iou: expected a number in 0..1"),
        ("format: 1\njudge: {score_difference: yes}", "expected a number in 0..1, got True"),
        ("format: 1\njudge: {every: 0}", "judge/every: expected a whole number of 1"),
        ("format: 1\njudge: {prompts: {red: 0.5}}", "judge/prompts/red: expected a mapping of"),
        ("format: 1\njudge: {most_ids: 1}", "got the key 'most_ids'"),
        ("format: 1\njudge: {prompts: {red: {most_ids: 0}}}", "red/most_ids: expected a whole"),
        ("format: 1\njudge: {prompts: {red: {found_again: yes}}}", "found_again: expected a whole"),
        ("format: 1\njudge: {limits: {lost: -1}}", "judge/limits/lost: expected a whole number"),
        ("format: 1\njudge: {limits: {dropped: {tired: 1}}}", "got the key 'tired'"),
        ("format: 1\njudge: {limits: {latency_p50_ms: fast}}", "a number of 0 or more, got 'fast'"),
        (
            "format: 1\nplay:\n  prompts:\n  - {at: 1, box: [100, 80, 60, 60]}",
            "line 4, play/prompts/entry 1: expected a box as two corners",
        ),
        ("format: 1\ngolden: !!python/name:os.system x", "line 2 uses the YAML tag"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path, text, reason):
    with pytest.raises(ExpectationError) as error:
        read(tmp_path, text)
    assert reason in str(error.value)
    assert "test.yaml" in str(error.value)


def test_an_absent_file_is_reported(tmp_path):
    with pytest.raises(Sam3RosError, match=r"the expectation .*absent.yaml cannot be read"):
        read_expectation(tmp_path / "absent.yaml")


def test_the_example_of_the_documentation_can_be_read(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "replay.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(format: 1\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "prompts.yaml").write_text("- {at: 0, text: red cube}\n")
    found = read(tmp_path, example)
    assert found.play.cues == (TextCue(0.0, "red cube"),)
    assert found.golden == tmp_path / "my_test_golden"
    assert found.judging.tolerance == Tolerance(), "the example shows the defaults"


@pytest.mark.parametrize(
    ("play", "depth"),
    [
        ("{}", None),
        ("{depth: false}", None),
        ("{depth: true}", {}),
        ("{cameras: {front: /a, side: /b}, depth: {front: /c}}", {"front": "/c"}),
    ],
)
def test_depth_is_found_or_named(tmp_path, play, depth):
    assert read(tmp_path, f"format: 1\nplay: {play}\n").play.depth == depth


def test_tolerances_in_metres(tmp_path):
    found = read(
        tmp_path,
        "format: 1\njudge:\n  prompts: {cup: {centre_m: 0.02}}\n"
        "  limits: {centre_p50_m: 0.01, centre_p95_m: 0.025, without_place: 3}\n",
    ).judging
    assert found.tolerance_of("cup").centre_m == 0.02
    assert found.tolerance_of("mug").centre_m is None
    limits = found.limits
    assert (limits.centre_p50_m, limits.centre_p95_m, limits.without_place) == (0.01, 0.025, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("play: {depth: {front: /c}}", "play/depth/front: expected the keys ; got the key 'front'"),
        ("play: {depth: near}", "play/depth: expected true, or a topic of depth"),
        ("judge: {limits: {centre_p50_m: -1}}", "centre_p50_m: expected metres, 0 or more"),
        ("judge: {prompts: {cup: {centre_m: far}}}", "centre_m: expected metres, 0 or more"),
    ],
)
def test_wrong_depth_is_refused_with_its_place(tmp_path, text, reason):
    with pytest.raises(ExpectationError, match=re.escape(reason)):
        read(tmp_path, f"format: 1\n{text}\n")
