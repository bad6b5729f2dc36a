"""What the node last said of itself on /diagnostics, and how old that is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from sam3_ros.replay.under_test.diagnostics import FrameCounts, NodeReport, read_node_report
from sam3_ros.ros.frames.ledger import DropReason

# Over which a rate is counted at least, s.
_LEAST_RATE_S = 1.0
_REASONS = {
    DropReason.SUPERSEDED.value: "a newer image came first",
    DropReason.UNDECODABLE.value: "not readable",
    DropReason.NOT_ACTIVE.value: "the node was not active",
    DropReason.NOBODY_LISTENS.value: "nobody watched",
    DropReason.RATE_LIMIT.value: "faster than max_rate",
    DropReason.INFERENCE_FAILED.value: "the model failed",
}


@dataclass(frozen=True, eq=False)
class HealthReport:
    """One message."""

    #: When it came, time.monotonic() s.
    at: float
    node: NodeReport
    #: By camera as in NodeReport.cameras; keys as docs/health.md lists them.
    values: Mapping[str, Mapping[str, str]]
    #: Likewise: the node's words, and whether they are an error.
    words: Mapping[str, str]
    errors: Mapping[str, bool]

    @property
    def age(self) -> float:
        """Seconds since it came."""
        return time.monotonic() - self.at

    def figure(self, camera: str, key: str) -> float | None:
        """Return a number; None where it is not known."""
        try:
            return float(self.of(camera).get(key, ""))
        except ValueError:
            return None

    def text(self, key: str) -> str:
        """Return a value of the node as a whole; empty where it is not known."""
        value = self.values[""].get(key, "")
        return "" if value == "unknown" else value

    def of(self, camera: str) -> Mapping[str, str]:
        """Return the values of a camera; of the node where it has no status of its own."""
        return self.values.get(camera, self.values[""])

    def counts(self, camera: str) -> FrameCounts:
        return self.node.of(camera if camera in self.values else "")

    def silence(self, camera: str) -> float | None:
        """Return the seconds since the camera's last image, as of now; None where unknown."""
        then = self.figure(camera, "since the last image s")
        return None if then is None else then + self.age

    def drops(self, camera: str) -> tuple[tuple[str, int], ...]:
        """Return why images have no answer, and how many of each."""
        dropped = self.counts(camera).dropped.items()
        return tuple((_REASONS.get(reason, reason), number) for reason, number in dropped if number)

    def lost(self, camera: str) -> tuple[int, int]:
        """Return how many of the images of the last ten seconds did not arrive, and all of them."""
        lost, _, sent = self.of(camera).get("images lost, of the last 10 s", "").partition(" of ")
        return (int(lost), int(sent)) if lost.isdigit() and sent.isdigit() else (0, 0)


def read_health_report(message: DiagnosticArray, node: str) -> HealthReport | None:
    """Read the report of the node with this full name; None if the message is another's."""
    report = read_node_report(message, node)
    if report is None:
        return None
    by_name = {status.name: status for status in message.status}
    prefix = f"{node}: camera "
    statuses = {"": by_name[f"{node}: segmentation"]}
    statuses |= {
        name.removeprefix(prefix): each for name, each in by_name.items() if name.startswith(prefix)
    }
    return HealthReport(
        at=time.monotonic(),
        node=report,
        values={name: {v.key: v.value for v in each.values} for name, each in statuses.items()},
        words={name: each.message for name, each in statuses.items()},
        errors={name: each.level == DiagnosticStatus.ERROR for name, each in statuses.items()},
    )


@dataclass(frozen=True, eq=False)
class Reports:
    """The last report, and one before it from which rates are counted."""

    last: HealthReport | None = None
    before: HealthReport | None = None
    #: time.monotonic() s; None while it is not active.
    active_since: float | None = None

    @property
    def active_s(self) -> float:
        """Seconds since the node was first seen active."""
        return 0.0 if self.active_since is None else time.monotonic() - self.active_since

    def with_next(self, report: HealthReport) -> Reports:
        """Return them with another report; a node that started anew is counted from its start."""
        last, since = self.last, self.active_since
        is_new = last is None or report.counts("").received < last.counts("").received
        if report.node.state != "active":
            since = None
        elif since is None or is_new:
            since = report.at
        if last is None or is_new:
            return Reports(report, None, since)
        # Over a longer time a rate is steadier, but a change shows late.
        keeps = self.before is not None and last.at - self.before.at < _LEAST_RATE_S
        return Reports(report, self.before if keeps else last, since)

    def rate(self, camera: str) -> float | None:
        """Return the images answered a second; None while unknown."""
        if self.last is None or self.before is None or self.last.at <= self.before.at:
            return None
        answered = self.last.counts(camera).answered - self.before.counts(camera).answered
        return max(answered, 0) / (self.last.at - self.before.at)
