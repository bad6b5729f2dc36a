"""The chain of stages from files of any precision: to measure it, and to see what it feeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.manifest import Manifest
from sam3_ros.core.recorded_answers import QuestionedImage, answer_all
from sam3_ros.core.session import BRIEF_USE, Array, Session
from sam3_ros.core.stage_graph import StageGraph
from sam3_ros.core.stage_order import Stage
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


def fed_in_use(
    manifest: Manifest,
    files: Mapping[str, Path],
    images: Iterable[QuestionedImage],
    at_most: int = 3,
) -> dict[str, list[dict[str, Array]]]:
    """What the stages are really fed while questions are answered, by stage name: for calibration
    and for comparison. The first at_most of each; nothing for a stage that no question needs.
    """
    fed: dict[str, list[dict[str, Array]]] = defaultdict(list)

    def open_listening(stage: Stage) -> Session:
        session = open_session(files[stage.name], options=BRIEF_USE)
        return _Listening(session, fed[stage.name], at_most)

    graph = StageGraph(manifest.stages.values(), open_listening)
    try:
        for _ in answer_all(graph, manifest, images):
            pass
    finally:
        graph.close()
    return dict(fed)


class _Listening:
    """A session that keeps what it is fed; everything else is the inner session's."""

    def __init__(self, inner: Session, fed: list[dict[str, Array]], at_most: int) -> None:
        self._inner = inner
        self._fed = fed
        self._at_most = at_most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        if len(self._fed) < self._at_most:
            self._fed.append(dict(feeds))
        return self._inner.run(feeds)
