"""How long a stage takes by each way to run it, against fp32 on the CPU in turns."""

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
#: Of one candidate and the reference, together.
_SECONDS = 4.0


@dataclass(frozen=True)
class CandidateTime:
    """gain: how many times faster than fp32 on the CPU, by the medians of runs in turns.

    milliseconds: the median of all runs in fp32 on the CPU, over the gain: a busy moment does not
    set one candidate apart. Both None where it could not run, with the reason in `refused`.
    """

    stage: str
    choice: StageChoice
    milliseconds: float | None
    gain: float | None
    refused: str = ""

    @property
    def is_reference(self) -> bool:
        return self.choice == REFERENCE

    @property
    def saved(self) -> float:
        """Milliseconds less than fp32 on the CPU; 0 for one that did not run."""
        if self.milliseconds is None or self.gain is None:
            return 0.0
        return self.milliseconds * (self.gain - 1)


class StageTimer:
    """Of the stages of one bundle, one at a time."""

    def __init__(self, bundle: Bundle, options: SessionOptions, open_session: OpenSession) -> None:
        self._bundle = bundle
        self._options = options
        self._open_session = open_session

    def measure(
        self, stage: str, choices: Iterable[StageChoice], feeds: Feeds
    ) -> list[CandidateTime]:
        """The reference first, then each choice. Raises BackendError where the reference fails."""
        reference = self._open(stage, REFERENCE)
        try:
            reference.run(feeds)
            own: list[float] = []
            found = [self._candidate(stage, choice, feeds, reference, own) for choice in choices]
            usual = 1000 * median(own or _in_turns([reference], feeds)[0])
        finally:
            reference.close()
        found.insert(0, CandidateTime(stage, REFERENCE, None, 1.0))
        return [
            each if each.gain is None else replace(each, milliseconds=usual / each.gain)
            for each in found
        ]

    def _candidate(
        self,
        stage: str,
        choice: StageChoice,
        feeds: Feeds,
        reference: Session,
        own: list[float],
    ) -> CandidateTime:
        try:
            session = self._open(stage, choice)
            try:
                fitted = {
                    name: value.astype(session.inputs[name].dtype, copy=False)
                    for name, value in feeds.items()
                }
                session.run(fitted)
                before, after = _in_turns([reference, session], feeds, fitted)
            finally:
                session.close()
        except Sam3RosError as error:
            return CandidateTime(stage, choice, None, None, _in_a_line(error))
        except Exception as error:  # an engine's own, from a run
            return CandidateTime(stage, choice, None, None, f"it failed as it ran: {error}")
        own += before
        return CandidateTime(stage, choice, None, median(before) / median(after))

    def _open(self, stage: str, choice: StageChoice) -> Session:
        plan = StagePlan(choice)
        loading = StageLoading(self._bundle, plan, self._options, self._open_session, None)
        return loading.open(self._bundle.manifest.stages[stage])


def _in_turns(sessions: list[Session], *feeds: Feeds) -> list[list[float]]:
    """Seconds of each run. In turns, so that what else the machine does falls on all alike."""
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


#: By the input's name in the file.
Feeds = Mapping[str, Array]


class FeedsRecorder:
    """An open_session whose sessions remember the first that they are fed, by stage."""

    def __init__(self, bundle: Bundle, open_session: OpenSession) -> None:
        stages = bundle.manifest.stages_in_use
        self._stage_of = {bundle.stage_file(stage, "fp32"): stage for stage in stages}
        self._open_session = open_session
        self.feeds: dict[str, Feeds] = {}

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        session = self._open_session(path, backend, options)
        return _RemembersFirst(session, self._stage_of[path], self.feeds)


class _RemembersFirst(WrappedSession):
    def __init__(self, real: Session, stage: str, feeds: dict[str, Feeds]) -> None:
        super().__init__(real)
        self._stage = stage
        self._feeds = feeds

    def run(self, feeds: Feeds) -> dict[str, Array]:
        self._feeds.setdefault(self._stage, dict(feeds))
        return super().run(feeds)
