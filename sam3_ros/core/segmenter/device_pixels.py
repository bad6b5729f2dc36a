"""From an image to what the image stages start from: pixel values, or the levels as they came.

Where the bundle has a stage for it and that stage runs on a GPU, the levels go there as uint8, a
quarter of the bytes, and are resized and normalised there. Everywhere else the CPU does both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import Array, Tensor

PIXEL_VALUES = "pixel_values"


def image_feeds(
    image_rgb: npt.NDArray[np.uint8],
    transform: ImageTransform,
    manifest: Manifest,
    graph: StageGraph,
    plan: StagePlan,
) -> dict[str, Tensor]:
    """Return pixel_values, or what the stage reads that computes them (RAW_IMAGE_INPUTS).

    image_rgb: uint8 [H, W, 3], contiguous; `transform` is that of its size.
    """
    stage = stage_for_pixels(plan, manifest)
    if stage is None:
        return {PIXEL_VALUES: transform.pixel_values(image_rgb)}

    def weights() -> dict[str, Array]:
        made = transform.resize_weights()
        return {"row_weights": made.rows, "column_weights": made.columns}

    return {"image": image_rgb, **graph.kept(stage, transform.source, weights)}


def stage_for_pixels(plan: StagePlan, manifest: Manifest) -> str | None:
    """Return the stage that computes pixel_values on the GPU that reads them, None without one."""
    stages = manifest.stages.values()
    for stage in stages:
        if PIXEL_VALUES in stage.outputs and stage.file_for(plan.of(stage.name)) is not None:
            readers = [each.name for each in stages if PIXEL_VALUES in each.inputs]
            backends = {plan.of(name).backend for name in (stage.name, *readers)}
            return stage.name if backends.issubset(BACKENDS_ON_GPU) else None
    return None
