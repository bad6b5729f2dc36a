"""How long a segmenter takes, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.core.prompts import Prompt
from sam3_ros.core.segmenter import Segmenter

END_TO_END = "end to end"


@dataclass(frozen=True)
class StepTime:
    """Milliseconds over the repeats."""

    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Measurement:
    """One scenario. steps: in the order they ran, END_TO_END last; segments: in the last answer."""

    scenario: str
    repeats: int
    steps: dict[str, StepTime]
    per_second: float
    segments: int


def measure_frames(
    segmenter: Segmenter,
    scenario: str,
    image: npt.NDArray[np.uint8],
    prompts: Sequence[Prompt],
    repeats: int,
    warm_up: int = 3,
) -> Measurement:
    """Every repeat takes the image as a new frame; texts are remembered from the warm-up."""
    return _measure(
        segmenter, scenario, lambda: len(segmenter.segment(image, *prompts)), repeats, warm_up
    )


def measure_seen_frame(
    segmenter: Segmenter,
    scenario: str,
    image: npt.NDArray[np.uint8],
    prompts: Sequence[Prompt],
    repeats: int,
    warm_up: int = 3,
) -> Measurement:
    """Every repeat asks the same frame again; its features are there from the warm-up."""
    embedding = segmenter.encode_image(image)
    return _measure(
        segmenter, scenario, lambda: len(segmenter.ask(embedding, prompts)), repeats, warm_up
    )


def _measure(
    segmenter: Segmenter, scenario: str, call: Callable[[], int], repeats: int, warm_up: int
) -> Measurement:
    if repeats < 1 or warm_up < 1:
        raise ValueError(f"repeats and warm_up must be at least 1, got {repeats} and {warm_up}")
    for _ in range(warm_up):
        call()
    samples: dict[str, list[float]] = {}
    totals: list[float] = []
    segments = 0
    for _ in range(repeats):
        start = time.perf_counter()
        segments = call()
        totals.append(time.perf_counter() - start)
        for step, seconds in segmenter.timings.items():
            samples.setdefault(step, []).append(seconds)
    samples[END_TO_END] = totals
    steps = {step: _step_time(seconds) for step, seconds in samples.items()}
    return Measurement(scenario, repeats, steps, repeats / sum(totals), segments)


def _step_time(seconds: Sequence[float]) -> StepTime:
    median, p95 = np.percentile(np.array(seconds) * 1000, (50, 95))
    return StepTime(round(float(median), 3), round(float(p95), 3))
