"""The account of frames, and the node's report that it uses."""

from __future__ import annotations

import json

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Header

from sam3_ros.replay.report.report import (
    CameraResult,
    FrameAccount,
    Latency,
    ReplayReport,
    account_frames,
    latency_of,
)
from sam3_ros.replay.under_test.diagnostics import FrameCounts, NodeReport, read_node_report
from sam3_ros.ros.frames.ledger import DropReason, FrameLedger
from sam3_ros.ros.health.diagnostics import Diagnostics, NodeStatus


def report(frames: FrameAccount, **others: object) -> ReplayReport:
    latency = Latency(5.0, 9.0)
    camera = CameraResult("", frames, latency, **others)
    return ReplayReport("bag", "/node", 3.0, (camera,), latency, (), has_truth=True)


def test_every_frame_is_accounted_for():
    frames = account_frames(
        100, 80, FrameCounts(95, 84, {"superseded": 10, "undecodable": 1, "other": 0})
    )
    assert frames == FrameAccount(100, 80, {"superseded": 10, "undecodable": 1}, 5, 4, 0)
    assert frames.balances
    assert report(frames).complete


@pytest.mark.parametrize(
    ("sent", "masks", "received", "answered", "what"),
    [
        (10, 8, 10, 8, "two are still in work"),
        (10, 10, 12, 12, "somebody else sent two"),
        (10, 11, 10, 10, "a mask too many"),
    ],
)
def test_an_account_that_does_not_balance(sent, masks, received, answered, what):
    frames = account_frames(sent, masks, FrameCounts(received, answered))
    assert not frames.balances, what
    assert not report(frames).complete


def test_answers_with_a_wrong_header_are_no_complete_replay():
    whole = account_frames(1, 1, FrameCounts(1, 1))
    assert not report(whole, stray_masks=1).complete
    assert not report(whole, wrong_frame_ids=1).complete


def test_latency_is_median_and_p95_in_milliseconds():
    latency = latency_of([0.001 * n for n in range(1, 102)])
    assert latency == Latency(pytest.approx(51.0), pytest.approx(96.0))
    assert latency_of([]) is None


def diagnosed(state: str = "active", failure: str = "") -> DiagnosticArray:
    """Return the node's diagnostics of 5 received frames, 1 answered, 1 dropped."""
    ledger = FrameLedger()
    for _ in range(5):
        ledger.count_received()
    ledger.count_answered(0.01)
    ledger.count_dropped(DropReason.SUPERSEDED)
    status = NodeStatus("/node", state, failure, {"bundle": "b"}, ledger.report())
    return Diagnostics().message(status, Header())


def test_the_node_is_understood():
    account = read_node_report(diagnosed(), "/node")
    assert account is not None
    assert (account.state, account.failure) == ("active", "")
    counts = account.of("")
    assert (counts.received, counts.answered, counts.in_work) == (5, 1, 3)
    assert counts.dropped["superseded"] == 1
    assert read_node_report(diagnosed(), "/other") is None


def test_the_failure_of_the_node_is_understood():
    account = read_node_report(diagnosed("unconfigured", "no bundle 'x'"), "/node")
    assert account is not None
    assert account.failure == "unconfigured: no bundle 'x'"


def test_earlier_counts_are_subtracted():
    before = NodeReport("active", "", {"": FrameCounts(10, 6, {"superseded": 4})})
    counts = {"": FrameCounts(15, 9, {"superseded": 5, "undecodable": 1})}
    since = NodeReport("active", "", counts).since(before, [""])[""]
    assert (since.received, since.answered, since.in_work) == (5, 3, 0)
    assert since.dropped == {"superseded": 1, "undecodable": 1}


def test_the_document_is_json():
    document = json.loads(json.dumps(report(account_frames(1, 1, FrameCounts(1, 1))).document()))
    assert document["frames"]["sent"] == 1
    assert document["latency"] == {"median_ms": 5.0, "p95_ms": 9.0}
    assert document["complete"] is True
