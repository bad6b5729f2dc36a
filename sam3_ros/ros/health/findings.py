"""Which figures of a camera are a warning and which an error, by the thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from sam3_ros.ros.frames.report import CameraReport
from sam3_ros.ros.parameters.configuration import NodeConfiguration

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Limit:
    """The bounds of a figure: above `warn` it is a warning, above `error` an error."""

    warn: float
    error: float

    @classmethod
    def or_never(cls, warn: float, error: float) -> Limit:
        """Make the limit of two parameters; 0 means that the bound is never crossed."""
        return cls(warn or float("inf"), error or float("inf"))

    def level(self, value: float) -> bytes:
        return ERROR if value > self.error else WARN if value > self.warn else OK

    def crossed(self, value: float) -> float:
        """Return the higher bound that the value exceeds."""
        return self.error if value > self.error else self.warn


@dataclass(frozen=True)
class Thresholds:
    """The limits of a camera's figures."""

    #: Of the p95 latency, milliseconds.
    latency: Limit
    #: Of the time without an image, seconds.
    silence: Limit
    #: Of the share of frames that failed, 0 to 1.
    failed: Limit
    #: Of the share of images that did not arrive, 0 to 1; above it is a warning.
    lost: float = 1.0

    @classmethod
    def of(cls, configuration: NodeConfiguration) -> Thresholds:
        return cls(
            Limit.or_never(configuration.latency_warn_ms, configuration.latency_error_ms),
            Limit.or_never(configuration.silence_warn_s, configuration.silence_error_s),
            Limit(configuration.failed_warn, configuration.failed_error),
            configuration.lost_warn,
        )


@dataclass(frozen=True)
class Finding:
    """A figure above its limit, in words."""

    level: bytes
    words: str


@dataclass(frozen=True)
class Interval:
    """The frames of a camera that ended since the last message."""

    ended: int
    #: Those of them that could not be answered though they should have been.
    failed: int


def findings(
    camera: CameraReport, interval: Interval, active_s: float, thresholds: Thresholds
) -> Iterator[Finding]:
    """Yield the findings for a camera of a node that has been active for active_s seconds."""
    p95 = camera.frames.latency_p95
    if p95 is not None and (level := thresholds.latency.level(p95 * 1000)) != OK:
        allowed = thresholds.latency.crossed(p95 * 1000)
        yield Finding(level, f"the p95 latency is {p95 * 1000:.0f} ms, above {allowed:g} ms")
    silent = active_s if camera.silent_s is None else min(camera.silent_s, active_s)
    if (level := thresholds.silence.level(silent)) != OK:
        yield Finding(level, f"no image came for {silent:.1f} s{_though_published(camera)}")
    if camera.lost.are_many(thresholds.lost):
        yield Finding(WARN, f"{camera.lost.words()}: {camera.remedy}")
    if camera.image_finding:
        yield Finding(WARN, camera.image_finding)
    if camera.tracks_refused:
        yield Finding(WARN, f"objects are found and not tracked: {camera.tracks_refused}")
    if camera.depth is not None and camera.depth.finding:
        yield Finding(WARN, camera.depth.finding)
    if interval.failed:
        level = thresholds.failed.level(interval.failed / interval.ended)
        if level != OK:
            words = f"{interval.failed} of {interval.ended} frames could not be answered"
            yield Finding(level, words)


def _though_published(camera: CameraReport) -> str:
    if not camera.publishers:
        return ", and nobody publishes any"
    return " although there is a publisher"


def worst(levels: Iterable[bytes]) -> bytes:
    return max(levels, default=OK)
