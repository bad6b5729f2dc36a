from __future__ import annotations

import threading

import pytest

from sam3_ros.core.timings import CallTimings, Timings


def test_the_runs_of_a_step_add_up() -> None:
    timings = Timings()
    timings.add("text", 0.25)
    timings.absorb({"text": 0.5, "decoder": 1.0})
    assert timings.as_dict() == {"text": 0.75, "decoder": 1.0}


def test_a_block_that_raises_is_measured_too() -> None:
    timings = Timings()
    with pytest.raises(RuntimeError), timings.measure("text"):
        raise RuntimeError
    assert timings.as_dict()["text"] >= 0


def test_each_call_has_timings_of_its_own() -> None:
    calls = CallTimings()
    calls.add("before", 1.0)
    with calls.of_call() as first:
        calls.add("text", 0.25)
    with calls.of_call() as second:
        calls.add("decoder", 0.5)
    calls.add("after", 1.0)
    assert first.as_dict() == {"text": 0.25}
    assert second.as_dict() == {"decoder": 0.5}


def test_calls_of_two_threads_do_not_mix() -> None:
    calls, both_run = CallTimings(), threading.Barrier(2, timeout=60)
    found: dict[str, dict[str, float]] = {}

    def call(step: str) -> None:
        with calls.of_call() as timings:
            both_run.wait()
            calls.add(step, 1.0)
            both_run.wait()
        found[step] = timings.as_dict()

    threads = [threading.Thread(target=call, args=(step,)) for step in ("text", "image")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"text": {"text": 1.0}, "image": {"image": 1.0}}
