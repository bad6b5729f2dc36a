from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header

from sam3_ros.ros.diagnostics import Diagnostics, NodeStatus
from sam3_ros.ros.frame_ledger import DropReason, FrameLedger


def told(diagnostics: Diagnostics, ledger: FrameLedger, state: str = "active", failure: str = ""):
    status = NodeStatus("/node", state, failure, {"bundle": "tabletop"}, ledger.report())
    (told,) = diagnostics.message(status, Header(frame_id="x")).status
    return told


def test_levels():
    diagnostics, ledger = Diagnostics(), FrameLedger()
    assert told(diagnostics, ledger).level == DiagnosticStatus.OK
    assert told(diagnostics, ledger, "inactive").level == DiagnosticStatus.WARN
    failed = told(diagnostics, ledger, "unconfigured", "configure failed: no bundle")
    assert failed.level == DiagnosticStatus.ERROR
    assert failed.message == "unconfigured: configure failed: no bundle"


def test_it_warns_while_frames_fail():
    diagnostics, ledger = Diagnostics(), FrameLedger()
    ledger.count_dropped(DropReason.SUPERSEDED)
    assert told(diagnostics, ledger).level == DiagnosticStatus.OK
    ledger.count_dropped(DropReason.UNDECODABLE)
    ledger.count_dropped(DropReason.INFERENCE_FAILED)
    warned = told(diagnostics, ledger)
    assert warned.level == DiagnosticStatus.WARN
    assert "2 frames could not be answered" in warned.message
    assert told(diagnostics, ledger).level == DiagnosticStatus.OK


def test_every_reason_has_a_value():
    diagnostics, ledger = Diagnostics(), FrameLedger()
    ledger.count_received()
    ledger.count_answered(0.0123)
    values = {entry.key: entry.value for entry in told(diagnostics, ledger).values}
    assert {f"frames dropped, {reason.value}" for reason in DropReason} <= set(values)
    assert values["frames answered"] == "1"
    assert values["latency median ms"] == "12.3"
    assert values["bundle"] == "tabletop"
