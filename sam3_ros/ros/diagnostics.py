"""/diagnostics: how the node is, and what became of the frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from sam3_ros.ros.frame_ledger import DropReason, FrameReport

# Reasons that say something is wrong; the others are how a robot's day goes.
_FAULTS = (DropReason.UNDECODABLE, DropReason.INFERENCE_FAILED)


@dataclass(frozen=True)
class NodeStatus:
    """What is told. failure: why the last transition failed, empty if it did not.

    model: bundle, backend and precision as they are set. providers: what really runs each stage,
    empty while unconfigured.
    """

    node_name: str
    state: str
    failure: str
    model: Mapping[str, str]
    frames: FrameReport
    providers: Mapping[str, str] = field(default_factory=dict)
    converter: str = ""
    prompts: tuple[str, ...] = ()


class Diagnostics:
    """Remembers the counts of its last message, to see what went wrong since."""

    def __init__(self) -> None:
        self._faults_before = 0

    def message(self, status: NodeStatus, header: Header) -> DiagnosticArray:
        faults = sum(status.frames.dropped[reason] for reason in _FAULTS)
        new_faults, self._faults_before = faults - self._faults_before, faults
        level, summary = _verdict(status, new_faults)
        values = [KeyValue(key=key, value=value) for key, value in _values(status).items()]
        told = DiagnosticStatus(
            level=level,
            name=f"{status.node_name}: segmentation",
            message=summary,
            hardware_id="",
            values=values,
        )
        return DiagnosticArray(header=header, status=[told])


def _verdict(status: NodeStatus, new_faults: int) -> tuple[bytes, str]:
    if status.failure:
        return DiagnosticStatus.ERROR, f"{status.state}: {status.failure}"
    if status.state != "active":
        return DiagnosticStatus.WARN, status.state
    if new_faults:
        return DiagnosticStatus.WARN, f"active, but {new_faults} frames could not be answered"
    return DiagnosticStatus.OK, "active"


def _values(status: NodeStatus) -> dict[str, str]:
    frames = status.frames
    return {
        "state": status.state,
        **status.model,
        **{f"provider of {stage}": provider for stage, provider in status.providers.items()},
        "image converter": status.converter,
        "prompts": "; ".join(status.prompts),
        "frames received": str(frames.received),
        "frames answered": str(frames.answered),
        **{f"frames dropped, {reason.value}": str(n) for reason, n in frames.dropped.items()},
        "latency median ms": _milliseconds(frames.latency_median),
        "latency p95 ms": _milliseconds(frames.latency_p95),
    }


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f}"
