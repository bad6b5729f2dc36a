"""Which stages ran on which shapes: what a count of arithmetic needs to know of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.session import Array, Session, SessionOptions

Shape = tuple[int, ...]


@dataclass(frozen=True)
class StageRun:
    """One run of a model file. inputs: shapes by name in the file; bytes_moved: in and out."""

    path: Path
    inputs: Mapping[str, Shape]
    bytes_moved: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))


class ObservedSessions:
    """An OpenSession: the real sessions, and a list of what they ran since the last `clear`."""

    def __init__(self) -> None:
        self.runs: list[StageRun] = []

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        real = open_session(path, backend, options)
        return _Observed(path, real, self.runs)

    def clear(self) -> None:
        self.runs.clear()


class _Observed:
    """The session itself in everything but that its runs are noted."""

    def __init__(self, path: Path, real: Session, runs: list[StageRun]) -> None:
        self._path = path
        self._real = real
        self._runs = runs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def run(self, feeds: Mapping[str, Array], *more: Any, **options: Any) -> dict[str, Array]:
        results = self._real.run(feeds, *more, **options)
        shapes = {name: tuple(value.shape) for name, value in feeds.items()}
        moved = sum(value.nbytes for value in (*feeds.values(), *results.values()))
        self._runs.append(StageRun(self._path, shapes, moved))
        return results
