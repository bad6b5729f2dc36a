"""Which stage is to blame: each one's outputs against the witnesses of what they are in fp32."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

from sam3_ros.core.precision.limits import stage_limit
from sam3_ros.core.precision.samples import StageSamples, TensorSamples
from sam3_ros.core.stages.order import Stage
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan

#: How many times larger a sound stage may make what came in with its inputs.
AMPLIFIED = 5.0
#: As a part of the worst stage's excess.
_NEARLY_AS_BAD = 0.25
#: The segmenter joins these to the prompt itself.
_PROMPT_PARTS = {
    "prompt": ("text_features", "geometry_features"),
    "prompt_mask": ("text_mask", "geometry_mask"),
}


@dataclass(frozen=True)
class StageVerdict:
    """How far a stage's outputs are from those in fp32, as a part of their own scale.

    tensor: its worst output. distance: of that one (TensorSamples.distance), infinite where
    something is not finite, None where no witness of the stage was recorded. of_inputs: of its
    worst input, so what was wrong before it ran. limit: what its precision may do by itself.
    """

    stage: str
    choice: StageChoice
    tensor: str
    distance: float | None
    of_inputs: float
    limit: float

    @property
    def excess(self) -> float:
        """How much worse its outputs are than its precision and its inputs explain: 1 at most."""
        if self.choice == REFERENCE or self.distance is None or not isfinite(self.of_inputs):
            return 0.0
        return self.distance / max(self.limit, AMPLIFIED * self.of_inputs)

    def __str__(self) -> str:
        if self.distance is None:
            return f"{self.stage} in {self.choice}: nothing recorded"
        if not isfinite(self.distance):
            return f"{self.stage} in {self.choice}: {self.tensor} is not finite, or of another size"
        return (
            f"{self.stage} in {self.choice}: {self.tensor} is off by {self.distance:.2g} of its "
            f"scale, its inputs by {self.of_inputs:.2g}"
        )


class StageComparison:
    """Of the stages that run for the questions asked of one image."""

    def __init__(self, stages: Mapping[str, Stage], plan: StagePlan) -> None:
        self._stages = stages
        self._plan = plan
        self._apart: dict[str, float] = {}

    def verdicts(self, expected: StageSamples, found: StageSamples) -> list[StageVerdict]:
        """Of those that ran for one question, in the order in which they did."""
        return [self._verdict(name, expected.get(name, {}), found[name]) for name in found]

    def _verdict(
        self, name: str, expected: Mapping[str, TensorSamples], found: Mapping[str, TensorSamples]
    ) -> StageVerdict:
        came_in = self._of_inputs(self._stages[name])
        distances = {tensor: _distance(expected.get(tensor), found[tensor]) for tensor in found}
        known = {tensor: each for tensor, each in distances.items() if each is not None}
        self._apart |= known
        worst = max(known, key=lambda tensor: known[tensor], default="")
        choice = self._plan.of(name)
        limit = stage_limit(choice)
        return StageVerdict(name, choice, worst, known.get(worst), came_in, limit)

    def _of_inputs(self, stage: Stage) -> float:
        names = [part for name in stage.inputs for part in _PROMPT_PARTS.get(name, (name,))]
        return max((self._apart.get(name, 0.0) for name in names), default=0.0)


def blamed_stages(verdicts: Iterable[StageVerdict]) -> tuple[str, ...]:
    """The stages to blame: the worst, and those nearly as bad that are worse than usual.

    None where no stage that is not in fp32 on the CPU is off at all, or no witness was recorded.
    """
    excess: dict[str, float] = {}
    for verdict in verdicts:
        excess[verdict.stage] = max(verdict.excess, excess.get(verdict.stage, 0.0))
    largest = max(excess.values(), default=0.0)
    if not largest > 0:
        return ()
    least = max(1.0, _NEARLY_AS_BAD * largest) if largest > 1 else largest
    return tuple(stage for stage, each in excess.items() if each >= least)


def _distance(recorded: TensorSamples | None, found: TensorSamples) -> float | None:
    if recorded is None:
        return inf if found.not_finite else None
    return recorded.distance(found)
