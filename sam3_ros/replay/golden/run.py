"""Replays that are compared with golden frames, or recorded as golden frames."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sam3_ros.core.out_folder import OutFolder
from sam3_ros.replay.ask.cues import PromptCue, RemoveCue, TextCue
from sam3_ros.replay.ask.settings import NodeSettings, ReplaySettings
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.bag.image_times import read_image_times
from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.golden.checks import check_replay
from sam3_ros.replay.golden.expectation import Judging
from sam3_ros.replay.golden.frames import GoldenError, GoldenFrames, GoldenWriter
from sam3_ros.replay.golden.judge import FrameKeys, GoldenJudge, WorstFrame
from sam3_ros.replay.golden.verdicts import ReplayVerdict
from sam3_ros.replay.golden.worst_frames import write_worst_frames
from sam3_ros.replay.play.schedule import OnProgress
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.report import ReplayReport
from sam3_ros.ros.frames.ledger import DropReason

# An image that cannot be decoded has no answer in any replay.
_HARMLESS = frozenset({DropReason.UNDECODABLE.value})


class UnfitForGoldenError(GoldenError):
    """A replay whose answers another run would not repeat."""


@dataclass(frozen=True, eq=False)
class JudgedReplay:
    """A replay and the verdict on it."""

    report: ReplayReport
    verdict: ReplayVerdict


@dataclass(frozen=True, eq=False)
class Update:
    """What writing golden frames changed."""

    folder: Path
    frames: int
    #: Frames that only the new ones have.
    added: int
    #: Frames that only the old ones had.
    removed: int
    #: The verdict by the old golden frames; None without any.
    before: ReplayVerdict | None
    report: ReplayReport


def judge_replay(
    settings: ReplaySettings,
    golden: GoldenFrames,
    judging: Judging,
    progress: OnProgress,
    *,
    against: str,
    worst: int = 0,
) -> JudgedReplay:
    """Replay and compare with golden frames.

    against: the golden frames, in words. worst: how many pictures go to the folder `out`, if it
    is given. Raises what replay() raises, and GoldenError for damaged golden frames.
    """
    judge = GoldenJudge(golden, judging, judged_images(settings, judging.every), worst)
    report = replay(settings, progress, judge.answered)
    verdict = verdict_of(settings, report, judge, judging, against)
    if settings.out is not None:
        verdict = verdict.with_pictures(_pictures(settings, judge.worst))
    return JudgedReplay(report, verdict)


def update_golden(
    settings: ReplaySettings, folder: Path, judging: Judging, progress: OnProgress
) -> Update:
    """Replay and store the answers as golden frames.

    The old golden frames stay until the new ones are complete. Raises what replay() raises, and
    GoldenError if the answers are unfit.
    """
    old = _old_golden(folder)
    selected = judged_images(settings, judging.every)
    judge = None if old is None else GoldenJudge(old, judging, selected)
    with GoldenWriter(folder, force=settings.force) as writer:
        recorder = _Recorder(writer, selected, judge)
        report = replay(settings, progress, recorder.answered)
        require_fit(report, recorder.uncertain)
        before = None
        if judge is not None:
            before = verdict_of(settings, report, judge, judging, "the old golden frames")
        new = writer.finish()
    known = frozenset() if old is None else old.keys
    return Update(
        folder, len(new.keys), len(new.keys - known), len(known - new.keys), before, report
    )


def replay_against(
    settings: ReplaySettings,
    other: NodeSettings,
    judging: Judging,
    progress: OnProgress,
    *,
    against: str,
    worst: int = 0,
) -> JudgedReplay:
    """Replay twice, with another node the second time, and compare the second with the first.

    against: the first run, in words. Raises what update_golden and judge_replay raise.
    """
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "golden"
        update_golden(replace(settings, out=None), kept, judging, progress)
        second = replace(settings, node=other)
        return judge_replay(
            second, GoldenFrames(kept), judging, progress, against=against, worst=worst
        )


class _Recorder:
    """Writes the selected answers and compares each with the old ones, if there are any."""

    def __init__(
        self,
        writer: GoldenWriter,
        selected: Callable[[str, int], bool],
        judge: GoldenJudge | None,
    ) -> None:
        self._writer = writer
        self._selected = selected
        self._judge = judge
        self._keys = FrameKeys()
        self.uncertain = 0

    def answered(self, answer: AnsweredFrame) -> None:
        frame = self._keys.labelled(answer)
        self.uncertain += not answer.certain
        if self._selected(answer.camera, answer.bag_stamp_ns):
            self._writer.add(frame)
        if self._judge is not None:
            self._judge.answered(answer)


def require_fit(report: ReplayReport, uncertain: int) -> None:
    """Raise UnfitForGoldenError for answers that cannot be compared with another run's.

    uncertain: the number of answers for which it is uncertain what was asked.
    """
    frames = report.frames
    dropped = {reason: n for reason, n in frames.dropped.items() if n and reason not in _HARMLESS}
    cameras = report.cameras
    wrong = (
        (not all(c.frames.balances for c in cameras), "the account of frames does not balance"),
        (any(c.stray_masks for c in cameras), "masks have a stamp that no image had"),
        (any(c.wrong_frame_ids for c in cameras), "masks have a wrong frame_id"),
        (any(c.missing_scores for c in cameras), "masks came without their scores"),
        (bool(dropped), f"frames were dropped: {dropped}"),
        (frames.lost_to_node + frames.lost_from_node > 0, "frames were lost on their way"),
        (uncertain > 0, f"for {uncertain} answers it is uncertain what was asked"),
    )
    reasons = [reason for is_so, reason in wrong if is_so]
    if reasons:
        raise UnfitForGoldenError(
            f"these answers are not stored as golden: {'; '.join(reasons)}. Play at the pace "
            "`answered`, on a machine that keeps up"
        )


def judged_images(settings: ReplaySettings, every: int) -> Callable[[str, int], bool]:
    """Return a test of camera name and stamp: every n-th image that is sent is compared."""
    stamps = judged_stamps(settings, every)
    return lambda camera, stamp_ns: stamp_ns in stamps[camera]


def judged_stamps(settings: ReplaySettings, every: int) -> dict[str, frozenset[int]]:
    """Return the stamps of the images that are compared, by camera."""
    with open_bag(settings.bag, settings.node.name) as bag:
        return {
            source.name: frozenset(
                read_image_times(
                    bag, bag.image_topic(source.topic).name, settings.only_every
                ).stamps_ns[::every]
            )
            for source in settings.cameras
        }


def verdict_of(
    settings: ReplaySettings,
    report: ReplayReport,
    judge: GoldenJudge,
    judging: Judging,
    against: str,
) -> ReplayVerdict:
    """Return the verdict on a replay whose answers the judge has seen."""
    return ReplayVerdict(
        bag=str(settings.bag),
        against=against,
        seconds=report.seconds,
        frames=judge.frames.judged,
        prompts=judge.verdicts(asked_prompts(settings), report.tracks, report.places),
        checks=check_replay(report, judge.frames, judge.missing, judging.limits),
    )


def asked_prompts(settings: ReplaySettings) -> dict[str, tuple[str, ...]]:
    """Return the prompt ids of each camera."""
    return {
        source.name: tuple(
            dict.fromkeys(
                prompt_id
                for cue in settings.cues
                if cue.camera in ("", source.name)
                for prompt_id in _prompt_ids(cue)
            )
        )
        for source in settings.cameras
    }


def _prompt_ids(cue: PromptCue) -> tuple[str, ...]:
    if isinstance(cue, RemoveCue):
        return ()
    if isinstance(cue, TextCue):
        return tuple(cue.added) or cue.phrases
    return (cue.prompt_id,)


def _pictures(settings: ReplaySettings, frames: list[WorstFrame]) -> tuple[str, ...]:
    assert settings.out is not None
    with open_bag(settings.bag, settings.node.name) as bag:
        topics = {source.name: bag.image_topic(source.topic).name for source in settings.cameras}
        with OutFolder(settings.out, force=settings.force) as out:
            return tuple(map(str, write_worst_frames(frames, bag, topics, out)))


def _old_golden(folder: Path) -> GoldenFrames | None:
    try:
        return GoldenFrames(folder)
    except GoldenError:  # absent or of another format
        return None
