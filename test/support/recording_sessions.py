"""Sessions that record what they are fed, and may answer something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.stages.session import Session, SessionOptions
from sam3_ros.core.stages.session_wrapper import WrappedSession

Outputs = dict[str, np.ndarray]
Change = Callable[[Outputs], Outputs]


class Recorder:
    """An OpenSession of the real sessions that records every run by stage name.

    `changes` maps the name of a stage to a function that changes its outputs (named as in the
    file).
    """

    def __init__(self, changes: Mapping[str, Change] | None = None) -> None:
        self.runs: list[tuple[str, dict[str, np.ndarray]]] = []
        self.opened: dict[str, RecordingSession] = {}
        self._changes = changes or {}

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        real = open_session(path, backend, options)
        change = self._changes.get(path.stem, lambda outputs: outputs)
        self.opened[path.stem] = RecordingSession(path.stem, real, self, change)
        return self.opened[path.stem]

    @property
    def stages(self) -> list[str]:
        """Return the stages that ran, in order."""
        return [stage for stage, _ in self.runs]

    def fed(self, stage: str) -> dict[str, np.ndarray]:
        """Return the inputs of the last run of a stage."""
        return [feeds for name, feeds in self.runs if name == stage][-1]


class RecordingSession(WrappedSession):
    def __init__(self, stage: str, real: Session, recorder: Recorder, change: Change) -> None:
        super().__init__(real)
        self._stage = stage
        self._recorder = recorder
        self.change = change
        self.closed = False

    def run(self, feeds: Mapping[str, np.ndarray]) -> Outputs:
        self._recorder.runs.append((self._stage, dict(feeds)))
        return self.change(super().run(feeds))

    def close(self) -> None:
        self.closed = True
        super().close()
