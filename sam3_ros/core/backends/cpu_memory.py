"""Memory on the CPU: one arena for all sessions of the process, and outputs outside of it.

A stage's working memory is free once it has run, and the next stage can use it. With an arena of
its own, every stage would hold on to its working memory: 3.4 GB for a chain that never needs more
than 0.6 GB at a time (docs/adr/0007-one-arena.md).
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.stages.session import Array, TensorSpec

#: Session options: compute in the environment's arena; keep the weights, which stay, out of it.
SHARES_ARENA = {
    "session.use_env_allocators": "1",
    "session.use_device_allocator_for_initializers": "1",
}

# The arena grows by what is asked for, not to the next power of two, and hands out pieces that fit:
# by default a piece may be 128 MiB larger than its tensor.
_NO_LIMIT, _AS_REQUESTED, _FIRST_BYTES, _DEAD_BYTES = 0, 1, -1, 2**20

# An ONNX model of one Identity on f32[1].
_SMALLEST_MODEL = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12'
    b"\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)
_SHRINKS = "memory.enable_memory_arena_shrinkage"


@cache
def make_arena(ort: Any) -> None:
    """Register the arena with ONNX Runtime, which keeps it for the life of the process."""
    where = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    how = ort.OrtArenaCfg(_NO_LIMIT, _AS_REQUESTED, _FIRST_BYTES, _DEAD_BYTES)
    try:
        ort.create_and_register_allocator(where, how)
    except RuntimeError as error:
        # Another user of ONNX Runtime in this process was first: its arena is shared as it is.
        if not re.search("already.*registered", str(error)):
            raise


def give_back_free_memory(ort: Any) -> None:
    """Return the arena's memory that no tensor uses to the system; the next runs take it anew.

    Python can do so only at the end of a run, so this runs the smallest model.
    """
    session, options = _shrinking_run(ort)
    session.run(None, {"x": np.zeros(1, np.float32)}, options)


def give_back_free_heap() -> None:
    """Return the heap's free memory to the system, where the C library can (glibc).

    An engine reads and rewrites a graph in pieces that malloc keeps when they are freed: as much
    memory again as the weights have.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(ctypes.c_size_t(0))


@cache
def _shrinking_run(ort: Any) -> tuple[Any, Any]:
    engine = ort.SessionOptions()
    engine.intra_op_num_threads = 1
    for name, value in SHARES_ARENA.items():
        engine.add_session_config_entry(name, value)
    options = ort.RunOptions()
    options.add_run_config_entry(_SHRINKS, "cpu:0")
    session = ort.InferenceSession(_SMALLEST_MODEL, engine, providers=["CPUExecutionProvider"])
    return session, options


def run_bound(
    session: Any,
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, TensorSpec],
    feeds: Mapping[str, Array],
) -> dict[str, Array]:
    """Run a session; return the outputs by name, each in memory of its own, without a copy.

    ONNX Runtime would put them into the arena, where a kept feature lies between the working memory
    of stages: the holes grow with the frames that are remembered. Raises InferenceError where an
    input is missing; the engine's exceptions come through as they are.
    """
    if missing := inputs.keys() - feeds.keys():
        raise InferenceError(f"no value was given for {', '.join(sorted(missing))}")
    binding = session.io_binding()
    for name, value in feeds.items():
        # Borrowed, not copied; the binding keeps the array alive for as long.
        binding.bind_cpu_input(name, np.ascontiguousarray(value))
    sizes = {
        symbol: size
        for name, spec in inputs.items()
        for symbol, size in zip(spec.shape, feeds[name].shape, strict=False)
        if isinstance(symbol, str)
    }
    results: dict[str, Array | None] = {}
    for name, spec in outputs.items():
        own = results[name] = _array_for(spec, sizes)
        if own is None:
            binding.bind_output(name, "cpu")
        else:
            binding.bind_output(name, "cpu", 0, own.dtype, own.shape, own.ctypes.data)
    session.run_with_iobinding(binding)
    values = zip(results.items(), binding.get_outputs(), strict=True)
    return {name: value.numpy().copy() if own is None else own for (name, own), value in values}


def _array_for(spec: TensorSpec, sizes: Mapping[str, int]) -> Array | None:
    """Return an array for an output; None where its shape is unknown before the run."""
    shape = [sizes.get(size) if isinstance(size, str) else size for size in spec.shape]
    known = [size for size in shape if size is not None]
    return np.empty(known, spec.dtype) if len(known) == len(shape) else None
