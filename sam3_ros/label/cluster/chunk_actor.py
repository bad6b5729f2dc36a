"""What an actor of the cluster does: one model, and chunks whose images it reads by itself.

Ray replaces an actor that dies and tries its chunk again. An error that Python catches is tried
again here, because Ray Data would drop the reason with the row.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sam3_ros import __version__
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.label.chunk import Chunk
from sam3_ros.label.engine import MOST_TRIES, ChunkFigures
from sam3_ros.label.job import LabelJob


class LabelsChunks(Protocol):
    """What a Labeller does."""

    def label_chunk(self, chunk: Chunk) -> ChunkFigures: ...


Load = Callable[[LabelJob], LabelsChunks]


@dataclass(frozen=True)
class ActorOrders:
    """What an actor is told when it starts."""

    #: LabelJob.document() as JSON.
    job: str
    #: A file that the driver has just made, to see whether the file system is shared.
    token: str
    #: Of the driver's sam3_ros.
    version: str
    #: Makes the model; None for that of the job.
    load: Load | None = None


class ChunkActor:
    """Answers rows {"key": ..., "number": ..., "chunk": JSON} with "told" in the chunk's place."""

    def __init__(self, orders: ActorOrders) -> None:
        """Load the model. If that cannot be, the answer to every row says why."""
        self._labeller: LabelsChunks | None = None
        job = LabelJob.of_document(json.loads(orders.job))
        self._refused = _refusal(orders, job)
        if not self._refused:
            try:
                self._labeller = (orders.load or _loaded)(job)
            except (Sam3RosError, OSError) as error:
                self._refused = f"{_words(error)} (on {platform.node()})"

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        told = self._told(Chunk.of_document(json.loads(row["chunk"])))
        return {"key": row["key"], "number": row["number"], "told": json.dumps(told)}

    def _told(self, chunk: Chunk) -> dict[str, Any]:
        """Return {"done": figures}, or why not, as {"refused", "unwritable" or "failed": why}."""
        if self._labeller is None:
            return {"refused": self._refused}
        reason = ""
        for _ in range(MOST_TRIES):
            try:
                return {"done": asdict(self._labeller.label_chunk(chunk))}
            except OSError as error:  # noqa: PERF203
                return {"unwritable": [error.errno, error.strerror, error.filename]}
            except Sam3RosError as error:
                reason = _words(error)
            except Exception as error:  # a fault; the other chunks go on
                reason = f"{type(error).__name__}: {_words(error)}"
        return {"failed": reason}

    def __del__(self) -> None:
        with suppress(Exception):
            self._labeller.close()  # type: ignore[union-attr]


def _loaded(job: LabelJob) -> LabelsChunks:
    import cv2

    from sam3_ros.label.labeller import Labeller

    cv2.setNumThreads(job.threads)
    return Labeller.load(job)


def _refusal(orders: ActorOrders, job: LabelJob) -> str:
    here = platform.node()
    if orders.version != __version__:
        return (
            f"expected sam3_ros {orders.version} on every machine of the cluster, {here} has "
            f"{__version__}: install the same everywhere"
        )
    if not Path(orders.token).is_file():
        return (
            f"{here} does not see {job.work}, where the driver has just written: a cluster needs "
            "--out, the bags and the bundle on a file system that all its machines share"
        )
    return ""


def _words(error: Exception) -> str:
    return " ".join(str(error).split())
