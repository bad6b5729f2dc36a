"""The segmenter beside a baseline: paired times, and how far the answers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam3_ros.bench.baselines.paired import Baseline, Pairing, Ratios, in_turns
from sam3_ros.bench.baselines.stage_chain import ChainQuestion
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import (
    Workload,
    present_threshold,
    query_scores,
    scenarios,
)
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment

#: Our scenarios that a baseline has an answer to, and what it is asked.
PAIRED = {
    "text_new_frame": "text",
    "text_absent": "text",
    "second_text_seen_frame": "text",
    "click_new_frame": "click",
    "click_seen_frame": "click",
}
#: So many of the best queries are drawn by both and compared, where there are as many.
LEAST_COMPARED, MASKS_COMPARED = 5, 10


@dataclass(frozen=True)
class Comparison:
    """agreements: by "text" and "click", ours held against the baseline's."""

    baseline: str
    description: str
    ratios: tuple[Ratios, ...]
    agreements: Mapping[str, Agreement]


def compare(
    segmenter: Segmenter, question: Workload, baseline: Baseline, budget: Budget
) -> Comparison:
    """Compare the answers first, then run in turns. Raises InferenceError when a stage fails."""
    asked = chain_question(segmenter, question)
    pairings = [
        Pairing(each.key, each.title, each.call, PAIRED[each.key])
        for each in scenarios(segmenter, question)
        if each.key in PAIRED
    ]
    kinds = dict.fromkeys(pairing.asked for pairing in pairings)
    alike = {kind: _agreement(segmenter, question, baseline, asked, kind) for kind in kinds}
    ratios = in_turns(pairings, baseline, asked, budget)
    return Comparison(baseline.name, baseline.description, tuple(ratios), alike)


def chain_question(segmenter: Segmenter, question: Workload) -> ChainQuestion:
    """The first phrase with the threshold that draws one mask, and the click."""
    click = question.click if "interactive" in segmenter.bundle.capabilities else None
    if "concept" not in segmenter.bundle.capabilities:
        return ChainQuestion(click=click)
    image = segmenter.encode_image(question.image)
    threshold = present_threshold(segmenter, image, ConceptPrompt(question.text))
    return ChainQuestion(question.text, threshold, click)


def _agreement(
    segmenter: Segmenter, question: Workload, baseline: Baseline, asked: ChainQuestion, kind: str
) -> Agreement:
    many = replace(asked, threshold=_threshold_of_many(segmenter, question))
    ours = _ours(segmenter, question, many, kind)
    return agreement(ours, baseline.answers(kind, many))


def _ours(
    segmenter: Segmenter, question: Workload, asked: ChainQuestion, kind: str
) -> list[Segment]:
    image = segmenter.encode_image(question.image)
    if kind == "click":
        return segmenter.ask(image, [question.click])
    return segmenter.ask(image, [ConceptPrompt(asked.text)], asked.threshold)


def _threshold_of_many(segmenter: Segmenter, question: Workload) -> float:
    """Below some of the best queries, in the widest gap there, lest rounding make them one more."""
    if "concept" not in segmenter.bundle.capabilities:
        return 0.5
    image = segmenter.encode_image(question.image)
    scores = query_scores(segmenter, image, ConceptPrompt(question.text))
    ranked = np.sort(scores)[::-1].astype(np.float64)[: MASKS_COMPARED + 1]
    if len(ranked) == 1:
        return float(ranked[0] / 2)
    least = min(LEAST_COMPARED, len(ranked) - 1)
    last = least - 1 + int(np.argmax((ranked[:-1] - ranked[1:])[least - 1 :]))
    return float((ranked[last] + ranked[last + 1]) / 2)


@dataclass(frozen=True)
class Agreement:
    """masks: how many there were, ours and theirs; equal_pixels: part of the worst mask's pixels on
    the same side; score: the largest difference; box_px: the same of any corner. Where the numbers
    of masks differ, equal_pixels is 0."""

    masks: tuple[int, int]
    equal_pixels: float
    score: float
    box_px: float


def agreement(ours: Sequence[Segment], theirs: Sequence[Segment]) -> Agreement:
    """Each of ours is held against that of theirs whose box is nearest: of two scores that are
    almost equal, rounding decides which comes first."""
    left = list(theirs)
    pairs = []
    for segment in ours[: len(theirs)]:
        nearest = left.pop(int(np.argmin([_apart(segment, other) for other in left])))
        pairs.append((segment, nearest))
    equal = [float(np.mean(a.mask == b.mask)) for a, b in pairs]
    return Agreement(
        (len(ours), len(theirs)),
        min(equal, default=1.0) if len(ours) == len(theirs) else 0.0,
        max((abs(a.score - b.score) for a, b in pairs), default=0.0),
        max((_apart(a, b) for a, b in pairs), default=0.0),
    )


def _apart(one: Segment, other: Segment) -> float:
    """Of boxes: the largest difference of a corner, px."""
    return float(np.abs(np.subtract(one.box.as_tuple(), other.box.as_tuple())).max())
