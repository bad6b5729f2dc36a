"""What the node says of itself on /diagnostics, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

_DROPPED = "frames dropped, "


@dataclass(frozen=True)
class NodeAccount:
    """Counts of frames since the node started. failure: in its own words, empty if well."""

    state: str
    failure: str
    received: int
    answered: int
    dropped: Mapping[str, int]

    @property
    def in_work(self) -> int:
        return self.received - self.answered - sum(self.dropped.values())

    def since(self, before: NodeAccount) -> NodeAccount:
        """What was added to an earlier account."""
        return NodeAccount(
            self.state,
            self.failure,
            self.received - before.received,
            self.answered - before.answered,
            {reason: n - before.dropped.get(reason, 0) for reason, n in self.dropped.items()},
        )


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
        received=int(values["frames received"]),
        answered=int(values["frames answered"]),
        dropped={
            key.removeprefix(_DROPPED): int(value)
            for key, value in values.items()
            if key.startswith(_DROPPED)
        },
    )
