"""Where the time of answers goes, step by step."""

from __future__ import annotations

import pytest

from sam3_ros.ros.frames.ledger import LATENCIES_KEPT
from sam3_ros.ros.frames.report import StepLatencies


def test_a_step_counts_in_the_answers_in_which_it_ran_and_old_ones_are_forgotten():
    latencies = StepLatencies()
    assert latencies.report() == {}
    latencies.add({"text": 9.0})
    for number in range(LATENCIES_KEPT):
        latencies.add({"decoder": 0.1} if number % 2 else {"decoder": 0.3, "text": 0.5})
    report = latencies.report()
    assert report["decoder"].median_ms == pytest.approx(200)
    assert report["decoder"].p95_ms == pytest.approx(300)
    assert report["text"].median_ms == report["text"].p95_ms == pytest.approx(500)
