"""What a machine profile keeps of how it came about: times, figures, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.stages import tensor_names
from sam3_ros.core.stages.order import stages_needed
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.tuning.search import FoundPlan
from sam3_ros.core.tuning.times import CandidateTime

#: Of words that were met before.
_KEPT = ("text_features", "text_mask")


@dataclass(frozen=True)
class Finding:
    """times: of every candidate. images: names of what was judged by. refused: what was not
    tried, with the reason."""

    times: Sequence[CandidateTime]
    found: FoundPlan
    images: Sequence[str]
    refused: Sequence[str]


def evidence(bundle: Bundle, finding: Finding) -> dict[str, Any]:
    """As core/profile/profile_schema.json describes it."""
    verdict = finding.found.verdict
    reasons = {(time.stage, time.choice): reason for time, reason in finding.found.refused}
    return {
        "images": list(finding.images),
        "milliseconds": _frames(bundle, finding),
        "candidates": [_candidate(time, reasons) for time in finding.times],
        "judgement": {} if verdict is None else verdict.end_to_end.as_dict(),
        "refused": list(finding.refused),
    }


def _candidate(time: CandidateTime, reasons: dict[Any, str]) -> dict[str, Any]:
    choice = time.choice
    entry: dict[str, Any] = {
        "stage": time.stage,
        "backend": choice.backend,
        "precision": choice.precision,
    }
    if time.milliseconds is not None and time.gain is not None:
        entry |= {"milliseconds": round(time.milliseconds, 3), "gain": round(time.gain, 3)}
    refused = time.refused or reasons.get((time.stage, choice), "")
    return {**entry, "refused": refused} if refused else entry


def _frames(bundle: Bundle, finding: Finding) -> dict[str, Any]:
    """Of all the stages that a new frame takes: asked by words that were met before, or clicked."""
    manifest = bundle.manifest
    of_words = {*tensor_names.IMAGE_INPUTS, *tensor_names.CONCEPT_INPUTS, *_KEPT}
    of_a_click = {*tensor_names.IMAGE_INPUTS, *tensor_names.INTERACTIVE_INPUTS}
    frames: dict[str, Any] = {}
    for name, wanted, known in (
        ("words", tensor_names.CONCEPT_OUTPUTS if manifest.concept else (), of_words),
        ("click", tensor_names.INTERACTIVE_OUTPUTS if manifest.interactive else (), of_a_click),
    ):
        if asked := [each for each in wanted if each not in known]:
            stages = {each.name for each in stages_needed(manifest.stages.values(), asked, known)}
            frames[name] = {
                "fp32_on_cpu": _sum(finding.times, stages, StagePlan()),
                "chosen": _sum(finding.times, stages, finding.found.plan),
            }
    return frames


def _sum(times: Sequence[CandidateTime], stages: set[str], plan: StagePlan) -> float:
    return round(
        sum(
            time.milliseconds or 0.0
            for time in times
            if time.stage in stages and time.choice == plan.of(time.stage)
        ),
        3,
    )
