"""The results of a report: what was measured of a bundle in each way, or why it was not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sam3_ros.bench.bundle_bench import MeasuredScenario
from sam3_ros.bench.measurement import END_TO_END
from sam3_ros.core.stages.plan import StageChoice

TEXTS = (1, 2, 4, 8)
TEXT, SECOND_TEXT, FIRST_CLICK, NEXT_CLICK = "texts_1", "second_text", "click_new", "click_seen"
LOAD, GUARD, IMAGE = "load", "guard", "image"
#: Objects that are tracked, by the key of the answer.
TRACKED: Mapping[str, int] = MappingProxyType({f"tracked_{n}": n for n in (1, 4, 16)})
TRACKED_ONE, *_, TRACKED_MANY = TRACKED

#: What is measured end to end in each way, in this order; by key, with its description.
ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        TEXT: "text on a new frame",
        SECOND_TEXT: "second text on a seen frame",
        **{f"texts_{n}": f"{n} texts on a new frame" for n in TEXTS[1:]},
        FIRST_CLICK: "first click on a new frame",
        NEXT_CLICK: "click on a seen frame",
        **{key: f"a tracked frame, {n} with all memories" for key, n in TRACKED.items()},
    }
)


@dataclass(frozen=True)
class Way:
    """How a bundle runs."""

    backend: str
    precision: str
    cuda_graphs: bool = False

    @property
    def choice(self) -> StageChoice:
        return StageChoice(self.backend, self.precision)

    def __str__(self) -> str:
        return f"{self.precision}, graphs" if self.cuda_graphs else self.precision


#: How the remark of a cell begins that has no figure, or the guard's that did not pass.
FAILED = "failed"


@dataclass(frozen=True)
class Cell:
    """One measurement of a bundle in one way."""

    #: LOAD, GUARD or one of ANSWERS.
    key: str
    #: Median; None where there is no figure.
    ms: float | None = None
    #: 95th percentile, where it was repeated.
    p95_ms: float | None = None
    #: Why there is no figure, or what else is to be said.
    remark: str = ""
    #: There was no time for it.
    is_left_out: bool = False
    #: What each stage took and did.
    measured: MeasuredScenario | None = None


@dataclass(frozen=True)
class WayResults:
    """A bundle in one way."""

    #: The bundle's folder.
    bundle: str
    way: Way
    #: By key, in the order they were measured.
    cells: Mapping[str, Cell] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        """Whether the guard found its answers wrong, or could not judge them."""
        guard = self.cells.get(GUARD)
        return guard is not None and guard.remark.startswith(FAILED)

    @property
    def image_ms(self) -> float | None:
        """What the image's stages take that a click needs: on the device where it was timed there.

        None where the clicks were not measured.
        """
        first, following = self.cells.get(FIRST_CLICK), self.cells.get(NEXT_CLICK)
        if not (first and first.measured and following and following.measured):
            return None
        of_image = first.measured.loads.keys() - following.measured.loads.keys()
        return sum(stage_times(first.measured, of_image).values())

    @property
    def object_ms(self) -> float | None:
        """What each tracked object beyond the first takes; None where that was not measured."""
        one, many = (self.cells.get(key) for key in (TRACKED_ONE, TRACKED_MANY))
        if one is None or many is None or one.ms is None or many.ms is None:
            return None
        return (many.ms - one.ms) / (TRACKED[TRACKED_MANY] - TRACKED[TRACKED_ONE])


def stage_times(measured: MeasuredScenario, stages: Iterable[str]) -> dict[str, float]:
    """Return the median ms of each of these stages, on the device where it was timed there."""
    times = {**measured.measurement.steps, **measured.measurement.on_device}
    return {stage: times[stage].median_ms for stage in stages if stage != END_TO_END}


def results_of(bundle: str, way: Way, cells: Iterable[Cell]) -> WayResults:
    """Collect the cells of a way; of two with a key the later one counts."""
    return WayResults(bundle, way, {cell.key: cell for cell in cells})
