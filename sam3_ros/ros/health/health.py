"""Which figures of a camera are a warning and which an error, by the thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from sam3_ros.ros.frames.report import CameraReport
from sam3_ros.ros.parameters.parameters import NodeConfiguration

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Limit:
    """Above `warn` it is a warning, above `error` an error."""

    warn: float
    error: float

    def level(self, value: float) -> bytes:
        return ERROR if value > self.error else WARN if value > self.warn else OK

    def crossed(self, value: float) -> float:
        """The limit that is exceeded."""
        return self.error if value > self.error else self.warn


@dataclass(frozen=True)
class Thresholds:
    """latency: p95 in milliseconds. silence: seconds. failed: share of the frames, 0 to 1."""

    latency: Limit
    silence: Limit
    failed: Limit

    @classmethod
    def of(cls, configuration: NodeConfiguration) -> Thresholds:
        return cls(
            _limit_or_never(configuration.latency_warn_ms, configuration.latency_error_ms),
            _limit_or_never(configuration.silence_warn_s, configuration.silence_error_s),
            Limit(configuration.failed_warn, configuration.failed_error),
        )


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, in words."""

    level: bytes
    words: str


@dataclass(frozen=True)
class Interval:
    """Frames of a camera that ended since the last message; failed: without an answer."""

    ended: int
    failed: int


def findings(
    camera: CameraReport, interval: Interval, active_s: float, thresholds: Thresholds
) -> Iterator[Finding]:
    """Of a camera of a node that has been active for so many seconds."""
    p95 = camera.frames.latency_p95
    if p95 is not None and (level := thresholds.latency.level(p95 * 1000)) != OK:
        allowed = thresholds.latency.crossed(p95 * 1000)
        yield Finding(level, f"the p95 latency is {p95 * 1000:.0f} ms, above {allowed:g} ms")
    silent = active_s if camera.silent_s is None else min(camera.silent_s, active_s)
    if (level := thresholds.silence.level(silent)) != OK:
        yield Finding(level, f"no image came for {silent:.1f} s")
    if interval.failed:
        level = thresholds.failed.level(interval.failed / interval.ended)
        if level != OK:
            words = f"{interval.failed} of {interval.ended} frames could not be answered"
            yield Finding(level, words)


def worst(levels: Iterable[bytes]) -> bytes:
    return max(levels, default=OK)


def _limit_or_never(warn: float, error: float) -> Limit:
    return Limit(warn or float("inf"), error or float("inf"))
