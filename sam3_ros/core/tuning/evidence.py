"""The evidence in a machine profile: times, figures of the judgement, refusals."""

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

#: Cached for phrases that were seen before.
_CACHED = ("text_features", "text_mask")


@dataclass(frozen=True)
class TuningResult:
    """What a tuning run found."""

    #: Of every candidate.
    times: Sequence[CandidateTime]
    #: The plan that was chosen.
    found: FoundPlan
    #: Names of the images that plans were judged by.
    images: Sequence[str]
    #: One line for whatever was not tried, with the reason.
    refused: Sequence[str]


def evidence(bundle: Bundle, result: TuningResult) -> dict[str, Any]:
    """Return the evidence as core/profile/profile_schema.json describes it."""
    verdict = result.found.verdict
    reasons = {(time.stage, time.choice): reason for time, reason in result.found.refused}
    return {
        "images": list(result.images),
        "milliseconds": _frames(bundle, result),
        "candidates": [_candidate(time, reasons) for time in result.times],
        "judgement": {} if verdict is None else verdict.end_to_end.as_dict(),
        "refused": list(result.refused),
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


def _frames(bundle: Bundle, result: TuningResult) -> dict[str, Any]:
    """Sum the times of the stages that a new frame takes, for words seen before and for a click."""
    manifest = bundle.manifest
    of_words = {*tensor_names.IMAGE_INPUTS, *tensor_names.CONCEPT_INPUTS, *_CACHED}
    of_a_click = {*tensor_names.IMAGE_INPUTS, *tensor_names.INTERACTIVE_INPUTS}
    frames: dict[str, Any] = {}
    for name, wanted, known in (
        ("words", tensor_names.CONCEPT_OUTPUTS if manifest.concept else (), of_words),
        ("click", tensor_names.INTERACTIVE_OUTPUTS if manifest.interactive else (), of_a_click),
    ):
        if asked := [each for each in wanted if each not in known]:
            stages = {each.name for each in stages_needed(manifest.stages.values(), asked, known)}
            frames[name] = {
                "fp32_on_cpu": _sum(result.times, stages, StagePlan()),
                "chosen": _sum(result.times, stages, result.found.plan),
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
