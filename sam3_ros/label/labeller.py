"""The one code path of all workers: a model, and a chunk to its file."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ImageError, PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.label.answers import ChunkAnswer, LabelledFrame, LabelledObject
from sam3_ros.label.asking import FrameAsker, TrackingAsker
from sam3_ros.label.chunk import Chunk, LabelSource
from sam3_ros.label.chunk_file import chunk_path, write_chunk_file
from sam3_ros.label.engine import ChunkFigures
from sam3_ros.label.job import LabelJob
from sam3_ros.label.reading.opening import open_reader
from sam3_ros.label.reading.reader import ReadFrame, SourceReader

_KIB = 1024


class Labeller:
    """A model that is loaded, and the source that was read last, still open.

    with Labeller.load(job) as labeller:
        figures = labeller.label_chunk(chunk)
    """

    def __init__(self, job: LabelJob, segmenter: Segmenter) -> None:
        """Take a segmenter, which `close` closes; Labeller.load makes one."""
        self._job = job
        self._segmenter = segmenter
        self._settings = job.reading
        self._open: tuple[LabelSource, SourceReader] | None = None

    @classmethod
    def load(cls, job: LabelJob) -> Labeller:
        """Open the bundle's sessions. Raises as Segmenter.load does."""
        segmenter = Segmenter.load(
            Bundle.checked_before(Path(job.bundle)),
            plan=job.plan,
            threads=job.threads,
            device_id=job.device_id,
            cuda_graphs=job.cuda_graphs,
        )
        return cls(job, segmenter)

    def label_chunk(
        self, chunk: Chunk, on_frames: Callable[[int], None] | None = None
    ) -> ChunkFigures:
        """Answer a chunk, write its file, and return the figures.

        on_frames: is called after each image with the number of those answered.
        An image that cannot be answered is a frame with a failure. Raises Sam3RosError where the
        source cannot be read at all, or a stage of the model fails; OSError where the file cannot
        be written.
        """
        begin = time.monotonic()
        answered: list[LabelledFrame] = []
        for frame in self._answers(chunk):
            answered.append(frame)
            if on_frames is not None:
                on_frames(len(answered))
        lead = answered.pop(0) if chunk.lead is not None else None
        frames = tuple(answered)
        folder = self._job.folder_of(chunk.source.key)
        folder.mkdir(parents=True, exist_ok=True)
        answer = ChunkAnswer(chunk.source.name, chunk.topic, chunk.number, chunk.span, frames, lead)
        write_chunk_file(chunk_path(folder, chunk.number), answer)
        return ChunkFigures(
            frames=len(frames),
            failed_frames=sum(bool(frame.failure) for frame in frames),
            objects=sum(each.bounds is not None for frame in frames for each in frame.objects),
            seconds=time.monotonic() - begin,
            peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB,
        )

    def close(self) -> None:
        """Free the sessions and close the source; closing twice is allowed."""
        self._close_source()
        self._segmenter.close()

    def __enter__(self) -> Labeller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answers(self, chunk: Chunk) -> Iterator[LabelledFrame]:
        prompts = self._job.prompts
        make = TrackingAsker if self._job.track else FrameAsker
        asker = make(self._segmenter, prompts)
        step = chunk.step if chunk.open_end else None
        reader = self._reader_of(chunk.source)
        places = chunk.frames if chunk.lead is None else (chunk.lead, *chunk.frames)
        for read in reader.frames(chunk.topic, places, step):
            yield _answered(read, asker)

    def _reader_of(self, source: LabelSource) -> SourceReader:
        """Return the reader of a source: the next chunk is mostly of the same one."""
        if self._open is not None and self._open[0] == source:
            return self._open[1]
        self._close_source()
        reader = open_reader(source, self._settings)
        self._open = source, reader
        return reader

    def _close_source(self) -> None:
        if self._open is not None:
            reader, self._open = self._open[1], None
            with suppress(OSError):
                reader.close()


def _answered(read: ReadFrame, asker: FrameAsker) -> LabelledFrame:
    segments: list[Segment] = []
    size, failure = ImageSize(0, 0), read.failure
    if read.rgb is not None:
        size = ImageSize(*read.rgb.shape[:2])
        try:
            segments = asker.ask(read.rgb)
        except (ImageError, PromptError) as error:
            failure = " ".join(str(error).split())
    return LabelledFrame(
        index=read.place.index,
        time_ns=read.place.time_ns,
        stamp_ns=read.stamp_ns,
        frame_id=read.frame_id,
        size=size,
        file=read.place.file,
        objects=tuple(_labelled(segment) for segment in segments),
        failure=failure,
        rank=read.place.rank,
    )


def _labelled(segment: Segment) -> LabelledObject:
    bounds = segment.bounds
    left, top, right, bottom = (0, 0, 0, 0) if bounds is None else map(int, bounds.as_tuple())
    return LabelledObject(
        prompt_id=segment.prompt_id,
        label=segment.label,
        score=float(segment.score),
        box=segment.box.as_tuple(),
        bounds=None if bounds is None else (left, top, right, bottom),
        area=int(segment.mask.sum()),
        counts=str(RunLengths.of(segment.mask).document()["counts"]),
        track_id=None if segment.track is None else segment.track.id,
        track_state="" if segment.track is None else segment.track.state.value,
    )
