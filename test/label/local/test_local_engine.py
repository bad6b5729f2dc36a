"""The engine of one machine: what workers that fail or die cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bags
import pytest

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.label.chunk import Chunk, FramePlace, LabelSource, SourceKind
from sam3_ros.label.engine import ChunkOutcome
from sam3_ros.label.job import LabelJob, LabelPrompt
from sam3_ros.label.local.local_engine import LocalEngine, WorkerError


@pytest.fixture
def job(sam3_bundle_path: Path, tmp_path: Path) -> LabelJob:
    (tmp_path / "work").mkdir()
    bundle = Bundle.open(sam3_bundle_path)
    return LabelJob(str(bundle.path), StagePlan(), 1, (LabelPrompt("red"),), str(tmp_path / "work"))


def chunk(path: Path, number: int = 0) -> Chunk:
    source = LabelSource(SourceKind.BAG, str(path), path.name, "")
    places = tuple(FramePlace(n, bags.stamp_ns(n)) for n in range(2))
    return Chunk(source, bags.IMAGES, number, places)


def outcomes(job: LabelJob, workers: int, chunks: list[Chunk]) -> list[ChunkOutcome]:
    engine = LocalEngine(job, workers)
    try:
        return sorted(engine.run(chunks), key=lambda outcome: outcome.number)
    finally:
        engine.close()


def test_a_chunk_that_fails_three_times_is_set_aside_and_the_rest_goes_on(job, tmp_path):
    bag = bags.write_bag(tmp_path / "bag", 2)
    bad, good = outcomes(job, 1, [chunk(tmp_path / "absent"), chunk(bag, 1)])
    assert bad.figures is None
    assert "there is no bag" in bad.failure
    assert good.figures is not None
    assert (good.figures.frames, good.figures.objects) == (2, 2)
    assert good.figures.peak_bytes > 1e7


def test_where_no_worker_can_load_the_model_that_is_told(job, tmp_path):
    with pytest.raises(WorkerError, match=r"bundle\.yaml.* is missing"):
        outcomes(replace(job, bundle=str(tmp_path / "absent")), 1, [chunk(tmp_path)])


def test_a_folder_that_cannot_be_written_ends_the_run(job, tmp_path):
    bag = bags.write_bag(tmp_path / "bag", 2)
    taken = tmp_path / "work" / chunk(bag).source.key
    taken.write_text("a file where the folder of chunks should be")
    with pytest.raises(OSError, match="File exists"):
        outcomes(job, 1, [chunk(bag)])
