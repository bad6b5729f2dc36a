"""Does a model in a lower precision, or on another provider, still answer as it does in fp32?

A few recorded questions are asked of it once; fp32 on the CPU does not run again. The answers
decide; how far each stage's tensors are from the recorded ones says which stage to blame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from time import perf_counter

from sam3_ros.core.backends.device_replay import without_graphs
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.precision.answers import QueryOrder, RawAnswer
from sam3_ros.core.precision.difference import AnswerDifference, difference, worst
from sam3_ros.core.precision.limits import GuardLimits
from sam3_ros.core.precision.recorded import QuestionedImage, RecordedAnswers
from sam3_ros.core.precision.samples import SampleTap
from sam3_ros.core.precision.verdict import StageComparison, StageVerdict, blamed_stages
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.plan import StagePlan

_NO_ANSWER = AnswerDifference(*(float("inf"),) * 4, masks_equal=0.0, mask_ious=(0.0,))


@dataclass(frozen=True)
class Verdict:
    """What came of one judgement.

    end_to_end: the worst of all questions, boxes of the best queries only. broken: the first figure
    past its limit, in words, or what a stage raised; None where all is well. stages: of every
    question, in the order in which they ran. blamed: whom to blame; empty where nobody can tell.
    """

    plan: StagePlan
    end_to_end: AnswerDifference
    limits: GuardLimits
    stages: tuple[StageVerdict, ...]
    seconds: float
    broken: str | None
    blamed: tuple[str, ...] = ()

    @property
    def distances(self) -> dict[str, float]:
        """By stage, as far as witnesses of it were recorded: the furthest of all questions."""
        furthest: dict[str, float] = {}
        for each in self.stages:
            if each.distance is not None:
                furthest[each.stage] = max(each.distance, furthest.get(each.stage, 0.0))
        return furthest

    @property
    def passed(self) -> bool:
        return self.broken is None

    def __str__(self) -> str:
        """One line, for a log."""
        found, limits = self.end_to_end, self.limits
        figures = (
            f"mask IoU {found.mean_mask_iou:.4f} (at least {limits.mask_iou:.3g}), scores within "
            f"{found.scores:.2g} ({limits.scores:.2g}), boxes within {100 * found.boxes:.2g} % of "
            f"the image ({100 * limits.boxes:.2g} %)"
        )
        end = f"{self.seconds:.1f} s"
        return f"{figures}: {'passed' if self.passed else 'failed'}, {end}"


def judge(
    graph: StageGraph, manifest: Manifest, plan: StagePlan, recorded: RecordedAnswers
) -> Verdict:
    """Ask the graph, which runs its stages by `plan`, everything that was recorded.

    Takes one run of the chain for a question; few_of chooses those that are worth it. What a stage
    raises is a verdict too.
    """
    start = perf_counter()
    asked = _Asked(graph, manifest, plan, recorded)
    limits = GuardLimits.of(plan, manifest.stages_in_use)
    for rounding in recorded.rounding.values():
        limits = limits.given(rounding)
    failure, stage = asked.all_questions()
    total = _NO_ANSWER if failure else worst(asked.differences)
    broken = failure or limits.broken_by(total) or _strayed(asked.stages)
    blamed = _blamed(asked.stages, stage) if broken else ()
    seconds = perf_counter() - start
    return Verdict(plan, total, limits, tuple(asked.stages), seconds, broken, blamed)


def _blamed(stages: Iterable[StageVerdict], raised: str) -> tuple[str, ...]:
    """Return the stage that raised, unless one before it was past its limit."""
    if raised and not any(each.excess > 1 for each in stages):
        return (raised,)
    return blamed_stages(stages)


class _Asked:
    """The questions of one judgement, and what came of them so far."""

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

    def all_questions(self) -> tuple[str, str]:
        """What a stage raised, which ends it, and which stage; both empty where all answered."""
        try:
            # They would be the judging thread's, and another one may serve with the model.
            with without_graphs(), self._tap.on(self._graph):
                for image in self._recorded.images:
                    self._questions_of(image)
        except InferenceError as error:
            return str(error), error.stage
        return "", ""

    def _questions_of(self, image: QuestionedImage) -> None:
        embedding = image.embedding(self._graph, self._manifest)
        comparison = StageComparison(self._manifest.stages, self._plan)
        for question in image.questions:
            key = (image.name, question.name)
            recorded = self._recorded.answers[key]
            order = QueryOrder(recorded)
            try:
                answer = order.ask(embedding, question)
                self.differences.append(_difference(recorded, answer))
            finally:
                expected = self._recorded.samples_for(key)
                self.stages += comparison.verdicts(expected, self._tap.taken(order.best))


def _difference(recorded: RawAnswer, found: RawAnswer) -> AnswerDifference:
    try:
        return difference(_best_boxes(recorded), _best_boxes(found))
    except ValueError as error:
        raise InferenceError(f"an answer has another size than the recorded one: {error}") from None


def _best_boxes(answer: RawAnswer) -> RawAnswer:
    """Those of queries that find nothing may be anywhere."""
    if "pred_boxes" not in answer.tensors:
        return answer
    boxes = answer.tensors["pred_boxes"][:, list(answer.queries)]
    return replace(answer, tensors={**answer.tensors, "pred_boxes": boxes})


def _strayed(stages: Iterable[StageVerdict]) -> str | None:
    """The worst stage, where it is past its limit: a fault that these questions hardly show."""
    furthest = max(stages, key=lambda each: each.excess, default=None)
    if furthest is None or furthest.excess <= 1:
        return None
    return f"{furthest}, and at most {furthest.limit:.2g} is usual"
