"""Times each candidate for a stage in alternation with fp32 on the CPU, on real inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.loading import StageLoading
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.core.stages.session import Array, OpenSession, Session, SessionOptions
from sam3_ros.core.stages.session_wrapper import WrappedSession

_LEAST_REPEATS, _MOST_REPEATS = 3, 25
#: For one candidate and the reference together.
_SECONDS = 4.0


@dataclass(frozen=True)
class CandidateTime:
    """How long a stage takes with one choice."""

    #: Name of the stage.
    stage: str
    #: Backend and precision that ran it.
    choice: StageChoice
    #: The median of all runs in fp32 on the CPU divided by `gain`, so that a busy moment does not
    #: penalise one candidate. None where the choice could not run.
    milliseconds: float | None
    #: How many times faster than fp32 on the CPU, by the medians of alternating runs. None where
    #: the choice could not run.
    gain: float | None
    #: Why the choice could not run; empty if it could.
    refused: str = ""

    @property
    def is_reference(self) -> bool:
        return self.choice == REFERENCE

    @property
    def saved(self) -> float:
        """Milliseconds saved against fp32 on the CPU; 0 for a choice that did not run."""
        if self.milliseconds is None or self.gain is None:
            return 0.0
        return self.milliseconds * (self.gain - 1)


class StageTimer:
    """Times the stages of one bundle, one at a time."""

    def __init__(self, bundle: Bundle, options: SessionOptions, open_session: OpenSession) -> None:
        self._bundle = bundle
        self._options = options
        self._open_session = open_session

    def measure(
        self, stage: str, choices: Iterable[StageChoice], feeds: Feeds
    ) -> list[CandidateTime]:
        """Return the time of the reference, then of each choice.

        Raises BackendError where the reference fails.
        """
        reference = self._open(stage, REFERENCE)
        try:
            reference.run(feeds)
            seconds: list[float] = []
            found = [self._timed(stage, choice, feeds, reference, seconds) for choice in choices]
            usual = 1000 * median(seconds or _alternate([reference], feeds)[0])
        finally:
            reference.close()
        found.insert(0, CandidateTime(stage, REFERENCE, None, 1.0))
        return [
            each if each.gain is None else replace(each, milliseconds=usual / each.gain)
            for each in found
        ]

    def _timed(
        self,
        stage: str,
        choice: StageChoice,
        feeds: Feeds,
        reference: Session,
        reference_seconds: list[float],
    ) -> CandidateTime:
        """Time one choice; the reference's runs are appended to `reference_seconds`."""
        try:
            session = self._open(stage, choice)
            try:
                fitted = {
                    name: value.astype(session.inputs[name].dtype, copy=False)
                    for name, value in feeds.items()
                }
                session.run(fitted)
                before, after = _alternate([reference, session], feeds, fitted)
            finally:
                session.close()
        except Sam3RosError as error:
            return CandidateTime(stage, choice, None, None, _in_a_line(error))
        except Exception as error:  # an engine's own, raised by a run
            return CandidateTime(stage, choice, None, None, f"it failed while running: {error}")
        reference_seconds += before
        return CandidateTime(stage, choice, None, median(before) / median(after))

    def _open(self, stage: str, choice: StageChoice) -> Session:
        plan = StagePlan(choice)
        loading = StageLoading(self._bundle, plan, self._options, self._open_session, None)
        return loading.open(self._bundle.manifest.stages[stage])


def _alternate(sessions: list[Session], *feeds: Feeds) -> list[list[float]]:
    """Run the sessions in turns, so that other load falls on all alike; return their seconds."""
    seconds: list[list[float]] = [[] for _ in sessions]
    end = perf_counter() + _SECONDS
    while len(seconds[0]) < _LEAST_REPEATS or (
        len(seconds[0]) < _MOST_REPEATS and perf_counter() < end
    ):
        for session, fed, taken in zip(sessions, feeds, seconds, strict=True):
            start = perf_counter()
            session.run(fed)
            taken.append(perf_counter() - start)
    return seconds


def _in_a_line(error: Exception, limit: int = 200) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


#: Arrays by the input's name in the file.
Feeds = Mapping[str, Array]


class FeedsRecorder:
    """An OpenSession whose sessions record what each stage is fed first."""

    def __init__(self, bundle: Bundle, open_session: OpenSession) -> None:
        stages = bundle.manifest.stages_to_judge
        self._stage_of = {bundle.stage_file(stage, "fp32"): stage for stage in stages}
        self._open_session = open_session
        #: By stage.
        self.feeds: dict[str, Feeds] = {}

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        session = self._open_session(path, backend, options)
        return _RecordingSession(session, self._stage_of[path], self.feeds)


class _RecordingSession(WrappedSession):
    def __init__(self, real: Session, stage: str, feeds: dict[str, Feeds]) -> None:
        super().__init__(real)
        self._stage = stage
        self._feeds = feeds

    def run(self, feeds: Feeds) -> dict[str, Array]:
        self._feeds.setdefault(self._stage, dict(feeds))
        return super().run(feeds)
