"""Which tensors pass from stage to stage in half precision, in files for engines on a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sam3_ros.core.stages.tensor_names import OBJECT_SCORE
from sam3_ros.export.precision.placement import LARGEST
from sam3_ros.export.stage import StageModule
from sam3_ros.export.verification.stages import StageCase

# They are read on the host, where they are small and every digit counts.
_EXACT = frozenset(
    {
        "geometry_features",
        "logits",
        "pred_boxes",
        "presence",
        "sam_iou",
        "text_features",
        OBJECT_SCORE,
    }
)
# The host makes or keeps them, and half holds them.
_MADE_BY_THE_HOST = frozenset(
    {"column_weights", "memories", "memory_mask", "object_pointers", "prompt", "row_weights"}
)


def half_borders(
    stages: Mapping[str, StageModule], observed: Mapping[str, Sequence[StageCase]]
) -> frozenset[str]:
    """Return canonical names of the tensors that are half wherever they pass.

    observed: what each stage took and gave in use. A tensor that came near the end of half's range
    stays in single precision, in the stage that makes it and in all that read it.
    """
    made = {name for stage in stages.values() for name in stage.outputs}
    candidates = (made - _EXACT) | _MADE_BY_THE_HOST
    cases = [case for found in observed.values() for case in found]
    return frozenset(candidates - _too_large(cases))


def _too_large(cases: Iterable[StageCase]) -> set[str]:
    return {
        name
        for case in cases
        for name, value in (*case.inputs.items(), *case.outputs.items())
        if np.issubdtype(value.dtype, np.floating) and np.abs(value).max(initial=0.0) > LARGEST
    }
