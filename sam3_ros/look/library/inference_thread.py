"""The one thread that uses the model: jobs first, in their order, then the newest picture of each.

A job is what somebody waits for: a question, a picture to hold. Pictures come by themselves: of a
camera only the newest waits, and cameras take turns.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sam3_ros.look.library.shots import Shot

_Result = TypeVar("_Result")


class LookEndedError(Exception):
    """The source was closed before the job's turn, and nothing else stands for its result."""


@dataclass(frozen=True, eq=False)
class _Job:
    run: Callable[[], Any]
    future: Future[Any]
    needs_model: bool
    #: Returns the result of a job that never had its turn.
    if_ended: Callable[[], Any]

    def give_up(self) -> None:
        """Set the result of a job that will not run."""
        try:
            self.future.set_result(self.if_ended())
        except LookEndedError as error:
            self.future.set_exception(error)


def _ended() -> Any:
    raise LookEndedError("the source has ended")


class InferenceThread:
    """Runs jobs and answers pictures until it is closed."""

    def __init__(self, answer: Callable[[Shot], None]) -> None:
        """answer: takes a picture whose turn it is; must not raise."""
        self._answer = answer
        self._condition = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._shots: dict[str, Shot] = {}
        self._has_model = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="look inference", daemon=True)
        self._thread.start()

    def submit(
        self,
        run: Callable[[], _Result],
        needs_model: bool = True,
        if_ended: Callable[[], _Result] = _ended,
    ) -> Future[_Result]:
        """Run a job; its Future has what it returns or raises. From any thread.

        needs_model: it waits until the model is there. if_ended: returns its result where it has
        no turn any more; without one that is LookEndedError.
        """
        job = _Job(run, Future(), needs_model, if_ended)
        with self._condition:
            is_closed = self._is_closed
            if not is_closed:
                self._jobs.append(job)
                self._condition.notify()
        if is_closed:
            job.give_up()
        return job.future

    def offer(self, shot: Shot) -> bool:
        """Answer a picture in its turn; return False if it took the place of one that waited."""
        with self._condition:
            before = self._shots.pop(shot.camera, None)
            self._shots[shot.camera] = shot
            self._condition.notify()
        return before is None

    def forget(self, camera: str) -> bool:
        """Leave out the picture of a camera that waits; return whether there was one."""
        with self._condition:
            return self._shots.pop(camera, None) is not None

    def model_is_there(self) -> None:
        """Begin with the jobs that wait for the model, also to tell them that there is none."""
        with self._condition:
            self._has_model = True
            self._condition.notify()

    def close(self, timeout: float | None = None) -> None:
        """End after the job in work, and wait for that; those that wait are given up."""
        with self._condition:
            self._is_closed = True
            waiting, self._jobs = list(self._jobs), deque()
            self._shots = {}
            self._condition.notify()
        for job in waiting:
            job.give_up()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def _run(self) -> None:
        while (work := self._take()) is not None:
            if isinstance(work, Shot):
                self._answer(work)
            elif work.future.set_running_or_notify_cancel():
                try:
                    result = work.run()
                except BaseException as error:
                    work.future.set_exception(error)
                else:
                    work.future.set_result(result)

    def _take(self) -> _Job | Shot | None:
        with self._condition:
            while not self._is_closed:
                ready = (job for job in self._jobs if self._has_model or not job.needs_model)
                if (job := next(ready, None)) is not None:
                    self._jobs.remove(job)
                    return job
                if self._shots:
                    return self._shots.pop(next(iter(self._shots)))
                self._condition.wait()
        return None
