"""Runs from and into buffers at fixed addresses, so that a GPU can replay them as one CUDA graph.

A CUDA graph reads and writes the addresses that it was captured with (ONNX Runtime, CUDA Execution
Provider, "Using CUDA Graphs"). So inputs are copied in and outputs are copied out: neither the next
replay nor the working memory of a graph, which is in the session's own arena, overwrites what a
caller keeps.

ONNX Runtime does not allow graphs of one session in several threads: those of the CUDA provider
belong to the thread that captured them. Here they belong to the first thread that runs outside of
`without_graphs`. Use that in a thread that runs the model before another thread serves with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from threading import Thread, current_thread
from typing import Any

import numpy as np

from sam3_ros.core.backends.device_memory import HostMemory
from sam3_ros.core.backends.run_binding import RunBinding, ort_value, run_options
from sam3_ros.core.stages.session import Tensor, TensorSpec

#: Sets of shapes that a session captures, the first that come; each keeps its buffers for good.
MOST_GRAPHS = 16
_GRAPH_ID = "gpu_graph_id"  # a RunOptions entry
_NO_GRAPH = "-1"

Shape = tuple[int, ...]

log = logging.getLogger(__name__)

_ALLOWED: ContextVar[bool] = ContextVar("graphs_are_allowed", default=True)


@contextmanager
def without_graphs() -> Iterator[None]:
    """Let this thread capture and replay nothing, in any session, within the block."""
    before = _ALLOWED.set(False)
    try:
        yield
    finally:
        _ALLOWED.reset(before)


class ReplayedRuns:
    """Runs of one session of ONNX Runtime; the first thread that may capture owns the graphs."""

    def __init__(
        self,
        ort: Any,
        session: Any,
        inputs: Mapping[str, TensorSpec],
        outputs: Mapping[str, TensorSpec],
        memory: HostMemory,
        binding: RunBinding,
    ) -> None:
        """ort: the module onnxruntime. memory: where inputs and outputs are.

        binding: binds the tensors of runs that are not replayed.
        """
        self._ort = ort
        self._binding = binding
        self._session = session
        self._inputs = inputs
        self._outputs = outputs
        self._memory = memory
        self._buffers: dict[tuple[str, Shape], Any] = {}
        self._bindings: dict[tuple[Shape, ...], tuple[Any, Any]] = {}
        self._captured: set[tuple[Shape, ...]] = set()
        self._thread: Thread | None = None
        self._refused: set[str] = set()
        self._is_fixed = all(map(_is_fixed, (*inputs.values(), *outputs.values())))
        self._no_graph = self._options(_NO_GRAPH)

    @property
    def graphs(self) -> int:
        """How many sets of shapes are replayed."""
        return len(self._captured)

    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Any]:
        """Run once; return OrtValues by the outputs' names, which no later run changes."""
        shapes = tuple(tuple(feeds[name].shape) for name in self._inputs)
        is_allowed = self._may_have_graphs()
        if shapes not in self._bindings and self._is_fixed:
            # Also without a graph: TensorRT's provider, if all shapes are fixed, may count the runs
            # and capture unasked.
            fixed = {name: _fixed_shape(spec) for name, spec in self._outputs.items()}
            self._bindings[shapes] = self._bound(feeds, fixed)
        if shapes in self._bindings:
            binding, options = self._bindings[shapes]
            if not is_allowed:
                return self._replay(feeds, binding, self._no_graph)
            self._captured.add(shapes)
            return self._replay(feeds, binding, options)
        results = self._run_once(feeds)
        is_empty = any(0 in shape for shape in shapes)  # such a tensor has no address
        if is_allowed and not is_empty and len(self._bindings) < MOST_GRAPHS:
            found = {name: tuple(value.shape()) for name, value in results.items()}
            self._bindings[shapes] = self._bound(feeds, found)
        return results

    def _may_have_graphs(self) -> bool:
        if not _ALLOWED.get():
            return False
        asking = current_thread()
        if self._thread is None:
            self._thread = asking
        if self._thread is not asking and asking.name not in self._refused:
            self._refused.add(asking.name)
            log.warning(
                "CUDA graphs were asked for, but thread %s runs without: thread %s has captured "
                "them, and ONNX Runtime allows no other",
                asking.name,
                self._thread.name,
            )
        return self._thread is asking

    def _run_once(self, feeds: Mapping[str, Tensor]) -> dict[str, Any]:
        return self._copied(self._binding.run(self._session, feeds, self._no_graph))

    def _replay(self, feeds: Mapping[str, Tensor], binding: Any, options: Any) -> dict[str, Any]:
        for name, value in feeds.items():
            buffer = self._buffers[name, tuple(value.shape)]
            if isinstance(value, np.ndarray):
                # Converted first: an upload copies the bytes of another type as they are.
                array = np.ascontiguousarray(value, self._inputs[name].dtype)
                self._memory.upload(buffer, array)
            else:
                self._memory.copy(buffer, ort_value(value, self._memory).data_ptr(), value.nbytes)
        self._session.run_with_iobinding(binding, options)
        return self._copied(dict(zip(self._outputs, binding.get_outputs(), strict=True)))

    def _bound(self, feeds: Mapping[str, Tensor], outputs: Mapping[str, Shape]) -> tuple[Any, Any]:
        """Return a binding of buffers at fixed addresses, and the options that name its graph."""
        binding = self._session.io_binding()
        for name, spec in self._inputs.items():
            buffer = self._buffer(name, tuple(feeds[name].shape), spec)
            binding.bind_ortvalue_input(name, buffer)
        for name, spec in self._outputs.items():
            binding.bind_ortvalue_output(name, self._buffer(name, outputs[name], spec))
        return binding, self._options(str(len(self._bindings) + 1))

    def _buffer(self, name: str, shape: Shape, spec: TensorSpec) -> Any:
        """Return a tensor's buffer; graphs share it, because only one of them runs at a time."""
        if (name, shape) not in self._buffers:
            self._buffers[name, shape] = self._memory.empty(self._ort, shape, spec.dtype)
        return self._buffers[name, shape]

    def _copied(self, values: Mapping[str, Any]) -> dict[str, Any]:
        copies = {}
        for name, value in values.items():
            shape, dtype = tuple(value.shape()), self._outputs[name].dtype
            copies[name] = self._memory.empty(self._ort, shape, dtype)
            if nbytes := prod(shape) * dtype.itemsize:
                self._memory.copy(copies[name], value.data_ptr(), nbytes)
        return copies

    def _options(self, graph: str) -> Any:
        options = run_options(self._ort, self._memory)
        options.add_run_config_entry(_GRAPH_ID, graph)
        return options


def _is_fixed(spec: TensorSpec) -> bool:
    return bool(spec.shape) and all(isinstance(size, int) and size for size in spec.shape)


def _fixed_shape(spec: TensorSpec) -> Shape:
    return tuple(size for size in spec.shape if isinstance(size, int))
