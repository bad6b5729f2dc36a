"""Runs the stages that a wanted tensor needs, each once; sessions are opened when needed.

One file: what a run keeps, shares and frees is only seen together.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, cast

import numpy as np

from sam3_ros.core.errors import BundleError, InferenceError, Sam3RosError
from sam3_ros.core.stages.order import (
    StageSpec,
    derived_names,
    stages_needed,
    superseding_names,
)
from sam3_ros.core.stages.session import (
    Array,
    DeviceSession,
    DeviceTensor,
    Session,
    Tensor,
    TensorSpec,
    on_host,
)
from sam3_ros.core.stages.tensor_names import RANKS

log = logging.getLogger(__name__)

OpenStage = Callable[[StageSpec], Session]
#: Called with a stage's name and the seconds that it ran.
Observer = Callable[[str, float], None]
#: Called with a stage's name and its outputs by their canonical names.
Watcher = Callable[[str, Mapping[str, Array]], None]

#: Keys of `StageGraph.kept`, such as the sizes of the cameras' images: 12 MB each at 1920x1080.
KEPT_INPUTS = 8


class StageGraph:
    """Pull-based dataflow over stages; values go by their canonical names.

    Not safe for concurrent calls: one thread at a time.
    """

    def __init__(
        self,
        stages: Iterable[StageSpec],
        open_stage: OpenStage,
        observer: Observer | None = None,
    ) -> None:
        """open_stage: makes a stage's session, at its first use or in `load`.

        observer: called after every run.
        """
        self._stages = {stage.name: stage for stage in stages}
        self._open_stage = open_stage
        self._observer = observer
        self._watcher: Watcher | None = None
        self._sessions: dict[str, Session] = {}
        self._kept: OrderedDict[tuple[str, Hashable], dict[str, Tensor]] = OrderedDict()
        self._closed = False
        #: Stages and their inputs that came in another type on their device.
        self._converted: set[tuple[str, str]] = set()

    def derived_from(self, given: Collection[str]) -> frozenset[str]:
        """Return the names that depend on the given ones alone, for example the image features."""
        return derived_names(self._stages.values(), given)

    def superseding(self, given: Collection[str]) -> dict[str, frozenset[str]]:
        """Return superseding_names of this graph's stages."""
        return superseding_names(self._stages.values(), given)

    def provides(self, name: str) -> bool:
        """Return whether any stage computes the tensor of this canonical name."""
        return any(name in stage.outputs for stage in self._stages.values())

    def read_by(self, wanted: Iterable[str], given: Collection[str]) -> frozenset[str]:
        """Return those of the given names that the stages read which compute the wanted ones."""
        stages = stages_needed(self._stages.values(), wanted, given)
        return frozenset(name for stage in stages for name in stage.inputs).intersection(given)

    def stages_reading(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the stages that read any of the names."""
        read = frozenset(names)
        return tuple(name for name, stage in self._stages.items() if read & stage.inputs.keys())

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
        """Return a stage's input and output tensors by canonical name; opens its session."""
        session = self._session(self._stages[stage])
        names = self._stages[stage]
        return (
            {canonical: session.inputs[name] for canonical, name in names.inputs.items()},
            {canonical: session.outputs[name] for canonical, name in names.outputs.items()},
        )

    def compute(self, wanted: Iterable[str], values: Mapping[str, Tensor]) -> dict[str, Any]:
        """Compute the wanted names from the given values.

        Returns the wanted values as arrays, and with them all that was computed on the way, left
        where it was computed: an array, or a DeviceTensor. The caller may keep these and give them
        again. A given value is never computed again. float16 is returned as float32. Raises
        BundleError if nothing provides a name, InferenceError if a session fails.
        """
        wanted = list(wanted)
        computed = self.compute_in_place(wanted, values)
        return {**computed, **{name: as_array(computed[name]) for name in wanted}}

    def compute_in_place(
        self, wanted: Iterable[str], values: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute like `compute`, but leave the wanted values where they were computed too."""
        wanted = list(wanted)
        computed: dict[str, Tensor] = {}
        for stage in stages_needed(self._stages.values(), wanted, values.keys()):
            results = self._run(stage, {**computed, **values})
            computed.update({name: results[name] for name in results if name not in values})
        return {**computed, **{name: values[name] for name in wanted if name in values}}

    def kept(
        self, stage: str, key: Hashable, make: Callable[[], Mapping[str, Array]]
    ) -> dict[str, Tensor]:
        """Return inputs of a stage that serve many runs, by canonical name, as make() returns them.

        They are made once for each key, and kept where the stage reads them; of all keys the
        KEPT_INPUTS used last.
        """
        if (stage, key) not in self._kept:
            session, names = self._session(self._stages[stage]), self._stages[stage].inputs
            made = make()
            if hasattr(session, "keep"):
                on_device = cast(DeviceSession, session)
                self._kept[stage, key] = {
                    name: on_device.keep(names[name], array) for name, array in made.items()
                }
            else:
                self._kept[stage, key] = dict(made)
            if len(self._kept) > KEPT_INPUTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end((stage, key))
        return self._kept[stage, key]

    @contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """Call the watcher, within the block, with the outputs of every stage that runs."""
        self._watcher = watcher
        try:
            yield
        finally:
            self._watcher = None

    def reopen(self, names: Iterable[str]) -> None:
        """Close the sessions of these stages and open them anew with open_stage."""
        for name in names:
            self.unload([name])
            self._session(self._stages[name])

    def unload(self, names: Iterable[str]) -> None:
        """Close the sessions of these stages; one that is needed again is opened anew."""
        for name in names:
            if name in self._sessions:
                for kept in [each for each in self._kept if each[0] == name]:
                    del self._kept[kept]
                self._sessions.pop(name).close()

    def close(self) -> None:
        """Close every session; needing a stage afterwards raises InferenceError."""
        self._closed = True
        self._kept.clear()
        while self._sessions:
            self._sessions.popitem()[1].close()

    def _session(self, stage: StageSpec) -> Session:
        if self._closed:
            raise InferenceError(
                f"stage {stage.name!r} is needed, but the model is closed: load it again"
            )
        if stage.name not in self._sessions:
            session = self._open_stage(stage)
            try:
                check_tensors(stage, session)
            except Sam3RosError:
                session.close()
                raise
            self._sessions[stage.name] = session
        return self._sessions[stage.name]

    def _run(self, stage: StageSpec, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        session = self._session(stage)
        feeds = {
            name: self._fitted(values[canonical], session, name, stage.name)
            for canonical, name in stage.inputs.items()
        }
        start = perf_counter()
        try:
            # Not by isinstance: for a protocol it takes as long as the smallest stages.
            if hasattr(session, "run_on_device"):
                results = cast(DeviceSession, session).run_on_device(feeds)
            else:
                on_the_host = {name: on_host(value) for name, value in feeds.items()}
                results = cast("dict[str, Tensor]", session.run(on_the_host))
        except Sam3RosError:
            raise
        except Exception as error:
            fed = ", ".join(f"{name} {v.dtype}{list(v.shape)}" for name, v in feeds.items())
            raise InferenceError(
                f"stage {stage.name!r} failed while it ran on {fed}: {error}", stage.name
            ) from error
        if self._observer is not None:
            self._observer(stage.name, perf_counter() - start)
        outputs = {canonical: _widened(results[name]) for canonical, name in stage.outputs.items()}
        if self._watcher is not None:
            shown = {name: as_array(value) for name, value in outputs.items()}
            self._watcher(stage.name, shown)
        return outputs

    def _fitted(self, value: Tensor, session: Session, name: str, stage: str) -> Tensor:
        """Return the value in the type of the session's input, where the session can read it."""
        dtype = session.inputs[name].dtype
        if not isinstance(value, np.ndarray):
            if value.device == getattr(session, "device", ""):
                if value.dtype == dtype:
                    return value
                self._warn_of_conversion(value, dtype, name, stage)
            value = value.numpy()
        return value.astype(dtype, copy=False)

    def _warn_of_conversion(
        self, value: DeviceTensor, dtype: np.dtype[Any], name: str, stage: str
    ) -> None:
        """Log once that an input goes through the host, which has to wait for it."""
        if (stage, name) not in self._converted:
            self._converted.add((stage, name))
            log.warning(
                "stage %s reads %s as %s, and has it on %s as %s: it goes through the host at "
                "every run, which waits for it; give both stages one precision",
                stage,
                name,
                dtype,
                value.device,
                value.dtype,
            )


def check_tensors(stage: StageSpec, session: Session) -> None:
    """Raise BundleError if a named tensor is absent, an input goes unfed, or a rank is wrong."""
    sides = (
        ("input", stage.inputs, session.inputs),
        ("output", stage.outputs, session.outputs),
    )
    for kind, named, specs in sides:
        for canonical, name in named.items():
            if name not in specs:
                raise BundleError(
                    f"stage {stage.name!r}: the manifest maps {canonical!r} to the {kind} "
                    f"{name!r}, but the file's {kind}s are {', '.join(specs) or 'none'}"
                )
    unfed = set(session.inputs).difference(stage.inputs.values())
    if unfed:
        raise BundleError(
            f"stage {stage.name!r}: the file wants the inputs {sorted(unfed)}, which the manifest "
            f"does not feed"
        )
    for _, named, specs in sides:
        for canonical, name in named.items():
            shape = specs[name].shape
            expected = RANKS.get(canonical, len(shape))
            # ONNX Runtime describes an output whose rank the file leaves open by an empty shape.
            if shape and len(shape) != expected:
                raise BundleError(
                    f"stage {stage.name!r}: {canonical!r} must have {expected} dimensions, but the "
                    f"file has {specs[name]}"
                )


def as_array(value: Tensor) -> Array:
    """Return a tensor on the host; float16 as float32."""
    array: Array = _widened(on_host(value))
    return array


def _widened(value: Any) -> Any:
    """Return a float16 array as float32; a device tensor stays what the next stage reads."""
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value
