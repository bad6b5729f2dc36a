"""How a bench runs its model, in a form that another process can be given."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.core.bench.observed_sessions import ObservedSessions
from sam3_ros.core.segmenter import Segmenter
from sam3_ros.core.session import SessionOptions
from sam3_ros.core.stage_plan import REFERENCE, StageChoice, StagePlan


@dataclass(frozen=True)
class Setup:
    """bundle: name or folder. stages: choices that differ from `default`. threads: None for all."""

    bundle: str
    default: StageChoice = REFERENCE
    stages: tuple[tuple[str, StageChoice], ...] = ()
    threads: int | None = None

    @property
    def plan(self) -> StagePlan:
        return StagePlan(self.default, dict(self.stages))

    @property
    def options(self) -> SessionOptions:
        """What every session is opened with."""
        return SessionOptions(threads=self.threads)

    def load(self, sessions: ObservedSessions | None = None) -> Segmenter:
        """Raises as Segmenter.load does."""
        return Segmenter.load(
            self.bundle,
            threads=self.threads,
            open_session=sessions or ObservedSessions(),
            plan=self.plan,
        )
