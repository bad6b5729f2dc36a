"""The one code path of all workers: a model, and a chunk to its file."""

from __future__ import annotations

from sam3_ros.label.chunk import Chunk
from sam3_ros.label.engine import ChunkFigures
from sam3_ros.label.job import LabelJob


class Labeller:
    """A model that is loaded, and the source that was read last, still open.

    with Labeller.load(job) as labeller:
        figures = labeller.label_chunk(chunk)
    """

    @classmethod
    def load(cls, job: LabelJob) -> Labeller:
        """Open the bundle's sessions. Raises as Segmenter.load does."""
        raise NotImplementedError

    def label_chunk(self, chunk: Chunk) -> ChunkFigures:
        """Answer a chunk, write its file, and return the figures.

        An image that cannot be answered is a frame with a failure. Raises Sam3RosError where the
        source cannot be read at all; OSError where the file cannot be written.
        """
        raise NotImplementedError
