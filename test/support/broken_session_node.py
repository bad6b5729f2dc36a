"""The node with a decoder session that misbehaves: `hang` for good, `fail` three times, or `starve`
of memory twice."""

from __future__ import annotations

import sys
import time
from functools import partial
from itertools import count

from recording_sessions import Outputs, Recorder

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros import segmentation_node

FAILURES = 3
# As Python has it, and in ONNX Runtime's words.
SHORTAGES = (
    MemoryError(),
    RuntimeError("BFCArena: Failed to allocate memory for requested buffer"),
)
_runs = count(1)


def hang(_: Outputs) -> Outputs:
    time.sleep(3600)
    raise AssertionError("nobody waits that long")


def fail(outputs: Outputs) -> Outputs:
    if next(_runs) <= FAILURES:
        raise RuntimeError("CUDA error 700")
    return outputs


def starve(outputs: Outputs) -> Outputs:
    run = next(_runs)
    if run <= len(SHORTAGES):
        raise SHORTAGES[run - 1]
    return outputs


if __name__ == "__main__":
    recorder = Recorder(
        {"decoder": {"hang": hang, "fail": fail, "starve": starve}[sys.argv.pop(1)]}
    )
    Segmenter.load = partial(Segmenter.load, open_session=recorder)
    segmentation_node.CLEANUP_TIMEOUT = 1.0
    sys.exit(segmentation_node.main())
