"""The stage that prepares pixels on a GPU against what the CPU prepares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.recorded import QuestionedImage
from sam3_ros.core.segmenter.device_pixels import PIXEL_VALUES
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.plan import titled
from sam3_ros.core.stages.session import BRIEF_USE, Session, Tensor
from sam3_ros.export.verification.bundle_graph import files_of

#: How far a pixel prepared on a GPU may be from the CPU's: a level where their roundings part, two
#: where Pillow rounds twice, and what half precision adds.
MOST_LEVELS = 2.25


def pixel_differences(
    bundle: Bundle, images: Iterable[QuestionedImage]
) -> Iterator[tuple[str, str, float]]:
    """Yield the precision, the image's name and the largest difference in levels, run on the CPU.

    Of every rendition and precision of such a stage; nothing where the bundle has none.
    """
    manifest, images = bundle.manifest, tuple(images)
    levels = 255 * np.array(manifest.preprocessing.std).reshape(1, 3, 1, 1)
    for stage in manifest.stages.values():
        if stage.files or PIXEL_VALUES not in stage.outputs:
            continue
        for rendition, files in stage.renditions.items():
            for precision in files:
                path = files_of(bundle, rendition, precision)[stage.name]
                graph = StageGraph([stage], partial(_opened, path))
                for image in images:
                    transform = ImageTransform.of(image.size, manifest)
                    made = transform.resize_weights()
                    feeds: dict[str, Tensor] = {
                        "image": image.pixels,
                        "row_weights": made.rows,
                        "column_weights": made.columns,
                    }
                    found = graph.compute((PIXEL_VALUES,), feeds)[PIXEL_VALUES]
                    apart = np.abs(found - transform.pixel_values(image.pixels)) * levels
                    yield titled(precision, rendition), image.name, float(apart.max())
                graph.close()


def _opened(path: Path, _stage: StageSpec) -> Session:
    return open_session(path, "cpu", BRIEF_USE)
