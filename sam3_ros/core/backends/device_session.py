"""A session whose tensors stay on the device that computes them."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.backends.cuda_graphs import ReplayedRuns
from sam3_ros.core.backends.device_memory import HostMemory, OrtTensor, device_memory
from sam3_ros.core.backends.onnxruntime_session import (
    EngineRefusalError,
    OnnxRuntimeSession,
    import_onnxruntime,
)
from sam3_ros.core.backends.providers import Provider
from sam3_ros.core.backends.run_binding import RunBinding, read_on_the_host, run_options
from sam3_ros.core.backends.tf32 import require_tf32_as_asked
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.stages.session import (
    Array,
    DeviceTensor,
    SessionOptions,
    Tensor,
    TensorSpec,
    on_host,
)

log = logging.getLogger(__name__)

# In ONNX Runtime's words ("cannot use the graph capture feature", "the CUDA Graph feature" before
# 1.17) and ours.
_ABOUT_GRAPHS = "graph capture|cuda graph"


class OnnxRuntimeDeviceSession(OnnxRuntimeSession):
    """Inputs and outputs bound to a device's memory (ONNX Runtime, "I/O Binding").

    An output is copied to the host only when its `numpy` is called. On a GPU a run has only been
    given to the device's stream when it returns; `numpy` waits for it.
    """

    _memory: HostMemory

    def __init__(self, path: Path, provider: Provider, options: SessionOptions) -> None:
        """Raises BackendError as OnnxRuntimeSession does.

        Raises PrecisionError where the backend would compute in TF32 unasked, or not though asked.
        """
        super().__init__(path, provider, options)
        self._shapes = options.shapes
        ort, session = import_onnxruntime(), self._opened()
        on_the_host = read_on_the_host(session, self._memory)
        self._binding = RunBinding(ort, self.outputs, self._memory, on_the_host)
        self._run_options = run_options(ort, self._memory)
        self._replayed: ReplayedRuns | None = None
        if provider.replays(options):
            self._require_graphs(on_the_host)
            self._replayed = ReplayedRuns(
                ort, session, self.inputs, self.outputs, self._memory, self._binding
            )

    @property
    def device(self) -> str:
        return self._memory.device

    @property
    def graphs(self) -> int:
        """Sets of shapes that are replayed from a graph, so far."""
        return 0 if self._replayed is None else self._replayed.graphs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {name: on_host(value) for name, value in self.run_on_device(feeds).items()}

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once. Raises InferenceError for shapes that the engine was not built for."""
        session = self._opened()
        if self._shapes is not None:
            self._shapes.require({name: tuple(value.shape) for name, value in feeds.items()})
        with self._memory.lock:
            if self._replayed is not None:
                values = self._replayed.run(feeds)
            else:
                values = self._binding.run(session, feeds, self._run_options)
        return {name: self._tensor(value, self.outputs, name) for name, value in values.items()}

    def keep(self, name: str, array: Array) -> DeviceTensor:
        """Copy an array to the device, in the type of the input of this name, for many runs."""
        dtype = np.dtype(self.inputs[name].dtype)
        with self._memory.lock:
            value = self._memory.empty(import_onnxruntime(), array.shape, dtype)
            if array.size:
                self._memory.upload(value, np.asarray(array, dtype, order="C"))
        return self._tensor(value, self.inputs, name)

    def close(self) -> None:
        # While the memory goes, no other thread may capture a graph.
        with self._memory.lock:
            if self._session is not None:
                try:
                    # What it still computes is in memory that goes with it.
                    self._memory.wait(f"{self._path.name}, which is closed")
                except InferenceError as error:
                    log.warning("%s", error)
            self._replayed = None
            super().close()

    def _prepared(self, ort: Any, provider: Provider, options: SessionOptions) -> SessionOptions:
        require_tf32_as_asked(provider.backend, options)
        self._memory = device_memory(provider.memory, options.device_id, ort, provider.takes_stream)
        stream = self._memory.stream
        return options if stream is None else replace(options, stream=stream.address)

    def _turn(self) -> AbstractContextManager[object]:
        # Memory that is taken while another thread captures a graph would end the capture.
        return self._memory.lock

    def _tensor(self, value: Any, specs: Mapping[str, TensorSpec], name: str) -> OrtTensor:
        called = f"{name} of {self._path.name}"
        dtype = np.dtype(specs[name].dtype)
        return OrtTensor(value, dtype, self._memory, called, self._opened())

    def _require_graphs(self, on_the_host: Collection[str]) -> None:
        """Raise EngineRefusalError where a CUDA graph would compute something else."""
        if not self._memory.copies:
            raise EngineRefusalError(
                "CUDA graphs need the CUDA runtime that ONNX Runtime loads, for copies to and from "
                "their buffers, and it was not found"
            )
        if on_the_host:
            raise EngineRefusalError(
                f"a CUDA graph would keep the first value of {', '.join(sorted(on_the_host))}, "
                f"which {self._path.name} reads on the host"
            )


def open_device_session(
    path: Path, provider: Provider, options: SessionOptions
) -> OnnxRuntimeDeviceSession:
    """Open a session with these options.

    If the engine refuses an option that only makes it faster, or builds its engine sooner, that
    option is left out and a warning is logged. Raises BackendError as OnnxRuntimeSession does.
    """
    try:
        session = OnnxRuntimeDeviceSession(path, provider, options)
    except EngineRefusalError as error:
        plainer = _plainer(options, str(error))
        if plainer is None:
            raise
        log.warning("%s is tried with fewer options: %s", path.name, error)
        return open_device_session(path, provider, plainer)
    if options.cuda_graphs and not provider.replays(options):
        log.warning(
            "%s runs without CUDA graphs: backend %r has them for fixed shapes only",
            path.name,
            provider.backend,
        )
    return session


def _plainer(options: SessionOptions, error: str) -> SessionOptions | None:
    """Return the options without CUDA graphs, or else without shapes, if that may help."""
    if options.cuda_graphs and re.search(_ABOUT_GRAPHS, error, re.IGNORECASE):
        return replace(options, cuda_graphs=False)
    # TensorRT reports a shape profile that it cannot use in many ways, some without naming it.
    if options.shapes is not None and options.shapes.ranges:
        return replace(options, shapes=None)
    return None
