"""`sam3-ros bench`: what a bundle costs on this machine, stage by stage, and beside a baseline."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.bench.against import compare_with_baseline, require_baseline
from sam3_ros.cli.bench.options import (
    OF_FILES,
    OF_GROWTH,
    OF_GROWTH_AND_NODE,
    OF_NODE,
    OF_STAGES,
    fill_in,
    refuse_options,
)
from sam3_ros.cli.bench.tables import bundle_table
from sam3_ros.cli.model_options import ConfiguredModel, configured_model
from sam3_ros.cli.progress import ProgressLine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sam3_ros.bench.bundle_bench import MeasuredScenario, ResidentPeak
    from sam3_ros.bench.instruments.machine import MachineFigures
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.scenarios import Workload
    from sam3_ros.bench.setup import Setup
    from sam3_ros.core.segmenter.segmenter import Segmenter

_SECONDS = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be measured, and how."""

    model: ConfiguredModel
    setup: Setup
    workload: Workload
    budget: Budget


def run(options: argparse.Namespace) -> int:
    """Measure as the options say, and print."""
    refuse_options(options, "of stages", OF_FILES, OF_GROWTH, OF_NODE, OF_GROWTH_AND_NODE)
    fill_in(options, OF_STAGES)
    require_baseline(options)
    task = _task(options)
    with ProgressLine() as progress:
        document = _measure(options, task, progress.say)
    print(json.dumps(document, indent=2) if options.json else bundle_table(document))
    return 0


def _task(options: argparse.Namespace) -> _Task:
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.scenarios import Workload
    from sam3_ros.bench.setup import Setup
    from sam3_ros.core.precision.other_files import check_other_files

    model = configured_model(options)
    check_other_files(model.bundle)
    setup = Setup.of_plan(str(model.bundle.path), model.plan, model.threads, options.cuda_graphs)
    image = _picture(options)
    workload = Workload(image, options.text, options.prompts, options.cameras)
    seconds = options.seconds or _SECONDS
    budget = Budget(options.frames, seconds, least_warm_ups=setup.least_warm_ups)
    return _Task(model, setup, workload, budget)


def _measure(options: argparse.Namespace, task: _Task, say: Say) -> dict[str, Any]:
    from sam3_ros.bench.bundle_bench import measure_bundle, resident_peak
    from sam3_ros.bench.instruments.machine import measure_machine
    from sam3_ros.bench.setup import ObservedSessions

    stages = task.model.bundle.manifest.stages_in_use
    say("resident memory of a process of its own")
    resident = resident_peak(task.setup, task.workload)
    say("peak and bandwidth of the machine")
    before = measure_machine(task.setup, stages)
    sessions = ObservedSessions()
    with task.setup.load(sessions) as segmenter:
        found = list(measure_bundle(segmenter, sessions, task.workload, task.budget, say))
        machine = before.better_of(measure_machine(task.setup, stages))
        document = _head(task, segmenter, machine, resident)
        document["scenarios"] = [_scenario(each, task.setup, machine) for each in found]
        if options.against is not None:
            say(f"in turns with {options.against}")
            document["against"] = compare_with_baseline(
                options, task.setup, segmenter, task.workload, task.budget
            )
        if options.reductions:
            from sam3_ros.bench.baselines.ablation import ablation

            say("without each reduction in turn")
            rows = ablation(segmenter, task.workload, task.budget)
            document["reductions"] = [each.as_dict() for each in rows]
    return document


def _head(
    task: _Task,
    segmenter: Segmenter,
    machine: MachineFigures,
    resident: ResidentPeak | None,
) -> dict[str, Any]:
    from sam3_ros.bench.instruments.graph_work import can_count

    height, width = task.workload.image.shape[:2]
    return {
        "bundle": task.model.bundle.manifest.name,
        **task.model.document(),
        "providers": segmenter.providers,
        "width": width,
        "height": height,
        "machine": machine.document(),
        "flop_counted": can_count(),
        "resident_bytes": asdict(resident) if resident is not None else None,
        "file_bytes": _file_bytes(task),
    }


def _file_bytes(task: _Task) -> dict[str, int]:
    """Return the bytes of each stage's files, with the data beside them."""
    plan, manifest = task.model.plan, task.model.bundle.manifest
    files = {
        stage: manifest.stages[stage].file_for(plan.of(stage))
        for stage in manifest.stages_to_load(plan)
    }
    return {
        stage: file.bytes + sum(each.bytes for each in file.data)
        for stage, file in files.items()
        if file is not None
    }


def _scenario(found: MeasuredScenario, setup: Setup, machine: MachineFigures) -> dict[str, Any]:
    measured = found.measurement
    return {
        "key": found.key,
        "scenario": measured.scenario,
        "repeats": measured.repeats,
        "per_second": round(measured.per_second, 4),
        "segments": measured.segments,
        "between_ms": None if measured.between is None else measured.between.median_ms,
        "steps": {step: asdict(cost) for step, cost in found.costs(setup, machine).items()},
    }


def _picture(options: argparse.Namespace) -> npt.NDArray[np.uint8]:
    from sam3_ros.core.geometry import ImageSize
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.core.segmenter.pixels import resized

    width, height = options.size
    return resized(read_rgb(options.image), ImageSize(height, width), "bilinear_antialias")
