"""Which stages are blamed: each one's outputs against the reference samples from fp32."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

from sam3_ros.core.precision.limits import stage_limit
from sam3_ros.core.precision.samples import AGAIN, StageSamples, TensorSamples
from sam3_ros.core.segmenter.device_pixels import PIXEL_VALUES
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan

#: How much a sound stage may amplify the deviation of its inputs.
AMPLIFIED = 5.0
#: How far pixel values may be from those of the CPU in any precision: both are rounded to whole
#: levels, and a tie is broken by the last bit of a sum.
OF_LEVELS = 0.01
#: Stages with this part of the worst stage's excess are blamed with it.
_NEARLY_AS_BAD = 0.25
#: Inputs that are made of other stages' outputs: a prompt is concatenated, and an object that is
#: followed gives back what was remembered of it.
_MADE_OF = {
    "prompt": ("text_features", "geometry_features"),
    "prompt_mask": ("text_mask", "geometry_mask"),
    "sam_embed": ("sam_embed", "tracked_embed"),
    "mask_input": ("mask_prompt",),
    "memories": ("mask_memory",),
    "object_pointers": ("pointers",),
}


@dataclass(frozen=True)
class StageVerdict:
    """How far a stage's outputs are from those in fp32, relative to their own scale."""

    #: Name of the stage.
    stage: str
    #: What ran the stage.
    choice: StageChoice
    #: The output that deviates most; empty where none could be compared.
    tensor: str
    #: Of that output (TensorSamples.distance): infinite where a value is not finite, None where no
    #: samples of the stage were recorded.
    distance: float | None
    #: Of the input that deviates most: what was wrong before the stage ran.
    of_inputs: float
    #: How far the stage may deviate by itself in its precision.
    limit: float

    @property
    def excess(self) -> float:
        """Deviation over what the precision and the inputs explain; a sound stage's is at most 1.

        0 where the stage runs in fp32 on the CPU, or where its inputs are not finite already.
        """
        if self.choice == REFERENCE or self.distance is None or not isfinite(self.of_inputs):
            return 0.0
        return self.distance / max(self.limit, AMPLIFIED * self.of_inputs)

    def __str__(self) -> str:
        if self.distance is None:
            return f"{self.stage} in {self.choice}: no reference samples"
        if not isfinite(self.distance):
            return f"{self.stage} in {self.choice}: {self.tensor} is not finite or has another size"
        return (
            f"{self.stage} in {self.choice}: {self.tensor} is off by {self.distance:.2g} of its "
            f"scale, its inputs by {self.of_inputs:.2g}"
        )


class StageComparison:
    """Compares the stages that run for the questions asked of one image."""

    def __init__(self, stages: Mapping[str, StageSpec], plan: StagePlan) -> None:
        self._stages = stages
        self._plan = plan
        #: Distance of every tensor seen so far, by canonical name.
        self._apart: dict[str, float] = {}

    def verdicts(self, expected: StageSamples, found: StageSamples) -> list[StageVerdict]:
        """Return a verdict on each stage that ran for one question, in the order they ran."""
        return [self._verdict(name, expected.get(name, {}), found[name]) for name in found]

    def _verdict(
        self, name: str, expected: Mapping[str, TensorSamples], found: Mapping[str, TensorSamples]
    ) -> StageVerdict:
        stage = name.removesuffix(AGAIN)
        of_inputs = self._distance_of_inputs(self._stages[stage])
        distances = {tensor: _distance(expected.get(tensor), found[tensor]) for tensor in found}
        known = {tensor: each for tensor, each in distances.items() if each is not None}
        self._apart |= known
        worst = max(known, key=lambda tensor: known[tensor], default="")
        choice = self._plan.of(stage)
        limit = stage_limit(choice)
        if PIXEL_VALUES in found:
            limit = max(limit, OF_LEVELS)
        return StageVerdict(stage, choice, worst, known.get(worst), of_inputs, limit)

    def _distance_of_inputs(self, stage: StageSpec) -> float:
        names = [part for name in stage.inputs for part in _MADE_OF.get(name, (name,))]
        return max((self._apart.get(name, 0.0) for name in names), default=0.0)


def blamed_stages(verdicts: Iterable[StageVerdict]) -> tuple[str, ...]:
    """Return the stage with the largest excess, and those nearly as bad whose excess is above 1.

    Return an empty tuple where no stage outside fp32 on the CPU deviates at all, or where no
    reference samples were recorded.
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
