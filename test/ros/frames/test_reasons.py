"""Errors are counted by what they say."""

from __future__ import annotations

from sam3_ros.ros.frames.ledger import DropReason, FrameLedger, joint_report
from sam3_ros.ros.frames.reasons import OTHERS, FailureReasons


def test_texts_that_differ_in_numbers_count_as_one():
    reasons = FailureReasons()
    for size in (45281, 45300):
        reasons.add(f"expected a whole JPEG, got {size} bytes\nwithout its end")
    reasons.add("expected mono8")
    assert reasons.counts() == {
        "expected a whole JPEG, got 45281 bytes without its end": 2,
        "expected mono8": 1,
    }


def test_what_is_published_has_a_bound():
    reasons = FailureReasons()
    for letter in "abcdefghijklmnop":
        reasons.add(letter * 1000)
    counts = reasons.counts()
    assert len(counts) == 9
    assert counts[OTHERS] == 8
    assert max(map(len, counts)) == 300


def test_cameras_are_counted_together():
    ledgers = [FrameLedger(), FrameLedger()]
    for ledger in ledgers:
        ledger.count_dropped(DropReason.UNDECODABLE, "cut off")
        ledger.count_dropped(DropReason.SUPERSEDED)
    assert joint_report(ledgers).failures == {"cut off": 2}
