"""What an evaluation found, as figures: of all, of each category, and by size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sam3_ros.evaluation.answers import ObjectAnswer, PhraseAnswer
from sam3_ros.evaluation.average_precision import AveragePrecision
from sam3_ros.evaluation.settings import EvaluationSettings

#: Areas in px between small, medium and large, as COCO has them.
SMALL, LARGE = 32**2, 96**2
_SIZES: dict[str, Callable[[float], bool]] = {
    "small": lambda area: area <= SMALL,
    "medium": lambda area: SMALL <= area <= LARGE,
    "large": lambda area: area >= LARGE,
}


@dataclass(frozen=True)
class CategoryFigures:
    """One row of the table by category."""

    name: str
    #: How it was asked for.
    phrase: str
    figures: Mapping[str, float | int | None]


@dataclass(frozen=True)
class EvaluationFigures:
    """Everything that was measured, and what was not."""

    settings: EvaluationSettings
    #: Pictures that were asked.
    pictures: int
    #: Shares, IoUs and average precisions in [0, 1]; None where there was nothing to measure.
    figures: Mapping[str, float | int | None]
    by_category: Sequence[CategoryFigures]
    #: Why each picture that could not be asked was left out.
    pictures_left_out: Mapping[str, str] = field(default_factory=dict)
    #: How many annotations were left out, by the reason.
    annotations_left_out: Mapping[str, int] = field(default_factory=dict)
    #: What else to know, a sentence each.
    remarks: Sequence[str] = ()
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return what JSON shows."""
        return {
            "prompt": self.settings.prompt,
            "pictures": self.pictures,
            "figures": _rounded(self.figures),
            "categories": [
                {"name": row.name, "phrase": row.phrase, **_rounded(row.figures)}
                for row in self.by_category
            ],
            "pictures_left_out": dict(self.pictures_left_out),
            "annotations_left_out": dict(self.annotations_left_out),
            "remarks": list(self.remarks),
            "seconds": round(self.seconds, 1),
        }


def phrase_figures(
    answers: Sequence[PhraseAnswer], found: AveragePrecision
) -> dict[str, float | int | None]:
    """Return the figures of text prompts over all categories."""
    return {**_of_phrases(answers), **found.figures}


def object_figures(
    answers: Sequence[ObjectAnswer], found: AveragePrecision
) -> dict[str, float | int | None]:
    """Return the figures of box or click prompts over all categories."""
    clicks = max((len(each.ious) for each in answers), default=1)
    by_click = {
        f"mean_iou_after_{n + 1}": _mean(each.ious[n] for each in answers)
        for n in range(clicks - 1)
    }
    by_size = {
        f"mean_iou_{name}": _mean(each.ious[-1] for each in answers if holds(each.area))
        for name, holds in _SIZES.items()
    }
    return {**_of_objects(answers), **by_click, **by_size, **found.figures}


def by_category(
    names: Mapping[int, str],
    phrases: Mapping[int, str],
    answers: Sequence[PhraseAnswer] | Sequence[ObjectAnswer],
    found: AveragePrecision,
) -> list[CategoryFigures]:
    """Return a row for each category, in the file's order."""
    rows = []
    for number, name in names.items():
        of_category = [each for each in answers if each.category == number]
        texts = [each for each in of_category if isinstance(each, PhraseAnswer)]
        objects = [each for each in of_category if isinstance(each, ObjectAnswer)]
        figures = _of_objects(objects) if objects else _of_phrases(texts) if texts else {}
        rows.append(
            CategoryFigures(
                name, phrases.get(number, ""), {**figures, "AP": found.by_category.get(number)}
            )
        )
    return rows


def _of_phrases(answers: Sequence[PhraseAnswer]) -> dict[str, float | int | None]:
    wanted = sum(each.wanted for each in answers)
    found = sum(each.found for each in answers)
    matched = [iou for each in answers for iou in each.matched]
    absent = [each for each in answers if each.is_absent]
    return {
        "objects": wanted,
        "answers": found,
        "mean_iou_of_matched": _mean(matched),
        "recall": _share(len(matched), wanted),
        "precision": _share(len(matched), found),
        "absent": len(absent),
        "absent_answered_with_nothing": _share(sum(not each.found for each in absent), len(absent)),
    }


def _of_objects(answers: Sequence[ObjectAnswer]) -> dict[str, float | int | None]:
    return {
        "objects": len(answers),
        "not_answered": sum(not each.is_answered for each in answers),
        "mean_iou": _mean(each.ious[-1] for each in answers),
    }


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return _share(sum(numbers), len(numbers))


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _rounded(figures: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in figures.items()
    }
