"""Where time goes, and which errors mean that memory ran out."""

from __future__ import annotations

import pytest

from sam3_ros.core.errors import InferenceError
from sam3_ros.ros.frames.ledger import LATENCIES_KEPT
from sam3_ros.ros.frames.out_of_memory import is_out_of_memory
from sam3_ros.ros.frames.step_times import StepLatencies, StepTimes


def test_steps_add_up():
    steps = StepTimes()
    steps.absorb({"text": 0.25, "decoder": 0.5})
    steps.absorb({"decoder": 0.25})
    assert steps.as_dict() == {"text": 0.25, "decoder": 0.75}


def test_a_step_counts_where_it_ran_and_old_answers_are_forgotten():
    latencies = StepLatencies()
    assert latencies.report() == {}
    latencies.add({"text": 9.0})
    for number in range(LATENCIES_KEPT):
        latencies.add({"decoder": 0.1} if number % 2 else {"decoder": 0.3, "text": 0.5})
    report = latencies.report()
    assert report["decoder"].median_ms == pytest.approx(200)
    assert report["decoder"].p95_ms == pytest.approx(300)
    assert report["text"].median_ms == report["text"].p95_ms == pytest.approx(500)


@pytest.mark.parametrize(
    "text",
    [
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : BFCArena::AllocateRawInternal Failed to "
        "allocate memory for requested buffer of size 939524096",
        "std::bad_alloc",
        "CUDA failure 2: out of memory",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "error: (-4:Insufficient memory) Failed to allocate 8294400 bytes",
    ],
)
def test_memory_that_ran_out_is_known_by_its_words_also_as_a_cause(text):
    failed = InferenceError("stage 'decoder' failed while it ran")
    assert not is_out_of_memory(failed)
    failed.__cause__ = RuntimeError(text)
    assert is_out_of_memory(failed)
    assert is_out_of_memory(MemoryError())
