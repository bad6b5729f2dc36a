"""Asks one picture all of its prompts, and holds the answers against its truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.evaluation.clicks import Click, next_click, prompt_of
from sam3_ros.evaluation.regions import Region, mask_of, overlaps, region_of_mask
from sam3_ros.evaluation.settings import MATCH_IOU, MOST_ANSWERS, EvaluationSettings
from sam3_ros.evaluation.truth import KnownObject, PictureTruth

#: Phrases that are asked together: some engines answer several in less time, and masks take memory.
_TOGETHER = 8


@dataclass(frozen=True, eq=False)
class Detection:
    """An answer as COCO's evaluation counts it."""

    picture: int
    category: int
    region: Region
    score: float

    def document(self) -> dict[str, Any]:
        """Return it in the form of COCO's results."""
        region = {**self.region, "counts": self.region["counts"].decode("ascii")}
        return {
            "image_id": self.picture,
            "category_id": self.category,
            "segmentation": region,
            "score": self.score,
        }


@dataclass(frozen=True)
class PhraseAnswer:
    """How one phrase was answered on one picture, by the answers above the bundle's threshold."""

    category: int
    #: Objects that the phrase names.
    wanted: int
    #: Answers, without those that lie in a crowd.
    found: int
    #: The IoU of each pair of an answer and an object, at least MATCH_IOU; each is in one at most.
    matched: tuple[float, ...]
    is_absent: bool


@dataclass(frozen=True)
class ObjectAnswer:
    """How one object was answered that a box or clicks pointed at."""

    category: int
    #: px, as the file has it.
    area: float
    #: The IoU after each click, 0 where there was no answer; of a box, one.
    ious: tuple[float, ...]
    is_answered: bool


@dataclass(frozen=True, eq=False)
class PictureAnswers:
    """All answers on one picture."""

    detections: tuple[Detection, ...]
    phrases: tuple[PhraseAnswer, ...] = ()
    objects: tuple[ObjectAnswer, ...] = ()


def ask_phrases(
    segmenter: Segmenter,
    image: ImageEmbedding,
    truth: PictureTruth,
    phrases: Mapping[int, str],
    settings: EvaluationSettings,
) -> PictureAnswers:
    """Ask every category by its phrase: those in the picture, and those known to be absent.

    Raises PromptError and InferenceError as Segmenter.ask does.
    """
    concept = segmenter.bundle.manifest.concept
    assert concept is not None  # require_capability has looked
    wanted = truth.present if truth.absent is None else truth.present | truth.absent
    asked = [each for each in phrases if truth.absent is None or each in wanted]
    detections: list[Detection] = []
    found: list[PhraseAnswer] = []
    for group in (asked[n : n + _TOGETHER] for n in range(0, len(asked), _TOGETHER)):
        prompts = [ConceptPrompt(phrases[category]) for category in group]
        answers = segmenter.ask(
            image, prompts, min(settings.least_score, concept.score_threshold)
        ).by_prompt
        for category, segments in zip(group, answers, strict=True):
            best = segments[:MOST_ANSWERS]
            regions = [region_of_mask(each.mask) for each in best]
            for segment, region in zip(best, regions, strict=True):
                if segment.score > settings.least_score:
                    detections.append(Detection(truth.id, category, region, segment.score))
            # Best first, so that those above the bundle's own threshold are the first ones.
            count = sum(each.score > concept.score_threshold for each in best)
            found.append(_judged(category, regions[:count], truth))
    return PictureAnswers(tuple(detections), phrases=tuple(found))


def ask_objects(
    segmenter: Segmenter, image: ImageEmbedding, truth: PictureTruth, settings: EvaluationSettings
) -> PictureAnswers:
    """Point at every object, by its box or by clicks that correct the answer.

    Raises PromptError and InferenceError as Segmenter.ask does.
    """
    detections: list[Detection] = []
    found: list[ObjectAnswer] = []
    for true in truth.objects:
        if true.is_crowd and not settings.with_crowds:
            continue
        answers = list(_answers_to(segmenter, image, true, settings))
        last = answers[-1]
        ious = tuple(_iou(segment, true) for segment in answers)
        missing = settings.clicks - len(ious) if settings.prompt == "point" else 0
        ious += (ious[-1],) * missing  # nothing is wrong any more: further clicks change nothing
        found.append(ObjectAnswer(true.category, true.area, ious, last is not None))
        if last is not None:
            region = region_of_mask(last.mask)
            detections.append(Detection(truth.id, true.category, region, last.score))
    return PictureAnswers(tuple(detections), objects=tuple(found))


def _answers_to(
    segmenter: Segmenter, image: ImageEmbedding, true: KnownObject, settings: EvaluationSettings
) -> Iterator[Segment | None]:
    """Yield the answer to the box, or after each click."""
    if settings.prompt == "box":
        yield _one(segmenter.ask(image, [InteractivePrompt(box=true.box)]))
        return
    mask = mask_of(true.region)
    answered = np.zeros_like(mask)
    clicks: tuple[Click, ...] = ()
    for _ in range(settings.clicks):
        click = next_click(mask, answered, clicks)
        if click is None:
            return
        clicks += (click,)
        segment = _one(segmenter.ask(image, [prompt_of(clicks)]))
        yield segment
        answered = np.zeros_like(mask) if segment is None else segment.mask


def _one(segments: Iterable[Segment]) -> Segment | None:
    return next(iter(segments), None)


def _iou(segment: Segment | None, true: KnownObject) -> float:
    if segment is None:
        return 0.0
    return float(overlaps([region_of_mask(segment.mask)], [true.region], [False])[0, 0])


def _judged(category: int, found: Sequence[Region], truth: PictureTruth) -> PhraseAnswer:
    """Match what was found with the objects of a category; what lies in a crowd does not count."""
    ours = [each for each in truth.objects if each.category == category]
    wanted = [each.region for each in ours if not each.is_crowd]
    crowds = [each.region for each in ours if each.is_crowd]
    pairs = _best_pairs(overlaps(found, wanted, [False] * len(wanted)))
    in_crowds = overlaps(found, crowds, [True] * len(crowds)) >= MATCH_IOU
    ignored = sum(bool(in_crowds[row].any()) for row in range(len(found)) if row not in pairs)
    return PhraseAnswer(
        category,
        len(wanted),
        len(found) - ignored,
        tuple(pairs.values()),
        category not in truth.present,
    )


def _best_pairs(ious: npt.NDArray[np.float64]) -> dict[int, float]:
    """Return the IoU of each matched row of f64 [found, true]: the best pair first, each once."""
    matched: dict[int, float] = {}
    taken: set[int] = set()
    for place in np.argsort(-ious, axis=None, kind="stable"):
        row, column = (int(each) for each in np.unravel_index(place, ious.shape))
        if ious[row, column] < MATCH_IOU:
            break
        if row not in matched and column not in taken:
            taken.add(column)
            matched[row] = float(ious[row, column])
    return matched
