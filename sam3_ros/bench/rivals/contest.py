"""Our segmenter against a rival: ratios of time in turns, and whether the answers are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.rivals.likeness import Likeness, likeness
from sam3_ros.bench.rivals.rivalry import Pairing, Ratios, Rival, in_turns
from sam3_ros.bench.rivals.stage_chain import ChainQuestion
from sam3_ros.bench.scenarios import (
    Question,
    present_threshold,
    query_scores,
    scenarios,
)
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment

#: Our scenarios that a rival has an answer to, and what it is asked.
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
class Contest:
    """likenesses: by "text" and "click", ours held against the rival's."""

    rival: str
    description: str
    ratios: tuple[Ratios, ...]
    likenesses: Mapping[str, Likeness]


def compete(segmenter: Segmenter, question: Question, rival: Rival, budget: Budget) -> Contest:
    """Compare the answers first, then run in turns. Raises InferenceError when a stage fails."""
    asked = chain_question(segmenter, question)
    pairings = [
        Pairing(each.key, each.title, each.call, PAIRED[each.key])
        for each in scenarios(segmenter, question)
        if each.key in PAIRED
    ]
    kinds = dict.fromkeys(pairing.asked for pairing in pairings)
    alike = {kind: _likeness(segmenter, question, rival, asked, kind) for kind in kinds}
    ratios = in_turns(pairings, rival, asked, budget)
    return Contest(rival.name, rival.description, tuple(ratios), alike)


def chain_question(segmenter: Segmenter, question: Question) -> ChainQuestion:
    """The first phrase with the threshold that draws one mask, and the click."""
    click = question.click if "interactive" in segmenter.bundle.capabilities else None
    if "concept" not in segmenter.bundle.capabilities:
        return ChainQuestion(click=click)
    image = segmenter.encode_image(question.image)
    threshold = present_threshold(segmenter, image, ConceptPrompt(question.text))
    return ChainQuestion(question.text, threshold, click)


def _likeness(
    segmenter: Segmenter, question: Question, rival: Rival, asked: ChainQuestion, kind: str
) -> Likeness:
    many = replace(asked, threshold=_threshold_of_many(segmenter, question))
    ours = _ours(segmenter, question, many, kind)
    return likeness(ours, rival.answers(kind, many))


def _ours(
    segmenter: Segmenter, question: Question, asked: ChainQuestion, kind: str
) -> list[Segment]:
    image = segmenter.encode_image(question.image)
    if kind == "click":
        return segmenter.ask(image, [question.click])
    return segmenter.ask(image, [ConceptPrompt(asked.text)], asked.threshold)


def _threshold_of_many(segmenter: Segmenter, question: Question) -> float:
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
