"""What a person is told while chunks are labelled."""

from __future__ import annotations

from sam3_ros.label.chunk import Chunk, FramePlace, LabelSource, SourceKind
from sam3_ros.label.chunk_file import ChunkHead
from sam3_ros.label.engine import ChunkFigures, ChunkOutcome, ChunkProgress
from sam3_ros.label.inputs.planning import SourcePlan
from sam3_ros.label.run.counting import Counting
from sam3_ros.label.run.run_folder import ChunkState

SOURCE = LabelSource(SourceKind.BAG, "/bag", "bag", "")
FRAMES = tuple(FramePlace(n, n) for n in range(10))
CHUNKS = tuple(Chunk(SOURCE, "/image", number, FRAMES) for number in range(3))


def test_what_earlier_runs_did_counts_and_what_is_in_work_too():
    counting = Counting()
    head = ChunkHead(bytes=1, sha256="", frames=10, failed_frames=0, objects=7)
    states = [ChunkState(n, "/image", 10, head if n == 0 else None) for n in range(3)]
    counting.add(SourcePlan(SOURCE, CHUNKS), states)
    begin = counting.progress()
    assert (begin.frames, begin.frames_total, begin.objects, begin.sources) == (10, 30, 7, 0)
    assert begin.frames_per_second is None
    counting.take_progress(ChunkProgress(SOURCE.key, 1, 4))
    assert counting.progress().frames == 14
    figures = ChunkFigures(frames=10, failed_frames=1, objects=2, seconds=2.0, peak_bytes=5)
    counting.take(ChunkOutcome(SOURCE.key, 1, figures))
    later = counting.progress()
    assert (later.frames, later.objects, later.sources) == (20, 9, 0)
    assert later.frames_per_second is not None
    counting.take(ChunkOutcome(SOURCE.key, 2, None, "out of memory"))
    end = counting.progress()
    assert (end.frames, end.sources, end.sources_total) == (20, 1, 1)
    assert counting.peak_bytes == 5
