"""What the node says of itself on /diagnostics, as numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

# Such as "frames received", or of a camera with a name "front: frames dropped, superseded".
_COUNT = re.compile(r"(?:(\w+): )?frames (received|answered|dropped, (.+))")


@dataclass(frozen=True)
class FrameCounts:
    """Of one camera, since the node started."""

    received: int = 0
    answered: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def in_work(self) -> int:
        return self.received - self.answered - sum(self.dropped.values())

    def since(self, before: FrameCounts) -> FrameCounts:
        """What was added to earlier counts."""
        return FrameCounts(
            self.received - before.received,
            self.answered - before.answered,
            {reason: n - before.dropped.get(reason, 0) for reason, n in self.dropped.items()},
        )


@dataclass(frozen=True)
class NodeAccount:
    """failure: in its own words, empty if well. cameras: counts by name, empty for the only one."""

    state: str
    failure: str
    cameras: Mapping[str, FrameCounts]

    def of(self, camera: str) -> FrameCounts:
        """Nothing but zeros for a camera that the node does not have."""
        return self.cameras.get(camera, FrameCounts())

    def since(self, before: NodeAccount, cameras: Sequence[str]) -> dict[str, FrameCounts]:
        """What was added for these cameras to an earlier account."""
        return {name: self.of(name).since(before.of(name)) for name in cameras}


def read_account(message: DiagnosticArray, node_name: str) -> NodeAccount | None:
    """Of the node with this full name, such as /segmentation_node; None if it is another's."""
    for status in message.status:
        if status.name == f"{node_name}: segmentation":
            return _account(status)
    return None


def _account(status: DiagnosticStatus) -> NodeAccount:
    values = {entry.key: entry.value for entry in status.values}
    return NodeAccount(
        state=values["state"],
        failure=status.message if status.level == DiagnosticStatus.ERROR else "",
        cameras=_cameras(values),
    )


def _cameras(values: Mapping[str, str]) -> dict[str, FrameCounts]:
    counts: dict[str, dict[str, int]] = {}
    dropped: dict[str, dict[str, int]] = {}
    for key, value in values.items():
        found = _COUNT.fullmatch(key)
        if found is None:
            continue
        camera, what, reason = found.groups(default="")
        if reason:
            dropped.setdefault(camera, {})[reason] = int(value)
        else:
            counts.setdefault(camera, {})[what] = int(value)
    return {
        camera: FrameCounts(c.get("received", 0), c.get("answered", 0), dropped.get(camera, {}))
        for camera, c in counts.items()
    }
