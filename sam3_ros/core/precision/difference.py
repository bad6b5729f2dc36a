"""How far two answers to one question are apart, in the figures that precisions are judged by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from sam3_ros.core.errors import BundleError
from sam3_ros.core.precision.answers import RawAnswer
from sam3_ros.core.precision.mask_iou import lenient_ious, plain_ious
from sam3_ros.core.segmenter.concept import scores_of
from sam3_ros.core.stages.session import Array


class NotComparableError(BundleError, ValueError):
    """Answers that were recorded with another model, or to other questions."""


@dataclass(frozen=True)
class AnswerDifference:
    """Differences of one question's answers, or the worst of several questions.

    Values that are not finite count as infinitely far, masks with such values as IoU 0.
    """

    #: Largest absolute difference of any score logit, predicted IoU or presence.
    logits: float = 0.0
    #: Largest absolute difference of a box coordinate, as a part of the image.
    boxes: float = 0.0
    #: Largest difference of sigmoid(logit) * sigmoid(presence), for clicks of the predicted IoU.
    scores: float = 0.0
    #: Largest absolute difference of a mask logit.
    mask_logits: float = 0.0
    #: Part of all mask pixels on the same side of 0.
    masks_equal: float = 1.0
    #: IoU of every pair of masks, 1 where both are empty.
    mask_ious: tuple[float, ...] = ()
    #: The same with the rounding of edges forgiven (mask_iou.py); empty where it was not measured,
    #: as in older files: then nothing is forgiven.
    lenient_ious: tuple[float, ...] = ()

    @property
    def mask_iou(self) -> float:
        """The worst mask's IoU."""
        return _least(self.mask_ious)

    @property
    def lenient_mask_iou(self) -> float:
        """The worst mask's IoU with the rounding of edges forgiven."""
        return _least(self.lenient_ious or self.mask_ious)

    @property
    def mean_mask_iou(self) -> float:
        """The mean over all masks."""
        return fmean(self.mask_ious or (1.0,))

    def as_dict(self) -> dict[str, float]:
        """Return the figures for the manifest and for JSON.

        Rounded to three digits, masks_equal and the IoUs to seven decimals.
        """
        return {
            **{
                name: float(f"{getattr(self, name):.3g}")
                for name in ("logits", "boxes", "scores", "mask_logits")
            },
            "masks_equal": round(self.masks_equal, 7),
            "mask_iou": round(self.mask_iou, 7),
            "lenient_mask_iou": round(self.lenient_mask_iou, 7),
            "mean_mask_iou": round(self.mean_mask_iou, 7),
        }


def difference(expected: RawAnswer, found: RawAnswer) -> AnswerDifference:
    """Compare two answers to one question.

    Raises NotComparableError where shapes differ, or where their masks are of different queries.
    """
    if expected.queries != found.queries or expected.masks.shape != found.masks.shape:
        raise NotComparableError(
            f"answers with masks {expected.masks.shape} of the queries {expected.queries} and "
            f"{found.masks.shape} of {found.queries} cannot be compared"
        )
    if not found.tensors.keys() <= expected.tensors.keys():
        raise NotComparableError(f"expected answers with {', '.join(found.tensors)}")
    apart = {name: _largest(expected.tensors[name], found.tensors[name]) for name in found.tensors}
    inside = (expected.masks > 0, found.masks > 0)
    finite = bool(np.isfinite(found.masks).all() and np.isfinite(expected.masks).all())
    none_right = (0.0,) * len(expected.masks)
    return AnswerDifference(
        logits=max(apart[name] for name in apart if name != "pred_boxes"),
        boxes=apart.get("pred_boxes", 0.0),
        scores=_largest(_scores(expected), _scores(found)),
        mask_logits=_largest(expected.masks, found.masks),
        masks_equal=float(np.mean(inside[0] == inside[1])) if finite else 0.0,
        mask_ious=plain_ious(*inside) if finite else none_right,
        lenient_ious=lenient_ious(*inside) if finite else none_right,
    )


def worst(differences: Iterable[AnswerDifference]) -> AnswerDifference:
    """Return the worst of each figure, with the IoUs of all masks."""
    found = list(differences)
    largest = {
        # NumPy's, because Python's max and min may pass over a NaN, which is worse than any number.
        name: float(np.max([getattr(one, name) for one in found]))
        for name in ("logits", "boxes", "scores", "mask_logits")
    }
    return AnswerDifference(
        **largest,
        masks_equal=_least(one.masks_equal for one in found),
        mask_ious=tuple(iou for one in found for iou in one.mask_ious),
        lenient_ious=tuple(iou for one in found for iou in one.lenient_ious or one.mask_ious),
    )


def _least(ious: Iterable[float]) -> float:
    """Return the least, 1 of none, NaN where one is."""
    return float(np.min([1.0, *ious]))


def _scores(answer: RawAnswer) -> Array:
    if "logits" not in answer.tensors:
        return answer.tensors["sam_iou"]
    return scores_of(answer.tensors["logits"], answer.tensors["presence"])


def _largest(expected: Array, found: Array) -> float:
    if expected.shape != found.shape:
        raise NotComparableError(f"shapes {expected.shape} and {found.shape} cannot be compared")
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return float("inf")
    if expected.size == 0:
        return 0.0
    return float(np.abs(expected.astype(np.float64) - found).max())
