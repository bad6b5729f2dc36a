from __future__ import annotations

import pytest
from sam3_ros.msg import FrameTiming, StageTime

from sam3_ros.replay.node_bench.report import (
    AnswerMoments,
    latency_parts,
    latency_report,
    tracked_objects,
)

MS = 1_000_000
STAGES = ("image", "decoder")


def moments(
    steps: dict[str, float], total: float, waited: float, published: float = 2.0
) -> AnswerMoments:
    """Return the moments of an answer, times in ms after sending.

    It is in the node at 3 ms; its mask leaves the node 1 ms before its timing does.
    """
    timing = FrameTiming(
        total_milliseconds=total,
        waited_milliseconds=waited,
        stages=[StageTime(stage=stage, milliseconds=ms) for stage, ms in steps.items()],
    )
    timing_left = round((3 + total) * MS)
    left = timing_left - MS
    return AnswerMoments(
        0, round(published * MS), left, left + 2 * MS, left + 6 * MS, timing, timing_left
    )


STEPS = {"convert": 1.0, "image": 20.0, "decoder": 5.0, "messages": 2.0, "publish": 1.5}


def test_parts_are_in_the_order_in_which_they_happen():
    parts = latency_parts(moments(STEPS, total=31.0, waited=0.5), STAGES)

    assert list(parts) == [
        *(
            "sending",
            "to the node",
            "waiting",
            "convert",
            "sessions",
            "messages",
            "between the steps",
        ),
        *("publish", "mask over DDS", "mask read"),
    ]
    assert parts == pytest.approx(
        {
            "sending": 2.0,
            "to the node": 1.0,
            "waiting": 0.5,
            "convert": 1.0,
            "sessions": 25.0,
            "messages": 2.0,
            "between the steps": 1.0,
            "publish": 0.5,
            "mask over DDS": 2.0,
            "mask read": 4.0,
        }
    )


def test_the_parts_add_up_to_the_time_from_sending_to_the_mask_in_hand():
    answer = moments(STEPS, total=31.0, waited=0.5)

    assert answer.total_ms == 39.0
    assert sum(latency_parts(answer, STAGES).values()) == pytest.approx(answer.total_ms)


def test_an_image_that_reaches_the_node_before_publish_returns_is_not_counted_twice():
    answer = moments(STEPS, total=31.0, waited=0.5, published=7.0)
    parts = latency_parts(answer, STAGES)

    assert (parts["sending"], parts["to the node"]) == (3.0, 0.0)
    assert sum(parts.values()) == pytest.approx(answer.total_ms)


def test_a_step_that_is_no_stage_of_the_bundle_is_the_nodes_own():
    parts = latency_parts(moments({"image": 4.0, "polish": 3.0}, total=8.0, waited=0.0), STAGES)

    assert parts["sessions"] == 4.0
    assert parts["polish"] == 3.0


def test_overhead_excludes_the_sessions_and_the_nodes_part_also_the_transport():
    report = latency_report([latency_parts(moments(STEPS, 31.0, 0.5), STAGES)])

    assert report is not None
    assert report.total.median == pytest.approx(39.0)
    assert report.overhead.median == pytest.approx(14.0)
    assert report.in_node.median == pytest.approx(4.5)  # convert, messages, between, publish


def test_without_an_answer_there_is_no_latency():
    assert latency_report([]) is None


def test_the_share_of_a_tracked_object_is_no_part_of_its_own():
    tracking = moments({**STEPS, "track/1": 4.0, "track/7": 3.0}, total=31.0, waited=0.5)
    plain = moments(STEPS, total=31.0, waited=0.5)

    assert latency_parts(tracking, STAGES) == latency_parts(plain, STAGES)
    assert tracked_objects([tracking, tracking, plain]) == 2
    assert tracked_objects([]) == 0
