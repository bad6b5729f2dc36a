"""Where ONNX Runtime's sessions compute on the CPU: one arena for all sessions of the process.

A stage's working memory is of no use once it has run, and the next stage can have it. With an arena
for each session, every stage would hold on to its own: 3.4 GB for a chain that never needs more
than 0.6 at a time (docs/adr/0007-one-arena.md).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np

#: Session options: compute in the environment's arena; keep weights, which last, out of it.
SHARES_ARENA = {
    "session.use_env_allocators": "1",
    "session.use_device_allocator_for_initializers": "1",
}

# The arena grows by what is asked for, not to the next power of two, and hands out what fits:
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
    """Register it with ONNX Runtime, which takes one for the life of the process."""
    where = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    how = ort.OrtArenaCfg(_NO_LIMIT, _AS_REQUESTED, _FIRST_BYTES, _DEAD_BYTES)
    try:
        ort.create_and_register_allocator(where, how)
    except RuntimeError as error:
        # Another user of ONNX Runtime in this process was first: that one is shared, as it is.
        if not re.search("already.*registered", str(error)):
            raise


def give_back_free_memory(ort: Any) -> None:
    """Return what no tensor is in to the system; sessions that run take it anew.

    Python has no other way than at the end of a run, so this is the run of the smallest model.
    """
    session, options = _shrinking_run(ort)
    session.run(None, {"x": np.zeros(1, np.float32)}, options)


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
