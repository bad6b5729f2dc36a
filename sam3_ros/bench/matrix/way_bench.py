"""Measures a bundle in one way: the guard first, as a node would, then each kind of answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from sam3_ros.bench.bundle_bench import (
    MeasuredScenario,
    measure_scenario,
    stages_by_file,
)
from sam3_ros.bench.matrix.cells import (
    ANSWERS,
    FIRST_CLICK,
    GUARD,
    LOAD,
    NEXT_CLICK,
    SECOND_TEXT,
    TEXTS,
    TRACKED,
    Cell,
    Way,
)
from sam3_ros.bench.matrix.child import told
from sam3_ros.bench.measurement import END_TO_END, Budget, Outcome
from sam3_ros.bench.scenarios import (
    Scenario,
    ScenarioPrompt,
    Workload,
    new_frame,
    present_click,
    present_threshold,
    seen_frame,
)
from sam3_ros.bench.setup import ObservedSessions, Setup
from sam3_ros.bench.tracking import TrackedObjects, most_memories
from sam3_ros.core.precision.repair import judge_precision
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

#: How long an answer is repeated, and how often at least.
SECONDS, LEAST = 0.5, 3


def measure_way(setup: Setup, workload: Workload, repeats: int, deadline: float) -> Iterator[Cell]:
    """Yield LOAD, GUARD and those of ANSWERS that the bundle gives; after the deadline no figures.

    workload: with at least max(TEXTS) phrases. Raises as Segmenter.load does; what fails later is
    told in its cell.
    """
    sessions = ObservedSessions()
    budget = Budget(repeats, SECONDS, LEAST, setup.least_warm_ups)
    start = time.perf_counter()
    with setup.load(sessions) as segmenter:
        yield Cell(LOAD, round(1000 * (time.perf_counter() - start), 1))
        yield _or_reason(GUARD, deadline, lambda: _judged(segmenter))
        answers = _Answers(segmenter, workload)
        for key in answers.keys:
            yield _or_reason(key, deadline, partial(_timed, answers, key, sessions, budget))


def keys_of(capabilities: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of ANSWERS a bundle with these capabilities gives."""
    clicks = (FIRST_CLICK, NEXT_CLICK)
    texts = (key for key in ANSWERS if key not in (*clicks, *TRACKED))
    given = [*texts] if "concept" in capabilities else []
    given += clicks if "interactive" in capabilities else ()
    given += TRACKED if "video" in capabilities else ()
    return tuple(given)


def _or_reason(key: str, deadline: float, measure: Callable[[], Cell]) -> Cell:
    if time.monotonic() >= deadline:
        return Cell(key, remark="no time was left", is_left_out=True)
    try:
        return measure()
    except Exception as error:  # the engine's own exceptions come through as they are
        return Cell(key, remark=f"failed: {told(error)}")


def _judged(segmenter: Segmenter) -> Cell:
    if segmenter.plan.is_reference(segmenter.bundle.manifest.stages_to_judge):
        return Cell(GUARD, remark="fp32 on the CPU is the reference")
    if segmenter.bundle.manifest.recorded_answers is None:
        return Cell(GUARD, remark="no recorded answers: `sam3-ros bundle record` makes them")
    verdict = judge_precision(segmenter)
    found = "passed" if verdict.passed else f"failed: {verdict.broken}"
    figures = verdict.end_to_end
    remark = f"{found} (mask IoU {figures.mean_mask_iou:.4f}, scores within {figures.scores:.2g})"
    return Cell(GUARD, round(1000 * verdict.seconds, 1), remark=remark)


def _timed(answers: _Answers, key: str, sessions: ObservedSessions, budget: Budget) -> Cell:
    scenario = Scenario(key, ANSWERS[key], answers.call(key))
    measured = measure_scenario(scenario, sessions, answers.stage_of, budget)
    time_ms = measured.measurement.steps[END_TO_END]
    return Cell(key, time_ms.median_ms, time_ms.p95_ms, _masks(measured), measured=measured)


def _masks(measured: MeasuredScenario) -> str:
    segments = measured.measurement.segments
    return "" if segments else "no mask was drawn"


def _tracked_frame(objects: TrackedObjects) -> Outcome:
    objects.prepare()  # does something before the first image only
    return Outcome(objects.step().steps, objects.followed)


class _Answers:
    """The call of each of ANSWERS; texts are encoded, and their thresholds found, before."""

    def __init__(self, segmenter: Segmenter, workload: Workload) -> None:
        self._segmenter, self._workload = segmenter, workload
        self._seen = segmenter.encode_image(workload.image)
        self._texts: list[ScenarioPrompt] = []
        self.stage_of = stages_by_file(segmenter)
        self.keys = keys_of(segmenter.bundle.capabilities)

    def call(self, key: str) -> Callable[[], Outcome]:
        segmenter, image = self._segmenter, self._workload.image
        if key in (FIRST_CLICK, NEXT_CLICK):
            click = [ScenarioPrompt(present_click(segmenter, self._seen))]
            if key == FIRST_CLICK:
                return lambda: new_frame(segmenter, image, click)
            return lambda: seen_frame(segmenter, self._seen, click)
        if key in TRACKED:
            return partial(_tracked_frame, self._objects(TRACKED[key]))
        if key == SECOND_TEXT:
            second = self._first_texts(2)[1:]
            return lambda: seen_frame(segmenter, self._seen, second)
        count = next(n for n in TEXTS if key == f"texts_{n}")
        asked = self._first_texts(count)
        return lambda: new_frame(segmenter, image, asked)

    def _objects(self, count: int) -> TrackedObjects:
        most = most_memories(self._segmenter.bundle.manifest)
        return TrackedObjects(self._segmenter, self._workload.image, count, most)

    def _first_texts(self, count: int) -> list[ScenarioPrompt]:
        for phrase in self._workload.phrases[len(self._texts) : count]:
            prompt = ConceptPrompt(phrase)
            threshold = present_threshold(self._segmenter, self._seen, prompt)
            self._texts.append(ScenarioPrompt(prompt, threshold))
        return self._texts[:count]


def ways_of(backend: str, on_gpu: bool, precisions: tuple[str, ...]) -> tuple[Way, ...]:
    """Return the ways to measure, those first whose times are the goals'."""
    graphs = (True, False) if on_gpu else (False,)
    return tuple(Way(backend, precision, each) for each in graphs for precision in precisions)
