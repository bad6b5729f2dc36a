"""Judges plans, one after the other, with one model loaded."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.guard import Verdict, judge
from sam3_ros.core.precision.recorded import RecordedAnswers
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import OpenSession, SessionOptions


class PlanJudge:
    """From one plan to the next only the stages that differ are loaded anew.

    judged: what to hold a plan against, image by image, each by itself: a mean over all would hide
    the one picture that suffers.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: SessionOptions,
        open_session: OpenSession,
        judged: Sequence[RecordedAnswers],
    ) -> None:
        self._bundle = bundle
        self._options = options
        self._open_session = open_session
        self._judged = judged
        self._segmenter: Segmenter | None = None

    def __enter__(self) -> PlanJudge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._segmenter is not None:
            self._segmenter.close()

    def __call__(self, plan: StagePlan) -> Verdict:
        """The first verdict that fails, or that of the worst masks. Raises as Segmenter.load."""
        segmenter = self._running(plan)
        verdicts: list[Verdict] = []
        for recorded in self._judged:
            verdicts.append(judge(segmenter.graph, self._bundle.manifest, plan, recorded))
            if not verdicts[-1].passed:
                return verdicts[-1]
        return min(verdicts, key=lambda verdict: verdict.end_to_end.mean_mask_iou)

    def _running(self, plan: StagePlan) -> Segmenter:
        if self._segmenter is None:
            self._segmenter = Segmenter.load(
                self._bundle,
                threads=self._options.threads,
                open_session=self._open_session,
                device_id=self._options.device_id,
                plan=plan,
            )
        else:
            self._segmenter.change_plan(plan)
        return self._segmenter
