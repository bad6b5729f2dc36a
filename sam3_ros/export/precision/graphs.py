"""The chain of stages from files of any precision, to measure it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import Stage
from sam3_ros.core.stages.session import BRIEF_USE
from sam3_ros.export.precision.rounding import rounded_as_on_gpu


def measured_graph(stages: Iterable[Stage], files: Mapping[str, Path], scratch: Path) -> StageGraph:
    """The stages on the CPU, half precision with every rounding that a GPU makes.

    files: by stage name. scratch: an existing folder for the files that are run in their place; it
    must outlive the graph.
    """
    return StageGraph(
        stages,
        lambda stage: open_session(
            rounded_as_on_gpu(files[stage.name], scratch), options=BRIEF_USE
        ),
    )
