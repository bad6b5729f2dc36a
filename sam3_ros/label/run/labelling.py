"""Labels what is missing in a folder, then makes the outputs of all that is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.whole_file import write_whole
from sam3_ros.label.chunk_file import ChunkFileError
from sam3_ros.label.engine import ChunkOutcome, ChunkProgress, Engine
from sam3_ros.label.inputs.discovery import FoundSources, find_sources
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.job import LabelJob
from sam3_ros.label.run.counting import Counting
from sam3_ros.label.run.identity import identity_of, require_same
from sam3_ros.label.run.outputs import write_outputs
from sam3_ros.label.run.report import LabelListener, LabelReport, SourceOutcome
from sam3_ros.label.run.run_folder import RunFolder, open_run_folder
from sam3_ros.label.run.summing_up import summary_of
from sam3_ros.label.work_names import IDENTITY

SUMMARY = "summary.json"
# How often damaged files of chunks are made anew before that is given up.
_MOST_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class LabelSettings:
    """One labelling."""

    #: Files, folders and patterns.
    names: Sequence[str]
    out: Path
    bundle: Bundle
    #: Its `work` is set here.
    job: LabelJob
    selection: Selection
    #: Names of formats.FORMATS.
    formats: Sequence[str]
    #: Makes what runs the chunks; called only if there are some to run.
    make_engine: Callable[[LabelJob], Engine]


def run_labelling(settings: LabelSettings, listener: LabelListener) -> LabelReport:
    """Label what is missing, and write the outputs that are not of the same labels already.

    A source that cannot be labelled is set aside with its reason, and the others go on. Raises
    Sam3RosError where nothing can be done at all: another run is at work in the folder, it holds
    labels of another identity, no worker can start; OSError where it cannot be written.
    """
    found = find_sources(settings.names)
    if not found.sources:
        return LabelReport((), found.refused)
    with open_run_folder(settings.out) as folder:
        identity = identity_of(settings.bundle, settings.job, settings.selection)
        require_same(folder.work / IDENTITY, identity, settings.out)
        run = _Run(settings, folder, listener)
        run.look_into(found)
        if not run.keys:
            folder.remove_if_empty()
            return LabelReport((), tuple(run.set_aside))
        run.label()
        return run.report()


class _Run:
    def __init__(self, settings: LabelSettings, folder: RunFolder, listener: LabelListener) -> None:
        self._settings = settings
        self._folder = folder
        self._listener = listener
        self._job = replace(settings.job, work=str(folder.work.absolute()))
        self._counting = Counting()
        self._written: tuple[str, ...] = ()
        self._sources: tuple[SourceOutcome, ...] = ()
        #: Why chunks were set aside, by the source's key and number.
        self._failures: dict[tuple[str, int], str] = {}
        #: Of the sources that are labelled, in the order of their names.
        self.keys: list[str] = []
        self.set_aside: list[tuple[str, str]] = []

    def look_into(self, found: FoundSources) -> None:
        """Plan each source, or set it aside."""
        self.set_aside += found.refused
        named: list[tuple[str, str]] = []
        for number, source in enumerate(found.sources):
            self._listener.looking(number, len(found.sources))
            try:
                plan = self._folder.plan(source, self._settings.selection, self._job.reading)
            except Sam3RosError as error:
                self.set_aside.append((str(source.path), " ".join(str(error).split())))
            else:
                named.append((plan.source.name, plan.source.key))
                self._counting.add(plan, self._folder.states(plan))
        self.keys = [key for _, key in sorted(named)]

    def label(self) -> None:
        """Label what is missing and write the outputs; make a damaged file of a chunk anew."""
        settings, job = self._settings, self._job
        for damaged_before in range(_MOST_ROUNDS):
            self._label_missing()
            try:
                self._written += write_outputs(
                    self._folder, settings.bundle, job, settings.formats, self._listener.writing
                )
                self._sources = tuple(self._sum_up())
                return
            except ChunkFileError as error:
                if damaged_before == _MOST_ROUNDS - 1:
                    raise
                error.path.unlink(missing_ok=True)

    def report(self) -> LabelReport:
        """Sum up, and write it where it is not the same already."""
        earlier = [each for each in self._folder.lacking() if each.key not in set(self.keys)]
        report = LabelReport(
            self._sources,
            tuple(self.set_aside),
            tuple(dict.fromkeys(self._written)),
            earlier=len(earlier),
            frames_now=self._counting.frames_now,
            seconds=self._counting.seconds,
            peak_bytes=self._counting.peak_bytes,
            remarks=[each.remark for each in earlier if each.chunks],
        )
        text = json.dumps(report.document(), indent=2) + "\n"
        summary = self._settings.out / SUMMARY
        if not summary.exists() or summary.read_text(encoding="utf-8") != text:
            write_whole(summary, text)
        return report

    def _sum_up(self) -> Iterator[SourceOutcome]:
        for key in self.keys:
            plan = self._folder.kept_plan(key)
            if plan is not None:
                yield summary_of(self._folder, plan, self._failures)

    def _label_missing(self) -> None:
        self._failures.clear()
        missing = self._folder.missing(self.keys)
        first = next(missing, None)
        if first is None:
            return
        engine = self._settings.make_engine(self._job)
        try:
            self._listener.labelling(self._counting.progress())
            for told in engine.run(chain([first], missing)):
                self._take(told)
        finally:
            engine.close()

    def _take(self, told: ChunkOutcome | ChunkProgress) -> None:
        if isinstance(told, ChunkProgress):
            self._counting.take_progress(told)
        else:
            self._counting.take(told)
            if told.figures is None:
                self._failures[told.source, told.number] = told.failure
        self._listener.labelling(self._counting.progress())
