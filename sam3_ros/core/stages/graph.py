"""Runs the stages that a wanted tensor needs, each once; sessions are opened when needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, cast

import numpy as np

from sam3_ros.core.errors import InferenceError, Sam3RosError
from sam3_ros.core.stages.order import (
    Stage,
    derived_names,
    stages_needed,
    superseding_names,
)
from sam3_ros.core.stages.session import (
    Array,
    DeviceSession,
    Session,
    Tensor,
    TensorSpec,
    on_host,
)
from sam3_ros.core.stages.stage_tensors import check_tensors

OpenStage = Callable[[Stage], Session]
Observer = Callable[[str, float], None]
#: Told of a stage's outputs by their canonical names.
Watcher = Callable[[str, Mapping[str, Array]], None]


class StageGraph:
    """Pull-based dataflow over stages; values go by their canonical names.

    open_stage makes a stage's session, at its first use or in `load`. observer(stage, seconds) is
    told of every run. Not safe for concurrent calls: one thread at a time.
    """

    def __init__(
        self,
        stages: Iterable[Stage],
        open_stage: OpenStage,
        observer: Observer | None = None,
    ) -> None:
        self._stages = {stage.name: stage for stage in stages}
        self._open_stage = open_stage
        self._observer = observer
        self._watcher: Watcher | None = None
        self._sessions: dict[str, Session] = {}
        self._closed = False

    def derived_from(self, given: Collection[str]) -> frozenset[str]:
        """The names that depend on nothing but the given ones, for example the image features."""
        return derived_names(self._stages.values(), given)

    def superseding(self, given: Collection[str]) -> dict[str, frozenset[str]]:
        """What each name that depends on the given ones alone is kept for, and no longer."""
        return superseding_names(self._stages.values(), given)

    def provides(self, name: str) -> bool:
        """Does any stage compute the tensor of this canonical name?"""
        return any(name in stage.outputs for stage in self._stages.values())

    def load(self, names: Iterable[str] | None = None) -> None:
        """Open the sessions of the named stages, or of all, and check their tensors.

        Raises BackendError where a session cannot be made, BundleError where its tensors are not
        the ones the stage names.
        """
        for name in self._stages if names is None else names:
            self._session(self._stages[name])

    @property
    def providers(self) -> dict[str, str]:
        """The provider of every stage that is loaded."""
        return {name: session.provider for name, session in self._sessions.items()}

    def specs(self, stage: str) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        """Input and output tensors of a stage by canonical name; opens its session."""
        session = self._session(self._stages[stage])
        names = self._stages[stage]
        return (
            {canonical: session.inputs[name] for canonical, name in names.inputs.items()},
            {canonical: session.outputs[name] for canonical, name in names.outputs.items()},
        )

    def compute(self, wanted: Iterable[str], values: Mapping[str, Tensor]) -> dict[str, Any]:
        """Compute the wanted names from the given values.

        Returns the wanted values as arrays, and whatever else was computed on the way where it was
        computed (to be kept by the caller if it is dear): an array, or a DeviceTensor to hand on.
        A given value is never computed again. float16 comes back as float32. Raises BundleError if
        nothing provides a name, InferenceError if a session fails.
        """
        wanted = list(wanted)
        computed = self.compute_in_place(wanted, values)
        return {**computed, **{name: _widened(on_host(computed[name])) for name in wanted}}

    def compute_in_place(
        self, wanted: Iterable[str], values: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """`compute`, with the wanted values too left where they were computed."""
        wanted = list(wanted)
        computed: dict[str, Tensor] = {}
        for stage in stages_needed(self._stages.values(), wanted, values.keys()):
            results = self._run(stage, {**computed, **values})
            computed.update({name: results[name] for name in results if name not in values})
        return {**computed, **{name: values[name] for name in wanted if name in values}}

    @contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """Within the block the watcher is shown the outputs of every stage that runs."""
        self._watcher = watcher
        try:
            yield
        finally:
            self._watcher = None

    def reopen(self, names: Iterable[str]) -> None:
        """Close the sessions of these stages and open them anew, as open_stage does it now."""
        for name in names:
            if name in self._sessions:
                self._sessions.pop(name).close()
            self._session(self._stages[name])

    def close(self) -> None:
        """Close every session; a stage that is wanted afterwards is an InferenceError."""
        self._closed = True
        while self._sessions:
            self._sessions.popitem()[1].close()

    def _session(self, stage: Stage) -> Session:
        if self._closed:
            raise InferenceError(f"stage {stage.name!r} is wanted of a closed model: load it again")
        if stage.name not in self._sessions:
            session = self._open_stage(stage)
            try:
                check_tensors(stage, session)
            except Sam3RosError:
                session.close()
                raise
            self._sessions[stage.name] = session
        return self._sessions[stage.name]

    def _run(self, stage: Stage, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        session = self._session(stage)
        feeds = {
            name: _fitted(values[canonical], session, name)
            for canonical, name in stage.inputs.items()
        }
        start = perf_counter()
        try:
            results = _run_session(session, feeds)
        except Sam3RosError:
            raise
        except Exception as error:
            raise InferenceError(_failure(stage, feeds, error), stage.name) from error
        if self._observer is not None:
            self._observer(stage.name, perf_counter() - start)
        outputs = {canonical: _widened(results[name]) for canonical, name in stage.outputs.items()}
        if self._watcher is not None:
            shown = {name: _widened(on_host(value)) for name, value in outputs.items()}
            self._watcher(stage.name, shown)
        return outputs


def _run_session(session: Session, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    # Not by isinstance: that of a protocol takes as long as the smallest of stages.
    if hasattr(session, "run_on_device"):
        return cast(DeviceSession, session).run_on_device(feeds)
    return session.run({name: on_host(value) for name, value in feeds.items()})


def _fitted(value: Tensor, session: Session, name: str) -> Tensor:
    """The value as the session takes it: of its type, and where it can read it."""
    dtype = session.inputs[name].dtype
    if not isinstance(value, np.ndarray):
        if value.device == getattr(session, "device", "") and value.dtype == dtype:
            return value
        value = value.numpy()
    return value.astype(dtype, copy=False)


def _widened(value: Any) -> Any:
    """float16 as float32, where it is on the host; a device tensor is what the next stage reads."""
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _failure(stage: Stage, feeds: Mapping[str, Tensor], error: Exception) -> str:
    fed = ", ".join(f"{name} {value.dtype}{list(value.shape)}" for name, value in feeds.items())
    return f"stage {stage.name!r} failed while it ran on {fed}: {error}"
