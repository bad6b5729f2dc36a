"""Which stages ran on which shapes: what a count of arithmetic needs to know of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.stages.session import Array, DeviceSession, Session, SessionOptions, Tensor
from sam3_ros.core.stages.session_wrapper import WrappedOnDevice, WrappedSession

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
        if isinstance(real, DeviceSession):
            return _ObservedOnDevice(path, real, self.runs)
        return _Observed(path, real, self.runs)

    def clear(self) -> None:
        self.runs.clear()


class _Observed(WrappedSession):
    """Its runs are noted."""

    def __init__(self, path: Path, real: Session, runs: list[StageRun]) -> None:
        super().__init__(real)
        self._path = path
        self._runs = runs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        results = super().run(feeds)
        self._note(feeds, results)
        return results

    def _note(self, feeds: Mapping[str, Tensor], results: Mapping[str, Tensor]) -> None:
        shapes = {name: tuple(value.shape) for name, value in feeds.items()}
        moved = sum(value.nbytes for value in (*feeds.values(), *results.values()))
        self._runs.append(StageRun(self._path, shapes, moved))


class _ObservedOnDevice(_Observed, WrappedOnDevice):
    """One whose tensors may stay in a device's memory."""

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        results = super().run_on_device(feeds)
        self._note(feeds, results)
        return results
