"""A bundle's scenarios, timed, with what each stage did and what the machine would allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.bench.instruments.machine import MachineFigures
from sam3_ros.bench.instruments.roofline import (
    StageLoad,
    StepCost,
    stage_load,
    step_cost,
    total_cost,
)
from sam3_ros.bench.measurement import END_TO_END, Budget, Measurement, Outcome, measure
from sam3_ros.bench.observed_sessions import ObservedSessions
from sam3_ros.bench.scenarios import Question, scenarios
from sam3_ros.bench.setup import Setup
from sam3_ros.core.segmenter.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class MeasuredScenario:
    """key: for programs. loads: by stage, of one call."""

    key: str
    measurement: Measurement
    loads: Mapping[str, StageLoad]

    def costs(self, setup: Setup, machine: MachineFigures) -> dict[str, StepCost]:
        """By step, in the order they ran, END_TO_END last."""
        plan = setup.plan
        steps = dict(self.measurement.steps)
        whole = steps.pop(END_TO_END)
        costs = {}
        for step, time in steps.items():
            limits = machine.limits(plan.of(step)) if step in self.loads else None
            costs[step] = step_cost(time, self.loads.get(step), limits)
        return {**costs, END_TO_END: total_cost(whole, [costs[stage] for stage in self.loads])}


def measure_bundle(
    segmenter: Segmenter,
    sessions: ObservedSessions,
    question: Question,
    budget: Budget,
    say: Callable[[str], None],
) -> Iterator[MeasuredScenario]:
    """Scenario by scenario; say is told of each. The segmenter's sessions must be those observed.

    Raises InferenceError when a stage fails.
    """
    stage_of = stages_by_file(segmenter)
    for scenario in scenarios(segmenter, question):
        say(scenario.title)
        measured = measure(scenario.title, _fresh(sessions, scenario.call), budget)
        loads = {
            stage: stage_load([run for run in sessions.runs if stage_of[run.path] == stage])
            for stage in dict.fromkeys(stage_of[run.path] for run in sessions.runs)
        }
        yield MeasuredScenario(scenario.key, measured, loads)


def stages_by_file(segmenter: Segmenter) -> dict[Path, str]:
    """The stage that each file is of."""
    plan, bundle = segmenter.plan, segmenter.bundle
    return {
        bundle.stage_file(stage, plan.of(stage).file_precision): stage
        for stage in bundle.manifest.stages_in_use
    }


def _fresh(sessions: ObservedSessions, call: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """The call, after which the sessions know of its runs alone."""

    def observed() -> Outcome:
        sessions.clear()
        return call()

    return observed
