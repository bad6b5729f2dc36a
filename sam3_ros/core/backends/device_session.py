"""A session whose tensors stay on the device that computes them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from sam3_ros.core.backends.cuda_graphs import ReplayedRuns, bind_inputs, bind_outputs
from sam3_ros.core.backends.device_memory import CudaMemory, HostMemory, OrtTensor
from sam3_ros.core.backends.gpu_libraries import cuda_runtime_name, loaded_cuda_runtime
from sam3_ros.core.backends.onnxruntime_session import (
    EngineRefusalError,
    OnnxRuntimeSession,
    import_onnxruntime,
)
from sam3_ros.core.backends.providers import Provider
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.session import Array, SessionOptions, Tensor, on_host

log = logging.getLogger(__name__)

# In ONNX Runtime's words ("cannot use the graph capture feature", "the CUDA Graph feature" before
# 1.17) and ours.
_ABOUT_GRAPHS = "graph capture|cuda graph"


class OnnxRuntimeDeviceSession(OnnxRuntimeSession):
    """Inputs and outputs bound to a device's memory (ONNX Runtime, "I/O Binding").

    An output is copied to the host only when its `numpy` is called.
    """

    def __init__(self, path: Path, provider: Provider, options: SessionOptions) -> None:
        """Raises BackendError as OnnxRuntimeSession does."""
        super().__init__(path, provider, options)
        self._shapes = options.shapes
        self._kind, self._index = provider.memory, options.device_id
        self._no_copies = ""
        self._memory = self._memory_of(provider)
        self._replayed = self._replays() if provider.replays(options) else None

    @property
    def device(self) -> str:
        return f"{self._kind}:{self._index}"

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
        if self._replayed is not None:
            values = self._replayed.run(feeds)
        else:
            binding = session.io_binding()
            bind_inputs(binding, feeds)
            bind_outputs(binding, self.outputs, self._kind, self._index)
            session.run_with_iobinding(binding)
            values = dict(zip(self.outputs, binding.get_outputs(), strict=True))
        return {
            name: OrtTensor(
                value, np.dtype(self.outputs[name].dtype), self.device, session, self._memory
            )
            for name, value in values.items()
        }

    def close(self) -> None:
        self._replayed = None
        super().close()

    def _memory_of(self, provider: Provider) -> HostMemory | None:
        """Return what copies within the device's memory; None where the CUDA runtime is missing."""
        if provider.memory != "cuda":
            return HostMemory()
        try:
            return CudaMemory(self._index, loaded_cuda_runtime(cuda_runtime_name()))
        except BackendError as error:
            self._no_copies = str(error)
            return None

    def _replays(self) -> ReplayedRuns:
        if self._memory is None:
            raise EngineRefusalError(self._no_copies)
        return ReplayedRuns(
            import_onnxruntime(), self._opened(), self.inputs, self.outputs, self._memory
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
