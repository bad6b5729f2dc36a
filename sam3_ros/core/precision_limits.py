"""How far a precision may be from the original model and still be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Largest absolute difference, end to end in fp32, of score logits, ratings and presence, and of
#: boxes as parts of the image.
FP32_NUMBERS = 1e-5
#: Part of all mask pixels that must lie on the same side of 0 in fp32.
FP32_MASKS_EQUAL = 0.9999
#: Mean IoU of a lower precision's masks with those in fp32.
LEAST_MASK_IOU: Mapping[str, float] = MappingProxyType({"fp16": 0.98, "int8": 0.95})
