"""The precision guard: does a model in another precision or backend still answer as in fp32?

It answers a few recorded questions once; fp32 on the CPU does not run again. The answers decide;
the distance of each stage's outputs from the reference samples says which stage is blamed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from time import perf_counter

from sam3_ros.core.backends.cuda_graphs import without_graphs
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.precision.answers import QueryOrder, RawAnswer
from sam3_ros.core.precision.difference import AnswerDifference, difference, worst
from sam3_ros.core.precision.limits import GuardLimits
from sam3_ros.core.precision.recorded import QuestionedImage, RecordedAnswers
from sam3_ros.core.precision.samples import SampleTap, StageSamples, TensorSamples
from sam3_ros.core.precision.verdict import StageComparison, StageVerdict, blamed_stages
from sam3_ros.core.segmenter.device_pixels import PIXEL_VALUES, stage_for_pixels
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.plan import StagePlan

_NO_ANSWER = AnswerDifference(*(float("inf"),) * 4, masks_equal=0.0, mask_ious=(0.0,))


@dataclass(frozen=True)
class PrecisionVerdict:
    """The result of one judgement."""

    #: What ran the stages.
    plan: StagePlan
    #: The worst of all questions, boxes of the best queries only.
    end_to_end: AnswerDifference
    #: The limits of `end_to_end`.
    limits: GuardLimits
    #: Of every question, in the order in which the stages ran.
    stages: tuple[StageVerdict, ...]
    #: Duration of the judgement.
    seconds: float
    #: The first figure beyond its limit, in words, or what a stage raised; None if it passed.
    broken: str | None
    #: The blamed stages; empty if it passed, or if no stage can be singled out.
    blamed: tuple[str, ...] = ()

    @property
    def distances(self) -> dict[str, float]:
        """Largest distance of each stage that has reference samples, over all questions."""
        furthest: dict[str, float] = {}
        for each in self.stages:
            if each.distance is not None:
                furthest[each.stage] = max(each.distance, furthest.get(each.stage, 0.0))
        return furthest

    @property
    def passed(self) -> bool:
        return self.broken is None

    def __str__(self) -> str:
        """Return one line for a log."""
        found, limits = self.end_to_end, self.limits
        figures = (
            f"mask IoU {found.mean_mask_iou:.4f} (at least {limits.mask_iou:.3g}), worst "
            f"{found.lenient_mask_iou:.3f} ({limits.worst_mask:.3g}), scores within "
            f"{found.scores:.2g} ({limits.scores:.2g}), boxes within {100 * found.boxes:.2g} % of "
            f"the image ({100 * limits.boxes:.2g} %)"
        )
        return f"{figures}: {'passed' if self.passed else 'failed'}, {self.seconds:.1f} s"


def judge(
    graph: StageGraph, manifest: Manifest, plan: StagePlan, recorded: RecordedAnswers
) -> PrecisionVerdict:
    """Ask the graph, which runs its stages by `plan`, all recorded questions.

    Takes one run of the stages for each question; few_of chooses those that are worth it. A stage
    that raises makes a verdict too.
    """
    start = perf_counter()
    judgement = _Judgement(graph, manifest, plan, recorded)
    limits = GuardLimits.of(plan, manifest.stages_to_judge)
    for rounding in recorded.rounding.values():
        limits = limits.given(rounding)
    failure, stage = judgement.run()
    total = _NO_ANSWER if failure else worst(judgement.differences)
    broken = failure or limits.broken_by(total) or _deviating(judgement.stages)
    blamed = _blamed(judgement.stages, stage) if broken else ()
    seconds = perf_counter() - start
    return PrecisionVerdict(plan, total, limits, tuple(judgement.stages), seconds, broken, blamed)


def _blamed(stages: Iterable[StageVerdict], raised: str) -> tuple[str, ...]:
    """Return the stage that raised, unless one before it was beyond its limit."""
    if raised and not any(each.excess > 1 for each in stages):
        return (raised,)
    return blamed_stages(stages)


class _Judgement:
    """Asks the recorded questions and keeps what was found so far."""

    def __init__(
        self, graph: StageGraph, manifest: Manifest, plan: StagePlan, recorded: RecordedAnswers
    ) -> None:
        self._graph = graph
        self._manifest = manifest
        self._plan = plan
        self._recorded = recorded
        self._tap = SampleTap()
        self.differences: list[AnswerDifference] = []
        self.stages: list[StageVerdict] = []

    def run(self) -> tuple[str, str]:
        """Ask until a stage raises; return its error and its name, both empty if none did."""
        try:
            # A CUDA graph belongs to the thread that captured it; another may serve the model.
            with without_graphs(), self._tap.on(self._graph):
                for image in self._recorded.images:
                    self._ask(image)
        except InferenceError as error:
            return str(error), error.stage
        return "", ""

    def _ask(self, image: QuestionedImage) -> None:
        embedding = image.embedding(self._graph, self._manifest, self._plan)
        comparison = StageComparison(self._manifest.stages, self._plan)
        prepared = self._prepared_on_the_cpu(image)
        for question in image.questions:
            key = (image.name, question.name)
            recorded = self._recorded.answers[key]
            order = QueryOrder(recorded)
            try:
                answer = order.ask(embedding, question)
                self.differences.append(_difference(recorded, answer))
            finally:
                expected = {**self._recorded.samples_for(key), **prepared}
                self.stages += comparison.verdicts(expected, self._tap.taken(order.best))

    def _prepared_on_the_cpu(self, image: QuestionedImage) -> StageSamples:
        """Return samples for a stage that prepares pixels, which no recorded answers have."""
        stage = stage_for_pixels(self._plan, self._manifest)
        if stage is None:
            return {}
        values = ImageTransform.of(image.size, self._manifest).pixel_values(image.pixels)
        return {stage: {PIXEL_VALUES: TensorSamples.of(values)}}


def _difference(recorded: RawAnswer, found: RawAnswer) -> AnswerDifference:
    try:
        return difference(_best_boxes(recorded), _best_boxes(found))
    except ValueError as error:
        raise InferenceError(f"an answer has another size than the recorded one: {error}") from None


def _best_boxes(answer: RawAnswer) -> RawAnswer:
    """Keep the boxes of the best queries: those of queries that find nothing may be anywhere."""
    if "pred_boxes" not in answer.tensors:
        return answer
    boxes = answer.tensors["pred_boxes"][:, list(answer.queries)]
    return replace(answer, tensors={**answer.tensors, "pred_boxes": boxes})


def _deviating(stages: Iterable[StageVerdict]) -> str | None:
    """Describe the worst stage if beyond its limit: a fault that the answers hardly show."""
    furthest = max(stages, key=lambda each: each.excess, default=None)
    if furthest is None or furthest.excess <= 1:
        return None
    return f"{furthest}, and at most {furthest.limit:.2g} is usual"
