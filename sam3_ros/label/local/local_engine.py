"""The engine of one machine: processes of their own, each with a model on few threads."""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.label.chunk import Chunk
from sam3_ros.label.engine import MOST_TRIES, ChunkFigures, ChunkOutcome, ChunkProgress
from sam3_ros.label.job import LabelJob
from sam3_ros.label.local.room import visible_gpus
from sam3_ros.label.local.worker_process import Work, WorkerProcess


class WorkerError(Sam3RosError):
    """No worker can be started; the message is the worker's."""


class LocalEngine:
    """Runs chunks on processes of this machine. Those that die are replaced."""

    def __init__(self, job: LabelJob, workers: int) -> None:
        """Start nothing yet. workers: processes; each takes the GPU that has the fewest."""
        self._job = job
        self._most = workers
        self._gpus = visible_gpus()
        self._workers: list[WorkerProcess] = []
        #: How many workers have died before they were ready, since one was.
        self._stillborn = 0
        self._selector = selectors.DefaultSelector()
        self._again: deque[Work] = deque()

    def run(self, chunks: Iterable[Chunk]) -> Iterator[ChunkOutcome | ChunkProgress]:
        """Yield how chunks ended, as Engine says."""
        waiting = iter(chunks)
        while True:
            self._give_out(waiting)
            if all(worker.work is None for worker in self._workers):
                return
            for key, _ in self._selector.select():
                worker: WorkerProcess = key.data
                for answer in worker.answers():
                    outcome = self._ended(worker) if answer is None else self._told(worker, answer)
                    if outcome is not None:
                        yield outcome

    def close(self) -> None:
        """Kill all workers; closing twice is allowed."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._selector.close()

    def _give_out(self, waiting: Iterator[Chunk]) -> None:
        """Give work to each worker that has none, and start workers while there is work."""
        idle = [worker for worker in self._workers if worker.work is None]
        while idle or len(self._workers) < self._most:
            work = self._again.popleft() if self._again else _next(waiting)
            if work is None:
                return
            worker = idle.pop() if idle else self._start()
            worker.take(work)

    def _start(self) -> WorkerProcess:
        used = [worker.device_id for worker in self._workers]
        device_id = min(range(self._gpus), key=used.count, default=0)
        worker = WorkerProcess(replace(self._job, device_id=device_id))
        self._workers.append(worker)
        self._selector.register(worker, selectors.EVENT_READ, worker)
        return worker

    def _told(
        self, worker: WorkerProcess, answer: dict[str, Any]
    ) -> ChunkOutcome | ChunkProgress | None:
        """Take what a worker says; return how its chunk ended, or how far it is."""
        if "refused" in answer:
            raise WorkerError(str(answer["refused"]))
        if "unwritable" in answer:
            raise OSError(*answer["unwritable"])
        if "ready" in answer:
            self._stillborn = 0
            worker.begin()
            return None
        if "at" in answer:
            assert worker.work is not None, "it answers what it was given"
            chunk = worker.work.chunk
            return ChunkProgress(chunk.source.key, chunk.number, int(answer["at"]))
        work = worker.finish()
        if "failed" in answer:
            return self._failed(work, str(answer["failed"]))
        figures = ChunkFigures(**answer["done"])
        return ChunkOutcome(work.chunk.source.key, work.chunk.number, figures)

    def _ended(self, worker: WorkerProcess) -> ChunkOutcome | None:
        """Let go a worker that has died; its chunk is tried again."""
        self._workers.remove(worker)
        self._selector.unregister(worker)
        how = worker.end()
        work = worker.work
        if not worker.is_ready:
            self._stillborn += 1
            if self._stillborn == MOST_TRIES:
                raise WorkerError(f"{MOST_TRIES} workers have died while they loaded: {how}")
            if work is not None:
                self._again.append(work)
            return None
        return None if work is None else self._failed(work, how)

    def _failed(self, work: Work, why: str) -> ChunkOutcome | None:
        """Put a chunk back, or return that it is set aside."""
        if work.tries + 1 < MOST_TRIES:
            self._again.append(Work(work.chunk, work.tries + 1))
            return None
        return ChunkOutcome(work.chunk.source.key, work.chunk.number, None, why)


def _next(waiting: Iterator[Chunk]) -> Work | None:
    chunk = next(waiting, None)
    return None if chunk is None else Work(chunk)
