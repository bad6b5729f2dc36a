"""The node's state and frame counts, read from its messages on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

_DROPPED, _FAILED = "frames dropped, ", "failed frames, "


@dataclass(frozen=True)
class FrameCounts:
    """Frames of one camera since the node started."""

    received: int = 0
    answered: int = 0
    #: By reason.
    dropped: Mapping[str, int] = field(default_factory=dict)
    #: Of these, those that an error is the reason of, by the node's text of it.
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def in_work(self) -> int:
        return self.received - self.answered - sum(self.dropped.values())

    def since(self, before: FrameCounts) -> FrameCounts:
        """Return what was added since earlier counts."""
        return FrameCounts(
            self.received - before.received,
            self.answered - before.answered,
            {reason: n - before.dropped.get(reason, 0) for reason, n in self.dropped.items()},
            {text: n - before.failures.get(text, 0) for text, n in self.failures.items()},
        )


@dataclass(frozen=True)
class NodeReport:
    """What the node reports about itself."""

    #: The lifecycle state, such as active.
    state: str
    #: In the node's words; empty if all is well.
    failure: str
    #: By camera name; under the empty name those of the only camera, or of all together.
    cameras: Mapping[str, FrameCounts]

    def of(self, camera: str) -> FrameCounts:
        """Return a camera's counts; all zero for a camera that the node does not have."""
        return self.cameras.get(camera, FrameCounts())

    def since(self, before: NodeReport, cameras: Sequence[str]) -> dict[str, FrameCounts]:
        """Return what was added for these cameras since an earlier report."""
        return {name: self.of(name).since(before.of(name)) for name in cameras}


def read_node_report(message: DiagnosticArray, node_name: str) -> NodeReport | None:
    """Read the report of the node with this full name; None if the message is another's."""
    by_name = {status.name: status for status in message.status}
    whole = by_name.get(f"{node_name}: segmentation")
    if whole is None:
        return None
    prefix = f"{node_name}: camera "
    named = {n.removeprefix(prefix): s for n, s in by_name.items() if n.startswith(prefix)}
    return NodeReport(
        state=_values(whole)["state"],
        failure=whole.message if whole.level == DiagnosticStatus.ERROR else "",
        cameras={name: _counts(status) for name, status in ({"": whole} | named).items()},
    )


def _counts(status: DiagnosticStatus) -> FrameCounts:
    values = _values(status)
    return FrameCounts(
        received=int(values["frames received"]),
        answered=int(values["frames answered"]),
        dropped=_with_prefix(values, _DROPPED),
        failures=_with_prefix(values, _FAILED),
    )


def _with_prefix(values: Mapping[str, str], prefix: str) -> dict[str, int]:
    """Return the values whose keys begin so, by the rest of the key."""
    return {
        key.removeprefix(prefix): int(value)
        for key, value in values.items()
        if key.startswith(prefix)
    }


def _values(status: DiagnosticStatus) -> dict[str, str]:
    return {entry.key: entry.value for entry in status.values}
