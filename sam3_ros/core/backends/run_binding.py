"""Binds a run's tensors to a device's memory (ONNX Runtime, "I/O Binding")."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sam3_ros.core.backends.device_memory import HostMemory, OrtTensor
from sam3_ros.core.stages.session import Array, Tensor, TensorSpec, on_host

# RunOptions: return once the work is given to the stream.
_DO_NOT_WAIT = "disable_synchronize_execution_providers"


class RunBinding:
    """How the runs of one session of ONNX Runtime get their inputs and leave their outputs."""

    def __init__(
        self,
        ort: Any,
        outputs: Mapping[str, TensorSpec],
        memory: HostMemory,
        on_the_host: Collection[str] = (),
    ) -> None:
        """ort: the module onnxruntime. memory: where the tensors are.

        on_the_host: the inputs that the session reads on the host, such as a shape.
        """
        self._ort = ort
        self._outputs = outputs
        self._memory = memory
        self._on_the_host = frozenset(on_the_host)

    def run(self, session: Any, feeds: Mapping[str, Tensor], options: Any) -> dict[str, Any]:
        """Run once; return OrtValues by the outputs' names, in memory of this run.

        Where the memory has a stream, they are there when the stream has done its work.
        """
        binding = session.io_binding()
        for name, value in feeds.items():
            if isinstance(value, np.ndarray) or name in self._on_the_host:
                self._bind_array(binding, name, np.ascontiguousarray(on_host(value)))
            else:
                binding.bind_ortvalue_input(name, ort_value(value, self._memory))
        for name in self._outputs:
            # ONNX Runtime allocates them anew at every run.
            binding.bind_output(name, self._memory.kind, self._memory.index)
        session.run_with_iobinding(binding, options)
        return dict(zip(self._outputs, binding.get_outputs(), strict=True))

    def _bind_array(self, binding: Any, name: str, array: Array) -> None:
        if self._memory.stream is None or name in self._on_the_host or not array.size:
            # Where sessions wait for their runs, ONNX Runtime copies it and waits for the copy.
            binding.bind_cpu_input(name, array)
        else:
            # ONNX Runtime's copy would not be in the stream, and its target may be memory that the
            # run before still uses.
            buffer = self._memory.empty(self._ort, array.shape, array.dtype)
            self._memory.upload(buffer, array)
            binding.bind_ortvalue_input(name, buffer)


def run_options(ort: Any, memory: HostMemory) -> Any:
    """Return new options for a run on this memory, which does not wait if a stream orders all."""
    options = ort.RunOptions()
    if memory.stream is not None:
        options.add_run_config_entry(_DO_NOT_WAIT, "1")
    return options


def ort_value(value: Tensor, memory: HostMemory) -> Any:
    """Return a device tensor's OrtValue for a session on this memory."""
    assert isinstance(value, OrtTensor), "the graph hands on what sessions of this device made"
    return value.ready_for(memory)


def read_on_the_host(session: Any, memory: HostMemory) -> frozenset[str]:
    """Return the inputs that a session reads on the host though its memory is a device's.

    Empty also where ONNX Runtime does not say: before 1.23.
    """
    if memory.kind == HostMemory.kind or not hasattr(session, "get_input_memory_infos"):
        return frozenset()
    infos = session.get_input_memory_infos()
    inputs = zip(session.get_inputs(), infos, strict=True)
    return frozenset(each.name for each, info in inputs if info.name == "Cpu")
