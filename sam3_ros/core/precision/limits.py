"""How far a precision may be from the original model and still be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sam3_ros.core.precision.difference import AnswerDifference

#: Largest absolute difference, end to end in fp32, of score logits, ratings and presence, and of
#: boxes as parts of the image.
FP32_NUMBERS = 1e-5
#: Part of all mask pixels that must lie on the same side of 0 in fp32.
FP32_MASKS_EQUAL = 0.9999
#: Mean IoU of a lower precision's masks with those in fp32.
LEAST_MASK_IOU: Mapping[str, float] = MappingProxyType({"fp16": 0.98, "bf16": 0.98, "int8": 0.95})

#: Two computations in float32, each so far from float64, may be twice as far apart; and the first
#: may have been lucky.
ROUNDING_ALLOWED = 3


@dataclass(frozen=True)
class Fp32Limits:
    """What one answer in fp32 may differ by; names as in AnswerDifference."""

    logits: float = FP32_NUMBERS
    boxes: float = FP32_NUMBERS
    masks_equal: float = FP32_MASKS_EQUAL

    @classmethod
    def given(cls, rounding: AnswerDifference | None) -> Fp32Limits:
        """The usual limits, or wider ones where the model amplifies rounding by so much."""
        if rounding is None:
            return cls()
        unequal = max(1 - FP32_MASKS_EQUAL, ROUNDING_ALLOWED * (1 - rounding.masks_equal))
        return cls(
            max(FP32_NUMBERS, ROUNDING_ALLOWED * rounding.logits),
            max(FP32_NUMBERS, ROUNDING_ALLOWED * rounding.boxes),
            1 - unequal,
        )

    def broken_by(self, found: AnswerDifference) -> str | None:
        """The first figure past its limit, in words; what is not a number is past it."""
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
