"""Labelling in this process, with the real code of a worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.label.chunk import Chunk
from sam3_ros.label.engine import ChunkOutcome
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.job import LabelJob, LabelPrompt
from sam3_ros.label.labeller import Labeller
from sam3_ros.label.run.labelling import LabelSettings, run_labelling
from sam3_ros.label.run.report import LabelProgress, LabelReport

PROMPTS = (LabelPrompt("red"), LabelPrompt("blue", label="a blue thing"))


class EngineHere:
    """Labels one chunk after another in this process."""

    def __init__(self, job: LabelJob) -> None:
        self._labeller = Labeller.load(job)
        #: What it was given, by source and number.
        self.given: list[tuple[str, int]] = []

    def run(self, chunks: Iterable[Chunk]) -> Iterator[ChunkOutcome]:
        for chunk in chunks:
            self.given.append((chunk.source.name, chunk.number))
            key, number = chunk.source.key, chunk.number
            try:
                yield ChunkOutcome(key, number, self._labeller.label_chunk(chunk))
            except Sam3RosError as error:
                yield ChunkOutcome(key, number, None, str(error))

    def close(self) -> None:
        self._labeller.close()


class Silence:
    """Hears how far a labelling is, and keeps it."""

    def __init__(self) -> None:
        self.progress: list[LabelProgress] = []

    def looking(self, at: int, total: int) -> None: ...

    def labelling(self, progress: LabelProgress) -> None:
        self.progress.append(progress)

    def writing(self, what: str) -> None: ...


class LabelRun:
    """Labels into a folder, as often as is wanted."""

    def __init__(self, bundle: Path, out: Path) -> None:
        self.bundle = Bundle.open(bundle)
        self.out = out
        #: The chunks of the last run, by source and number.
        self.given: list[tuple[str, int]] = []
        self.heard = Silence()

    def __call__(
        self,
        *names: Path,
        selection: Selection | None = None,
        prompts: Sequence[LabelPrompt] = PROMPTS,
        formats: Sequence[str] = ("coco",),
    ) -> LabelReport:
        selection = selection or Selection(chunk_frames=4)
        job = LabelJob(
            str(self.bundle.path), StagePlan(), 1, tuple(prompts), "", track=selection.track
        )
        engines: list[EngineHere] = []

        def make_engine(job: LabelJob) -> EngineHere:
            engines.append(EngineHere(job))
            return engines[-1]

        settings = LabelSettings(
            [str(name) for name in names],
            self.out,
            self.bundle,
            job,
            selection,
            formats,
            make_engine,
        )
        report = run_labelling(settings, self.heard)
        self.given = [each for engine in engines for each in engine.given]
        return report

    @property
    def chunk_files(self) -> list[Path]:
        return sorted(self.out.glob(".sam3-ros-label/*/[0-9]*.json"))


def outputs_of(out: Path) -> dict[str, bytes]:
    """Return the bytes of all outputs and chunks, by their names in the folder."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "lock"]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}
