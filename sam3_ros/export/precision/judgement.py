"""Is a lower precision good enough to be handed out?"""

from __future__ import annotations

import logging

from sam3_ros.core.errors import VerificationError
from sam3_ros.core.precision.limits import LEAST_MASK_IOU
from sam3_ros.export.precision.figures import PrecisionFigures

_NAMED = 3
log = logging.getLogger(__name__)


def judge(figures: PrecisionFigures, allow_poor: bool = False) -> PrecisionFigures:
    """The figures, if the masks are good enough.

    Raises VerificationError, naming the worst stages, where they are not; with allow_poor the
    figures come back with the note that they are poor, which belongs into the manifest.
    """
    least = LEAST_MASK_IOU[figures.precision]
    reached = figures.end_to_end.mask_iou
    if reached >= least:
        return figures
    complaint = (
        f"in {figures.precision} the masks have a mean IoU of {reached:.4f} with those in fp32, "
        f"at least {least} is wanted; the worst stages are {worst_stages(figures)}"
    )
    if not allow_poor:
        raise VerificationError(f"{complaint}. Leave {figures.precision} out, or allow it as poor")
    log.warning("%s; it is written because that was asked for", complaint)
    return figures.accepted_as_poor()


def worst_stages(figures: PrecisionFigures) -> str:
    """In words: those with the smallest cosine, worst first."""
    changed = sorted((one for one in figures.stages if not one.reused), key=lambda one: one.cosine)
    return ", ".join(
        f"{one.stage} (cosine {one.cosine:.6f}, off by {one.largest_difference:.2g} of "
        f"{one.scale:.2g})"
        for one in changed[:_NAMED]
    )
