"""The segmenter beside a baseline: paired times, and how far the answers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sam3_ros.bench.baselines.paired import Baseline, Pairing, Ratios, in_turns
from sam3_ros.bench.baselines.stage_chain import ChainQuestion
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import (
    Workload,
    present_click,
    present_threshold,
    query_scores,
    scenarios,
)
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment

#: Scenarios that a baseline can answer, and what it is asked.
PAIRED = {
    "text_new_frame": "text",
    "text_absent": "text",
    "second_text_seen_frame": "text",
    "click_new_frame": "click",
    "click_seen_frame": "click",
}
#: How many of the best queries are drawn by both and compared, where there are as many.
LEAST_COMPARED, MASKS_COMPARED = 5, 10


@dataclass(frozen=True)
class Agreement:
    """How far the segmenter's masks agree with the baseline's."""

    #: How many masks there are, ours and theirs.
    masks: tuple[int, int]
    #: Part of the worst mask's pixels that are equal; 0 where the numbers of masks differ.
    equal_pixels: float
    #: Largest difference of a score.
    score: float
    #: Largest difference of a box corner, px.
    box_px: float


@dataclass(frozen=True)
class Comparison:
    """The segmenter beside a baseline."""

    #: The baseline's name.
    baseline: str
    #: What the baseline does, for people.
    description: str
    #: By scenario.
    ratios: tuple[Ratios, ...]
    #: How far the segmenter's answers agree with the baseline's, by "text" and "click".
    agreements: Mapping[str, Agreement]
    #: The baseline's median ms on the device by stage; empty where it was not timed there.
    stage_ms: Mapping[str, float] = field(default_factory=dict)


def compare(
    segmenter: Segmenter, workload: Workload, baseline: Baseline, budget: Budget
) -> Comparison:
    """Compare the answers, then time both in turns. Raises InferenceError when a stage fails."""
    asked = chain_question(segmenter, workload)
    pairings = [
        Pairing(each.key, each.title, each.call, PAIRED[each.key])
        for each in scenarios(segmenter, workload)
        if each.key in PAIRED
    ]
    kinds = dict.fromkeys(pairing.asked for pairing in pairings)
    alike = {kind: _agreement(segmenter, workload, baseline, asked, kind) for kind in kinds}
    ratios = in_turns(pairings, baseline, asked, budget)
    return Comparison(
        baseline.name, baseline.description, tuple(ratios), alike, baseline.stage_ms()
    )


def chain_question(segmenter: Segmenter, workload: Workload) -> ChainQuestion:
    """Ask the first phrase with the threshold that draws one mask, and the click."""
    image = segmenter.encode_image(workload.image)
    capabilities = segmenter.bundle.capabilities
    click = present_click(segmenter, image) if "interactive" in capabilities else None
    if "concept" not in capabilities:
        return ChainQuestion(click=click)
    threshold = present_threshold(segmenter, image, ConceptPrompt(workload.text))
    return ChainQuestion(workload.text, threshold, click)


def _agreement(
    segmenter: Segmenter, workload: Workload, baseline: Baseline, asked: ChainQuestion, kind: str
) -> Agreement:
    many = replace(asked, threshold=_threshold_of_many(segmenter, workload))
    image = segmenter.encode_image(workload.image)
    if kind == "click":
        assert asked.click is not None  # only bundles that take clicks are timed by them
        ours = segmenter.ask(image, [asked.click])
    else:
        ours = segmenter.ask(image, [ConceptPrompt(many.text)], many.threshold)
    return agreement(ours, baseline.answers(kind, many))


def _threshold_of_many(segmenter: Segmenter, workload: Workload) -> float:
    """Return a threshold below some of the best scores, in the widest gap between two.

    There rounding cannot add a query.
    """
    if "concept" not in segmenter.bundle.capabilities:
        return 0.5
    image = segmenter.encode_image(workload.image)
    scores = query_scores(segmenter, image, ConceptPrompt(workload.text))
    ranked = np.sort(scores)[::-1].astype(np.float64)[: MASKS_COMPARED + 1]
    if len(ranked) == 1:
        return float(ranked[0] / 2)
    least = min(LEAST_COMPARED, len(ranked) - 1)
    last = least - 1 + int(np.argmax((ranked[:-1] - ranked[1:])[least - 1 :]))
    return float((ranked[last] + ranked[last + 1]) / 2)


def agreement(ours: Sequence[Segment], theirs: Sequence[Segment]) -> Agreement:
    """Compare each of our segments with the baseline's segment whose box is nearest.

    The order does not pair them: rounding decides which of two nearly equal scores comes first.
    """
    left = list(theirs)
    pairs = []
    for segment in ours[: len(theirs)]:
        nearest = left.pop(int(np.argmin([_box_distance(segment, other) for other in left])))
        pairs.append((segment, nearest))
    equal = [float(np.mean(a.mask == b.mask)) for a, b in pairs]
    return Agreement(
        (len(ours), len(theirs)),
        min(equal, default=1.0) if len(ours) == len(theirs) else 0.0,
        max((abs(a.score - b.score) for a, b in pairs), default=0.0),
        max((_box_distance(a, b) for a, b in pairs), default=0.0),
    )


def _box_distance(one: Segment, other: Segment) -> float:
    """Return the largest difference of a box corner, px."""
    return float(np.abs(np.subtract(one.box.as_tuple(), other.box.as_tuple())).max())
