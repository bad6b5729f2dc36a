"""Numbers that overflowed must not pass for an answer of "nothing here"."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import InferenceError


def require_finite(what: str, values: npt.NDArray[Any]) -> None:
    """Raise InferenceError if any value is NaN or infinite."""
    if not np.isfinite(values).all():
        raise InferenceError(
            f"the model's {what} are not all finite numbers: use a precision whose verification "
            "passed (see `sam3-ros bundle inspect`), such as fp32"
        )
