"""Times a bundle's scenarios stage by stage beside the machine's limits, and measures memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
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
from sam3_ros.bench.scenarios import Scenario, Workload, scenarios
from sam3_ros.bench.setup import ObservedSessions, Setup
from sam3_ros.core.segmenter.segmenter import Segmenter

#: Scenarios whose memory is measured: words and a click, with all stages that they need.
MEMORY_SCENARIOS = (
    "text_new_frame",
    "second_text_seen_frame",
    "click_new_frame",
    "click_seen_frame",
)


@dataclass(frozen=True, eq=False)
class MeasuredScenario:
    """A scenario with its times and what each stage did."""

    #: The scenario's name for programs.
    key: str
    #: The times of its repeats.
    measurement: Measurement
    #: By stage, of one call.
    loads: Mapping[str, StageLoad]

    def costs(self, setup: Setup, machine: MachineFigures) -> dict[str, StepCost]:
        """Return the cost of each step in the order they ran, END_TO_END last."""
        plan = setup.plan
        steps = dict(self.measurement.steps)
        whole = steps.pop(END_TO_END)
        costs = {}
        for step, time in steps.items():
            limits = machine.limits(plan.of(step)) if step in self.loads else None
            on_device = self.measurement.on_device.get(step)
            costs[step] = step_cost(time, self.loads.get(step), limits, on_device)
        return {**costs, END_TO_END: total_cost(whole, [costs[stage] for stage in self.loads])}


def measure_bundle(
    segmenter: Segmenter,
    sessions: ObservedSessions,
    workload: Workload,
    budget: Budget,
    report: Callable[[str], None],
) -> Iterator[MeasuredScenario]:
    """Time one scenario after the other; `report` gets the title of each before it runs.

    The segmenter's sessions must be `sessions`. Raises InferenceError when a stage fails.
    """
    stage_of = stages_by_file(segmenter)
    for scenario in scenarios(segmenter, workload):
        report(scenario.title)
        yield measure_scenario(scenario, sessions, stage_of, budget)


def measure_scenario(
    scenario: Scenario, sessions: ObservedSessions, stage_of: Mapping[Path, str], budget: Budget
) -> MeasuredScenario:
    """Time one scenario. stage_of: the stage of each file, as stages_by_file returns it."""
    measured = measure(
        scenario.title,
        _fresh(sessions, scenario.call),
        budget,
        lambda: device_seconds(sessions, stage_of),
    )
    loads = {
        stage: stage_load([run for run in sessions.runs if stage_of[run.path] == stage])
        for stage in dict.fromkeys(stage_of[run.path] for run in sessions.runs)
    }
    return MeasuredScenario(scenario.key, measured, loads)


def stages_by_file(segmenter: Segmenter) -> dict[Path, str]:
    """Return the stage of each model file that runs."""
    plan, bundle = segmenter.plan, segmenter.bundle
    return {
        bundle.chosen_file(stage, plan.of(stage)): stage
        for stage in bundle.manifest.stages_to_load(plan)
    }


def device_seconds(sessions: ObservedSessions, stage_of: Mapping[Path, str]) -> dict[str, float]:
    """Return by stage the seconds on the device of the observed runs; waits for their end."""
    seconds: dict[str, float] = {}
    for run in sessions.runs:
        if run.device_ms is not None:
            stage = stage_of[run.path]
            seconds[stage] = seconds.get(stage, 0.0) + run.device_ms() / 1000
    return seconds


def _fresh(sessions: ObservedSessions, call: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """Clear the observed runs before each call, so that they are those of the last call."""

    def observed() -> Outcome:
        sessions.clear()
        return call()

    return observed


@dataclass(frozen=True)
class ResidentPeak:
    """Peak resident memory, bytes."""

    #: Until all sessions were open.
    loaded: int
    #: Until the last answer.
    answering: int


def resident_peak(setup: Setup, workload: Workload) -> ResidentPeak | None:
    """Measure the peak of a process that does nothing but load the bundle and answer.

    In a process of its own, as this one's peak includes what it measured before. None where the
    system does not report it (no /proc). Raises as Segmenter.load does.
    """
    if _high_water() is None:
        return None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_of_child, setup, workload).result()


def _peak_of_child(setup: Setup, workload: Workload) -> ResidentPeak:
    with setup.load() as segmenter:
        loaded = _high_water() or 0
        for scenario in scenarios(segmenter, workload):
            if scenario.key in MEMORY_SCENARIOS:
                scenario.call()
    return ResidentPeak(loaded, _high_water() or 0)


def _high_water() -> int | None:
    """Return VmHWM of this process, bytes (proc_pid_status(5)); the kernel's kB are 1024 bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
