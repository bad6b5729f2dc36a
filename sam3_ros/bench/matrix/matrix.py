"""Measures bundles in all ways within a time: first what the goals are about."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sam3_ros.bench.instruments.facts import facts_of
from sam3_ros.bench.instruments.machine import MachineFigures, measure_machine
from sam3_ros.bench.matrix.cells import LOAD, Cell, Way, WayResults, results_of
from sam3_ros.bench.matrix.child import Ended, in_child
from sam3_ros.bench.matrix.way_bench import keys_of, measure_way, ways_of
from sam3_ros.bench.scenarios import Workload
from sam3_ros.bench.setup import Setup, is_on_gpu
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.stages.plan import StageChoice

#: The longest that the machine's limits may take, before and again after the bundles.
LIMITS_SECONDS = 30.0
#: A way may take twice its even share of the time that is left, as most take less, and in any case
#: so much, because some whole columns say more than many half ones.
_GENEROSITY, _SHARE_SECONDS = 2.0, 40.0
#: The order of the precisions: those of the goals first.
_FIRST = ("fp16", "tf32", "fp32")
_COMPUTED_ON = {"cuda": ("tf32",), "tensorrt": ("tf32",), "tensorrt_rtx": ("tf32",)}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Matrix:
    """All results."""

    #: By name, such as "card".
    facts: Mapping[str, str]
    #: None where they could not be measured.
    limits: MachineFigures | None
    #: Why there are no limits.
    no_limits: str
    columns: tuple[WayResults, ...]
    #: Bundles by their folder.
    bundles: Mapping[str, Bundle] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be measured."""

    #: In the order of their importance.
    bundles: Sequence[Bundle]
    backend: str
    #: None for all that a bundle has on the backend.
    precisions: tuple[str, ...] | None
    workload: Workload
    #: On the CPU; None for one a core.
    threads: int | None = None
    #: Most repeats of an answer.
    repeats: int = 100


def measure_matrix(asked: Asked, deadline: float, say: Say) -> Matrix:
    """Measure as much as the time allows; what it does not is in the cells as left out.

    deadline: of time.monotonic.
    """
    plan = list(ways_in_turn(asked))
    say("limits of the machine")
    facts, limits, no_limits = _limits(asked, plan, deadline)
    columns = []
    for number, (bundle, way) in enumerate(plan):
        say(f"{bundle.manifest.name}: {way} ({number + 1} of {len(plan)})")
        left = max(0.0, deadline - time.monotonic())
        share = min(left, max(_SHARE_SECONDS, _GENEROSITY * left / (len(plan) - number)))
        columns.append(_column(asked, bundle, way, time.monotonic() + share))
    if limits is not None and deadline - time.monotonic() > LIMITS_SECONDS:
        say("limits of the machine again")
        _, after, _ = _limits(asked, plan, deadline)
        limits = limits if after is None else limits.better_of(after)
    folders = {str(bundle.path): bundle for bundle in asked.bundles}
    return Matrix(facts, limits, no_limits, tuple(columns), folders)


def ways_in_turn(asked: Asked) -> Iterator[tuple[Bundle, Way]]:
    """Yield the first way of every bundle, then the second, and so on."""
    by_bundle = [(bundle, ways_of_bundle(bundle, asked)) for bundle in asked.bundles]
    for number in range(max(len(ways) for _, ways in by_bundle)):
        yield from ((bundle, ways[number]) for bundle, ways in by_bundle if number < len(ways))


def ways_of_bundle(bundle: Bundle, asked: Asked) -> tuple[Way, ...]:
    """Return the ways of a bundle: its precisions, and those that the backend computes from them.

    int8 files are for the CPU.
    """
    on_gpu = is_on_gpu(StageChoice(asked.backend))
    manifest = bundle.manifest
    stored = (
        precision
        for stage in manifest.stages.values()
        for files in stage.files_by_rendition.values()
        for precision in files
    )
    known = [
        precision
        for precision in dict.fromkeys((*stored, *_COMPUTED_ON.get(asked.backend, ())))
        if all(
            bundle.has_file(stage, StageChoice(asked.backend, precision))
            for stage in manifest.stages_in_use
        )
        and not (on_gpu and precision == "int8")
    ]
    ordered = [each for each in _FIRST if each in known]
    ordered += [each for each in known if each not in ordered]
    return ways_of(asked.backend, on_gpu, asked.precisions or tuple(ordered))


def _limits(
    asked: Asked, plan: Sequence[tuple[Bundle, Way]], deadline: float
) -> tuple[dict[str, str], MachineFigures | None, str]:
    setups = [
        Setup(str(bundle.path), way.choice, threads=asked.threads)
        for bundle, way in plan
        if bundle is plan[0][0]
    ]
    stages = asked.bundles[0].manifest.stages_in_use
    facts: dict[str, str] = {}
    limits, reason = None, ""
    until = min(deadline, time.monotonic() + LIMITS_SECONDS)
    for found in in_child(_measure_limits, (asked.backend, setups, stages), until):
        if isinstance(found, MachineFigures):
            limits = found
        elif isinstance(found, Ended):
            reason = found.reason
        else:
            facts = found
    return facts, limits, reason


def _measure_limits(
    backend: str, setups: Sequence[Setup], stages: Sequence[str], _: float
) -> Iterator[dict[str, str] | MachineFigures]:
    yield facts_of(backend)
    default, *others = dict.fromkeys(setup.default for setup in setups)
    threads = setups[0].threads
    # A stage for each choice: what is measured depends on choices alone.
    other_stages = tuple(zip(stages, others, strict=False))
    yield measure_machine(Setup(setups[0].bundle, default, other_stages, threads), stages)


def _column(asked: Asked, bundle: Bundle, way: Way, until: float) -> WayResults:
    setup = Setup(str(bundle.path), way.choice, threads=asked.threads, cuda_graphs=way.cuda_graphs)
    cells = [
        Cell(key, remark="no time was left", is_left_out=True)
        for key in (LOAD, *keys_of(bundle.capabilities))
    ]
    if time.monotonic() < until:
        for found in in_child(measure_way, (setup, asked.workload, asked.repeats), until):
            if isinstance(found, Cell):
                cells.append(found)
            elif found.reason:
                cells = [_ended(cell, found) for cell in results_of("", way, cells).cells.values()]
    return results_of(str(bundle.path), way, cells)


def _ended(cell: Cell, ended: Ended) -> Cell:
    """Say of a cell without a figure why the process that was to measure it has sent none."""
    if not cell.is_left_out:
        return cell
    reason = ended.reason if ended.is_late else f"failed: {ended.reason}"
    return Cell(cell.key, remark=reason, is_left_out=ended.is_late)
