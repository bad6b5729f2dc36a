"""Measures how well a bundle answers on scenes that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.evaluation.clicks import Click, next_click, prompt_of
from sam3_ros.training.tabletop.unseen import (
    UNSEEN_SEED,
    PointedObject,
    UnseenScene,
    unseen_scenes,
)

MATCH_IOU = 0.5
#: Answers are corrected in one scene of so many: it takes longer than all else that is asked.
_CORRECTED = 2

#: A prompt -> the masks that answer it.
Ask: TypeAlias = Callable[[Prompt], list[np.ndarray]]


@dataclass
class Tally:
    """Sums over scenes."""

    matched: list[float] = field(default_factory=list)
    wanted: int = 0
    found: int = 0
    absent: int = 0
    absent_silent: int = 0
    unknown: int = 0
    unknown_silent: int = 0
    deepest_click: list[float] = field(default_factory=list)
    random_click: list[float] = field(default_factory=list)
    box: list[float] = field(default_factory=list)
    first_click: list[float] = field(default_factory=list)
    second_click: list[float] = field(default_factory=list)
    third_click: list[float] = field(default_factory=list)
    corrected_track: list[float] = field(default_factory=list)
    table_clicks: int = 0
    table_silent: int = 0

    def figures(self, scenes: int) -> dict[str, object]:
        """Return the figures of docs/tabletop.md by name; shares and IoU in [0,1]."""
        return {
            "scenes": scenes,
            "size": "640x480",
            "text_mean_iou_of_matched": _mean(self.matched),
            "text_recall_at_iou_0.5": _share(len(self.matched), self.wanted),
            "text_precision_at_iou_0.5": _share(len(self.matched), self.found),
            "text_instances": self.wanted,
            "absent_phrases_answered_with_nothing": _share(self.absent_silent, self.absent),
            "absent_phrases": self.absent,
            "unknown_words_answered_with_nothing": _share(self.unknown_silent, self.unknown),
            "one_click_mean_iou": _mean(self.deepest_click),
            "one_click_anywhere_mean_iou": _mean(self.random_click),
            "box_mean_iou": _mean(self.box),
            "first_click_mean_iou": _mean(self.first_click),
            "two_clicks_mean_iou": _mean(self.second_click),
            "three_clicks_mean_iou": _mean(self.third_click),
            "tracked_and_corrected_mean_iou": _mean(self.corrected_track),
            "objects_clicked": len(self.box),
            "objects_corrected": len(self.first_click),
            "clicks_on_the_table_answered_with_nothing": _share(
                self.table_silent, self.table_clicks
            ),
        }


def evaluate(segmenter: Segmenter, scenes: int, seed: int = UNSEEN_SEED) -> dict[str, object]:
    """Ask phrases, clicks and boxes of `scenes` new scenes, each as a camera might see it."""
    tally = Tally()
    for number, unseen in enumerate(unseen_scenes(scenes, seed)):
        image = segmenter.encode_image(unseen.picture)

        def ask(prompt: Prompt, image: ImageEmbedding = image) -> list[np.ndarray]:
            return [segment.mask for segment in segmenter.ask(image, [prompt])]

        _judge_phrases(ask, unseen, tally)
        _judge_clicks(ask, unseen, tally)
        for each in unseen.objects if number % _CORRECTED == 0 else ():
            _judge_corrections(ask, each, tally)
            tally.corrected_track.append(_iou_of_corrected_track(segmenter, image, each))
    return tally.figures(scenes)


def intersection_over_union(a: np.ndarray, b: np.ndarray) -> float:
    """Return the IoU of two bool masks; 1 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def matched_ious(found: list[np.ndarray], wanted: list[np.ndarray]) -> list[float]:
    """Return the IoU of each pair above MATCH_IOU, best first; a mask is in at most one pair."""
    pairs = sorted(
        (
            (intersection_over_union(a, b), i, j)
            for i, a in enumerate(found)
            for j, b in enumerate(wanted)
        ),
        reverse=True,
    )
    used_found, used_wanted, matched = set[int](), set[int](), []
    for iou, i, j in pairs:
        if iou >= MATCH_IOU and i not in used_found and j not in used_wanted:
            used_found.add(i)
            used_wanted.add(j)
            matched.append(iou)
    return matched


def _judge_phrases(ask: Ask, unseen: UnseenScene, tally: Tally) -> None:
    for phrase in unseen.present:
        wanted = [unseen.objects[place].mask for place in unseen.named_by(phrase)]
        found = ask(ConceptPrompt(phrase.text))
        tally.matched += matched_ious(found, wanted)
        tally.wanted += len(wanted)
        tally.found += len(found)
    for phrase in unseen.absent:
        tally.absent += 1
        tally.absent_silent += not ask(ConceptPrompt(phrase.text))
    tally.unknown += 1
    tally.unknown_silent += not ask(ConceptPrompt(unseen.with_unknown_word.text))


def _judge_clicks(ask: Ask, unseen: UnseenScene, tally: Tally) -> None:
    for each in unseen.objects:
        for prompt, ious in (
            (_click(*each.middle), tally.deepest_click),
            (_click(*each.anywhere), tally.random_click),
            (InteractivePrompt(box=each.box), tally.box),
        ):
            answer = ask(prompt)
            ious.append(intersection_over_union(answer[0], each.mask) if answer else 0.0)
    tally.table_clicks += 1
    tally.table_silent += not ask(_click(*unseen.on_the_table))


def _judge_corrections(ask: Ask, true: PointedObject, tally: Tally) -> None:
    """Click into the middle of the object, then twice into the deepest error of the answer."""
    clicks: tuple[Click, ...] = ()
    answered, iou = np.zeros_like(true.mask), 0.0
    for ious in (tally.first_click, tally.second_click, tally.third_click):
        click = next_click(true.mask, answered, clicks)
        if click is not None:  # else nothing is wrong
            clicks += (click,)
            answer = ask(prompt_of(clicks))
            answered = answer[0] if answer else np.zeros_like(true.mask)
            iou = intersection_over_union(answered, true.mask)
        ious.append(iou)


def _iou_of_corrected_track(
    segmenter: Segmenter, image: ImageEmbedding, true: PointedObject
) -> float:
    """Track the object by a click into its middle, and correct it by one into the deepest error."""
    tracking = segmenter.track()
    begun = tracking.add(image, _click(*true.middle))
    if not len(begun):
        return 0.0
    (segment,) = begun
    assert segment.track is not None
    click = next_click(true.mask, segment.mask, ())
    if click is not None:
        (segment,) = tracking.correct(segment.track.id, image, prompt_of((click,)))
    return intersection_over_union(segment.mask, true.mask)


def _click(x: int, y: int) -> InteractivePrompt:
    return InteractivePrompt(points=((x + 0.5, y + 0.5),))


def _mean(values: list[float]) -> float:
    return _share(sum(values), len(values))


def _share(part: float, whole: int) -> float:
    """Return part / whole, or 0 of nothing: a model that never answers has no precision."""
    return round(float(part) / whole, 4) if whole else 0.0
