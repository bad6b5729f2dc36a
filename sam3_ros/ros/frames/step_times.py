"""Where the time of answers goes, step by step."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

import numpy as np

from sam3_ros.core.timings import Timings
from sam3_ros.ros.frames.ledger import LATENCIES_KEPT
from sam3_ros.ros.frames.report import StageLatency


class StepTimes(Timings):
    """Of one answer: convert, the segmenter's own steps, messages, publish."""

    def absorb(self, seconds: Mapping[str, float]) -> None:
        for step, each in seconds.items():
            self.add(step, each)


class StepLatencies:
    """Of the last answers; written by the inference thread, read by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: deque[Mapping[str, float]] = deque(maxlen=LATENCIES_KEPT)

    def add(self, seconds_by_step: Mapping[str, float]) -> None:
        with self._lock:
            self._answers.append(seconds_by_step)

    def report(self) -> dict[str, StageLatency]:
        """By step; a step counts in those answers in which it ran."""
        with self._lock:
            answers = list(self._answers)
        steps = dict.fromkeys(step for answer in answers for step in answer)
        return {step: _latency([a[step] for a in answers if step in a]) for step in steps}


def _latency(seconds: list[float]) -> StageLatency:
    median, p95 = np.percentile(seconds, (50, 95)) * 1000
    return StageLatency(float(median), float(p95))
