"""A bag through a real node: its answers as golden frames, and planted faults that are reported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from bags import RATE, write_bag
from golden_scenes import failures, golden
from node_under_test import ENVIRONMENT
from planted_faults import planted, value_of
from ros_domains import own_domain

from sam3_ros.replay.ask.cues import PointCue, TextCue
from sam3_ros.replay.ask.settings import NodeSettings, ReplaySettings
from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.golden.expectation import Judging, Tolerance
from sam3_ros.replay.golden.frames import GoldenFrames
from sam3_ros.replay.golden.judge import GoldenJudge
from sam3_ros.replay.golden.run import (
    UnfitForGoldenError,
    judge_replay,
    judged_images,
    require_fit,
    verdict_of,
)
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.report import FrameAccount, ReplayReport
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

FRAMES = 8
CUES = (
    TextCue(0.0, "red"),
    TextCue(0.0, "green", tracking=True),
    TextCue(2.5 / RATE, "blue; yellow"),
    PointCue(4.5 / RATE, 25.5, 28.5),
)


def quiet(_progress) -> None:
    """Ignore the progress."""


@pytest.fixture(scope="module", autouse=True)
def local_ros():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in PROFILE_VARIABLES:  # replay() sets one
            patch.setenv(name, "")
            patch.delenv(name)
        yield


@dataclass(frozen=True)
class Kept:
    """A replay's answers, and golden frames of them."""

    settings: ReplaySettings
    #: The folder of the golden frames.
    golden: Path
    report: ReplayReport
    answers: tuple[AnsweredFrame, ...]

    def judged(self, golden: GoldenFrames | None = None, judging: Judging = Judging()):  # noqa: B008
        selected = judged_images(self.settings, judging.every)
        judge = GoldenJudge(golden or GoldenFrames(self.golden), judging, selected)
        for answer in self.answers:
            judge.answered(answer)
        return verdict_of(self.settings, self.report, judge, judging, "golden")

    def wrong(self, *arguments, **settings) -> dict[str, str]:
        verdict = self.judged(*arguments, **settings)
        return dict(failures((*verdict.prompts, *verdict.checks)))


def settings_of(bag: Path, bundle: Path, domain: int) -> ReplaySettings:
    node = NodeSettings(parameters=(("bundle", str(bundle)),), patience=60)
    return ReplaySettings(bag, CUES, rate=None, node=node, domain_id=domain)


@pytest.fixture(scope="module")
def kept(sam3_bundle_path, tmp_path_factory) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    bag = write_bag(folder / "bag", frames=FRAMES, truth=False)
    answers: list[AnsweredFrame] = []
    with own_domain() as domain:
        settings = settings_of(bag, sam3_bundle_path, domain)
        report = replay(settings, quiet, answers.append)
    golden(folder / "golden", *answers)
    return Kept(settings, folder / "golden", report, tuple(answers))


def test_the_same_answers_are_as_expected(kept):
    assert kept.wrong() == {}
    verdict = kept.judged()
    found = {prompt.prompt_id: prompt for prompt in verdict.prompts}
    assert set(found) == {"red", "blue", "yellow", "green", "point"}
    assert all(prompt.frames > 0 and prompt.least_iou == 1.0 for prompt in found.values())
    assert found["point"].frames == 1
    assert verdict.frames >= FRAMES


def test_an_object_has_one_id_in_all_frames(kept):
    one = Tolerance(most_ids=1)
    verdict = kept.judged(judging=Judging(prompts={"green": one}))
    assert failures(verdict.prompts) == {}
    (green,) = (prompt for prompt in verdict.prompts if prompt.prompt_id == "green")
    assert green.ids == (1,)
    (track,) = kept.report.tracks
    assert (track.kind, track.asked, track.seen, track.hidden) == ("text", "green", FRAMES, 0)


def test_an_id_that_changes_is_reported(kept, tmp_path):
    def changed(entries):
        """Give the object another id in golden, from the fifth frame on."""
        ordered = sorted(entries, key=lambda entry: entry["stamp_ns"])
        for entry in ordered[4:]:
            for segment in entry["segments"]:
                if "track" in segment:
                    segment["track"]["id"] += 5
        return ordered

    wrong = kept.wrong(planted(kept.golden, tmp_path / "golden", index=changed))
    assert list(wrong) == ["green"]
    assert "the id #1 goes to another object" in wrong["green"]


def test_an_id_that_the_node_changes_is_reported(kept):
    def changed(answer):
        segments = tuple(
            replace(s, track=s.track and replace(s.track, id=s.track.id + 5))
            for s in answer.segments
        )
        return replace(answer, segments=segments)

    half = len(kept.answers) // 2
    answers = (*kept.answers[:half], *map(changed, kept.answers[half:]))
    wrong = replace(kept, answers=answers).wrong()
    assert list(wrong) == ["green"]
    assert "an object's id changes from #1 to #6" in wrong["green"]


def test_a_wrong_golden_mask_is_reported(kept, tmp_path):
    value = value_of(kept.golden, "blue")
    golden = planted(
        kept.golden,
        tmp_path / "golden",
        holding="blue",
        labels=lambda labels: np.where(labels == value, np.uint8(0), labels),
    )
    wrong = kept.wrong(golden)
    assert list(wrong) == ["blue"]
    assert "IoU 0.000" in wrong["blue"]
    assert "1 of" in wrong["blue"]


def test_a_shifted_golden_mask_is_reported(kept, tmp_path):
    value = value_of(kept.golden, "red")

    def shifted(labels):
        red = labels == value
        return np.where(np.roll(red, 2, axis=1), value, np.where(red, 0, labels)).astype(np.uint8)

    golden = planted(kept.golden, tmp_path / "golden", holding="red", labels=shifted)
    wrong = kept.wrong(golden)
    assert list(wrong) == ["red"]
    assert wrong["red"].startswith("IoU 0.")


def test_a_swapped_label_is_reported(kept, tmp_path):
    one, other = value_of(kept.golden, "blue"), value_of(kept.golden, "yellow")
    assert one != other

    def swapped(labels):
        after = np.where(labels == one, np.uint8(other), labels)
        return np.where(labels == other, np.uint8(one), after)

    golden = planted(kept.golden, tmp_path / "golden", holding="blue", labels=swapped)
    wrong = kept.wrong(golden)
    assert set(wrong) == {"blue", "yellow"}
    assert "IoU 0.000" in wrong["blue"]


def test_a_label_value_that_has_changed_is_reported(kept, tmp_path):
    def renumbered(entries):
        values = {"blue": 200}
        return [
            {
                **entry,
                "segments": [
                    {**s, "value": values.get(s["prompt_id"], s["value"])}
                    for s in entry["segments"]
                ],
            }
            for entry in entries
        ]

    wrong = kept.wrong(planted(kept.golden, tmp_path / "golden", index=renumbered))
    assert list(wrong) == ["blue"]
    assert "instead of 200" in wrong["blue"]


def test_a_frame_that_does_not_come_is_reported(kept, tmp_path):
    def one_more(entries):
        last = entries[-1]
        file = f"camera_0_{last['stamp_ns'] + 5}.png"
        return [*entries, {**last, "file": file, "stamp_ns": last["stamp_ns"] + 5}]

    wrong = kept.wrong(planted(kept.golden, tmp_path / "golden", index=one_more))
    assert list(wrong) == ["frames"]
    assert "1 golden frames have no answer" in wrong["frames"]


def test_an_answer_that_golden_does_not_have_is_reported(kept, tmp_path):
    golden = planted(kept.golden, tmp_path / "golden", index=lambda entries: entries[1:])
    wrong = kept.wrong(golden)
    assert list(wrong) == ["frames"]
    assert "1 answers are not in golden" in wrong["frames"]


def test_a_wrong_frame_id_is_reported(kept, tmp_path):
    def renamed(entries):
        return [{**entries[0], "frame_id": "elsewhere"}, *entries[1:]]

    wrong = kept.wrong(planted(kept.golden, tmp_path / "golden", index=renamed))
    assert list(wrong) == ["stamps"]
    assert "instead of 'elsewhere'" in wrong["stamps"]


def test_a_score_that_has_changed_is_reported(kept, tmp_path):
    def surer(entries):
        changed = [{**s, "score": s["score"] - 0.2} for s in entries[0]["segments"]]
        assert changed
        return [{**entries[0], "segments": changed}, *entries[1:]]

    wrong = kept.wrong(planted(kept.golden, tmp_path / "golden", index=surer))
    assert set(wrong) == {"red", "green"}
    assert "a score differs by 0.2" in wrong["red"]


def test_a_node_that_answers_differently_fails_with_pictures(kept, tmp_path):
    strict = (*kept.settings.node.parameters, ("score_threshold", "1.0"))
    with own_domain() as domain:
        settings = replace(
            kept.settings,
            node=replace(kept.settings.node, parameters=strict),
            domain_id=domain,
            out=tmp_path,
        )
        judged = judge_replay(
            settings, GoldenFrames(kept.golden), Judging(), quiet, against="golden", worst=2
        )
    assert not judged.verdict.passed
    assert "red" in failures(judged.verdict.prompts)
    assert [Path(file).exists() for file in judged.verdict.pictures] == [True, True]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stray_masks": 1}, "stamp that no image had"),
        ({"wrong_frame_ids": 1}, "wrong frame_id"),
        ({"missing_scores": 1}, "without their scores"),
        ({"frames": FrameAccount(8, 7, {}, 0, 0, 1)}, "does not balance"),
        ({"frames": FrameAccount(8, 7, {"superseded": 1}, 0, 0, 0)}, "dropped: {'superseded': 1}"),
        ({"frames": FrameAccount(8, 7, {}, 1, 0, 0)}, "lost on their way"),
    ],
    ids=str,
)
def test_answers_that_another_run_would_not_have_are_not_kept(kept, change, reason):
    (camera,) = kept.report.cameras
    require_fit(kept.report, uncertain=0)
    with pytest.raises(UnfitForGoldenError, match=reason):
        require_fit(replace(kept.report, cameras=(replace(camera, **change),)), uncertain=0)


def test_answers_to_unknown_prompts_are_not_kept(kept):
    with pytest.raises(UnfitForGoldenError, match="for 2 answers it is uncertain"):
        require_fit(kept.report, uncertain=2)


def test_images_that_no_node_can_read_do_not_count_against_it(kept):
    (camera,) = kept.report.cameras
    broken = replace(camera, frames=FrameAccount(9, 8, {"undecodable": 1}, 0, 0, 0))
    require_fit(replace(kept.report, cameras=(broken,)), uncertain=0)
