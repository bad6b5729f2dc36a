"""How far answers may be from those of the original model or of fp32 and still be accepted.

docs/precision.md argues for the guard's numbers and shows what was measured for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sam3_ros.core.precision.difference import AnswerDifference
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan

#: Largest absolute difference, end to end in fp32, of score logits, predicted IoUs and presence,
#: and of boxes as parts of the image.
FP32_NUMBERS = 1e-5
#: Part of all mask pixels that must lie on the same side of 0 in fp32.
FP32_MASKS_EQUAL = 0.9999
#: Mean IoU of a lower precision's masks with those in fp32.
LEAST_MASK_IOU: Mapping[str, float] = MappingProxyType(
    {"fp16": 0.98, "tf32": 0.98, "bf16": 0.98, "int8": 0.95}
)
#: IoU of the worst mask, with the rounding of its edge forgiven: a mean hides one bad mask.
LEAST_WORST_MASK: Mapping[str, float] = MappingProxyType(
    {"fp16": 0.9, "tf32": 0.9, "bf16": 0.9, "int8": 0.8}
)

#: Two float32 runs may differ by twice the recorded rounding; allow three times.
ROUNDING_ALLOWED = 3


@dataclass(frozen=True)
class Fp32Limits:
    """How far an answer in fp32 may be from the original model's."""

    #: Largest absolute difference of any score logit, predicted IoU or presence.
    logits: float = FP32_NUMBERS
    #: Largest absolute difference of a box coordinate, as a part of the image.
    boxes: float = FP32_NUMBERS
    #: Least part of all mask pixels on the same side of 0.
    masks_equal: float = FP32_MASKS_EQUAL

    @classmethod
    def given(cls, rounding: AnswerDifference | None) -> Fp32Limits:
        """Return the default limits, widened where the model amplifies float32's rounding."""
        if rounding is None:
            return cls()
        unequal = max(1 - FP32_MASKS_EQUAL, ROUNDING_ALLOWED * (1 - rounding.masks_equal))
        return cls(
            max(FP32_NUMBERS, ROUNDING_ALLOWED * rounding.logits),
            max(FP32_NUMBERS, ROUNDING_ALLOWED * rounding.boxes),
            1 - unequal,
        )

    def broken_by(self, found: AnswerDifference) -> str | None:
        """Describe the first figure beyond its limit (NaN is beyond); None if all are within."""
        if not found.logits <= self.logits:
            return f"logits differ by {found.logits:.2g}, at most {self.logits:.1g} is allowed"
        if not found.boxes <= self.boxes:
            return f"boxes differ by {found.boxes:.2g}, at most {self.boxes:.1g} is allowed"
        if not found.masks_equal >= self.masks_equal:
            return (
                f"{found.masks_equal:.6f} of the mask pixels are equal, at least "
                f"{self.masks_equal:.6g} must be"
            )
        return None


@dataclass(frozen=True)
class GuardLimits:
    """How far a configuration's answers may be from those in fp32 before the guard refuses it."""

    #: Least mean IoU of all masks.
    mask_iou: float
    #: Least IoU of any mask, with the rounding of its edge forgiven.
    worst_mask: float
    #: Largest difference of a score, in [0, 1].
    scores: float
    #: Largest difference of a box coordinate of the best queries, as a part of the image.
    boxes: float

    @classmethod
    def of(cls, plan: StagePlan, stages: Iterable[str]) -> GuardLimits:
        """Return the limits of the least precise choice in use: every answer went through it."""
        chosen = [limits_of(plan.of(stage)) for stage in stages]
        return cls(
            min(each.mask_iou for each in chosen),
            min(each.worst_mask for each in chosen),
            max(each.scores for each in chosen),
            max(each.boxes for each in chosen),
        )

    def given(self, rounding: AnswerDifference | None) -> GuardLimits:
        """Return these limits, widened where the model amplifies float32's rounding."""
        if rounding is None:
            return self
        return GuardLimits(
            min(self.mask_iou, 1 - ROUNDING_ALLOWED * (1 - rounding.mean_mask_iou)),
            min(self.worst_mask, 1 - ROUNDING_ALLOWED * (1 - rounding.lenient_mask_iou)),
            max(self.scores, ROUNDING_ALLOWED * rounding.scores),
            max(self.boxes, ROUNDING_ALLOWED * rounding.boxes),
        )

    def broken_by(self, found: AnswerDifference) -> str | None:
        """Describe the first figure beyond its limit (NaN is beyond); None if all are within."""
        if not found.mean_mask_iou >= self.mask_iou:
            return f"mask IoU {found.mean_mask_iou:.3f}, at least {self.mask_iou:.3g} is required"
        if not found.lenient_mask_iou >= self.worst_mask:
            return (
                f"one of {len(found.mask_ious)} masks has IoU {found.lenient_mask_iou:.3f} with "
                f"the rounding of its edge forgiven, at least {self.worst_mask:.3g} is required"
            )
        if not found.scores <= self.scores:
            return f"scores differ by {found.scores:.2g}, at most {self.scores:.2g} is allowed"
        if not found.boxes <= self.boxes:
            return (
                f"boxes differ by {100 * found.boxes:.2g} % of the image, at most "
                f"{100 * self.boxes:.2g} % is allowed"
            )
        return None


_LIMITS: Mapping[str, GuardLimits] = MappingProxyType(
    {
        "fp32": GuardLimits(0.999, 0.98, 0.001, 0.001),
        "fp16": GuardLimits(LEAST_MASK_IOU["fp16"], LEAST_WORST_MASK["fp16"], 0.02, 0.01),
        "tf32": GuardLimits(LEAST_MASK_IOU["tf32"], LEAST_WORST_MASK["tf32"], 0.02, 0.01),
        "bf16": GuardLimits(LEAST_MASK_IOU["bf16"], LEAST_WORST_MASK["bf16"], 0.05, 0.02),
        "int8": GuardLimits(LEAST_MASK_IOU["int8"], LEAST_WORST_MASK["int8"], 0.1, 0.03),
    }
)
_STAGE_LIMITS: Mapping[str, float] = MappingProxyType(
    {"fp32": 0.001, "fp16": 0.02, "tf32": 0.02, "bf16": 0.15, "int8": 0.15}
)
#: A stage in fp32 on the CPU adds nothing: what differs came in with its inputs. With another
#: number of threads it adds up in another order, and a pixel whose logit is 1e-6 goes to the other
#: side: of a mask of 447 px that is 0.002. That is forgiven in the worst mask, not in the mean.
_REFERENCE_LIMITS = GuardLimits(0.999, 0.999, 1e-5, 1e-5)


def limits_of(choice: StageChoice) -> GuardLimits:
    """Return the limits of one choice."""
    return _REFERENCE_LIMITS if choice == REFERENCE else _LIMITS[_judged_as(choice)]


def stage_limit(choice: StageChoice) -> float:
    """Return how far a stage may deviate by itself, relative to its outputs' scale."""
    return _STAGE_LIMITS[_judged_as(choice)]


def _judged_as(choice: StageChoice) -> str:
    """Return the precision whose limits apply; an unknown one has to be as good as fp16."""
    return choice.precision if choice.precision in _LIMITS else "fp16"
