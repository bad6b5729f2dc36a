"""The messages on /diagnostics: the node's state, and the account of each camera's frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from sam3_ros.core.segmenter.segments import TrackState
from sam3_ros.ros.depth.ledger import DepthReport
from sam3_ros.ros.frames.ledger import DropReason, FrameReport
from sam3_ros.ros.frames.report import CameraReport, PipelineReport
from sam3_ros.ros.frames.tracks_report import TracksReport
from sam3_ros.ros.health.callback_errors import CallbackErrors
from sam3_ros.ros.health.findings import Finding, Interval, Thresholds, findings, worst
from sam3_ros.ros.health.memory import MemoryUse
from sam3_ros.ros.health.surroundings import Surroundings

# Reasons that mean a fault; the others are part of normal operation.
_FAULTS = (DropReason.UNDECODABLE, DropReason.INFERENCE_FAILED, DropReason.OUT_OF_MEMORY)
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class NodeStatus:
    """All that a message reports."""

    node_name: str
    state: str
    #: Why the last transition failed; empty if it did not.
    failure: str
    #: The model's parameters, and values of its bundle once it is loaded.
    model: Mapping[str, str]
    #: Of all cameras since the node started.
    frames: FrameReport
    #: What is being loaded; empty while nothing is.
    loading: str = ""
    #: Seconds since it was activated, None while it is not active.
    active_s: float | None = None
    #: None while there is no model.
    report: PipelineReport | None = None
    #: None while there is no model.
    thresholds: Thresholds | None = None
    memory: MemoryUse = field(default_factory=lambda: MemoryUse(None, None, None))
    uses_gpu: bool = False
    around: Surroundings = field(default_factory=Surroundings)
    callback_errors: CallbackErrors = field(default_factory=CallbackErrors)


class Diagnostics:
    """Makes the messages; remembers the counts of the last one, to see what failed since."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int]] = {}
        #: The level of each camera in the last message, and the words for it.
        self.cameras: dict[str, tuple[bytes, str]] = {}

    def message(self, status: NodeStatus, header: Header) -> DiagnosticArray:
        """Make the node's status, followed by one for each camera that has a name."""
        cameras = {} if status.report is None else status.report.cameras
        found = {name: self._findings(name, each, status) for name, each in cameras.items()}
        self.cameras = {name: _camera_level(each) for name, each in found.items()}
        level, summary = _summary(status, found)
        statuses = [_status(f"{status.node_name}: segmentation", level, summary, _values(status))]
        statuses += [
            _camera_status(status, name, camera, found[name])
            for name, camera in cameras.items()
            if name
        ]
        return DiagnosticArray(header=header, status=statuses)

    def _findings(self, name: str, camera: CameraReport, status: NodeStatus) -> list[Finding]:
        frames = camera.frames
        failed = sum(frames.dropped[reason] for reason in _FAULTS)
        ended = frames.received - frames.in_work
        ended_before, failed_before = self._before.get(name, (0, 0))
        self._before[name] = (ended, failed)
        if status.thresholds is None or status.active_s is None:
            return []
        interval = Interval(ended - ended_before, failed - failed_before)
        return list(findings(camera, interval, status.active_s, status.thresholds))


def _summary(status: NodeStatus, found: Mapping[str, list[Finding]]) -> tuple[bytes, str]:
    around = [
        *status.around.remarks,
        *_callback_words(status.callback_errors),
        *_on_prompts(status.report),
    ]
    if status.failure:
        words = [f"{status.state}: {status.failure}", *around]
        return DiagnosticStatus.ERROR, "; ".join(words)
    if status.state != "active":
        loading = f": loading {status.loading}" if status.loading else ""
        return DiagnosticStatus.WARN, "; ".join([f"{status.state}{loading}", *around])
    words = [
        f"camera {name}: {finding.words}" if name else finding.words
        for name, each in found.items()
        for finding in each
    ]
    levels = [finding.level for each in found.values() for finding in each]
    levels += [DiagnosticStatus.WARN] * len(around)
    return worst(levels), _active_but([*around, *words])


def _on_prompts(report: PipelineReport | None) -> list[str]:
    if report is None:
        return []
    lost = report.lost_prompts.words() if report.lost_prompts.lately_on else ""
    return [words for words in (lost, report.keeping.failure) if words]


def _callback_words(errors: CallbackErrors) -> list[str]:
    if not errors.count:
        return []
    return [f"callbacks broke, {errors.count} in all, the last one of {errors.last}"]


def _active_but(words: list[str]) -> str:
    return f"active, but {'; '.join(words)}" if words else "active"


def _camera_level(found: list[Finding]) -> tuple[bytes, str]:
    return worst(each.level for each in found), _active_but([each.words for each in found])


def _camera_status(
    status: NodeStatus, name: str, camera: CameraReport, found: list[Finding]
) -> DiagnosticStatus:
    full_name = f"{status.node_name}: camera {name}"
    values = {
        "state": status.state,
        **_frame_values(camera.frames),
        **_age_values(camera),
        **_track_values(camera.tracks),
        **_depth_values(camera.depth),
    }
    if status.state != "active":
        return _status(full_name, DiagnosticStatus.WARN, status.state, values)
    return _status(full_name, *_camera_level(found), values)


def _status(name: str, level: bytes, message: str, values: Mapping[str, str]) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id="",
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _values(status: NodeStatus) -> dict[str, str]:
    values = {"state": status.state, "loading": status.loading, **status.model}
    values["clock"] = status.around.clock
    values["callback errors"] = str(status.callback_errors.count)
    report = status.report
    if report is not None:
        values |= {f"provider of {stage}": each for stage, each in report.providers.items()}
        values |= {"image converter": report.converter, "prompts": "; ".join(report.prompts)}
    values |= _frame_values(status.frames)
    if report is not None:
        values |= _report_values(report)
    last_error = status.failure or (report.last_error if report is not None else "")
    return {**values, **_memory_values(status), "last error": last_error}


def _frame_values(frames: FrameReport) -> dict[str, str]:
    return {
        "frames received": str(frames.received),
        "frames answered": str(frames.answered),
        **{f"frames dropped, {reason.value}": str(n) for reason, n in frames.dropped.items()},
        **{f"failed frames, {text}": str(n) for text, n in frames.failures.items()},
        "latency median ms": _milliseconds(frames.latency_median),
        "latency p95 ms": _milliseconds(frames.latency_p95),
        "stamp to mask median ms": _milliseconds(frames.since_stamp_median),
        "stamp to mask p95 ms": _milliseconds(frames.since_stamp_p95),
    }


def _age_values(camera: CameraReport) -> dict[str, str]:
    return {
        "since the last image s": _seconds(camera.silent_s),
        "waiting frame's age s": _seconds(camera.waiting_s),
        "publishers of images": str(camera.publishers),
        "images lost": str(camera.lost.count),
        "images lost, share": f"{camera.lost.share:.3f}",
        "images lost, of the last 10 s": f"{camera.lost.recent} of {camera.lost.recent_sent}",
    }


def _track_values(tracks: TracksReport) -> dict[str, str]:
    states = (state for state in TrackState if state is not TrackState.ENDED)
    return {
        **{f"tracks, {state}": str(tracks.states.get(state, 0)) for state in states},
        "tracks MiB": f"{tracks.nbytes / _MEBIBYTE:.3f}",
        "track ids given": str(tracks.given),
        "objects refused, max_objects": str(tracks.refused),
    }


def _depth_values(depth: DepthReport | None) -> dict[str, str]:
    if depth is None:
        return {}
    return {
        "depth subscribed": str(depth.is_subscribed).lower(),
        "depth images received": str(depth.received),
        "answers in space": str(depth.published),
        **{f"nothing in space, {refusal}": str(n) for refusal, n in depth.refused.items()},
        "last image with nothing in space": depth.last,
    }


def _report_values(report: PipelineReport) -> dict[str, str]:
    values = {}
    for step, latency in report.steps.items():
        values[f"step {step} median ms"] = f"{latency.median_ms:.1f}"
        values[f"step {step} p95 ms"] = f"{latency.p95_ms:.1f}"
    if "" in report.cameras:
        values |= _age_values(report.cameras[""])
        values |= _track_values(report.cameras[""].tracks)
        values |= _depth_values(report.cameras[""].depth)
    return {
        **values,
        "prompt messages lost": str(report.lost_prompts.count),
        "kept prompts": report.keeping.value(),
        "clicks waiting": str(report.clicks_waiting),
        "oldest click's age s": _seconds(report.oldest_click_s),
        "clicks answered at once": str(report.clicks_at_once),
        "calls waiting": str(report.calls_waiting),
        "calls answered": str(report.calls_answered),
        "kept frames": str(report.kept_frames),
        "kept frames MiB": _mebibytes(report.kept_frame_bytes),
        "kept texts": str(report.kept_texts),
        "kept texts MiB": _mebibytes(report.kept_text_bytes),
    }


def _memory_values(status: NodeStatus) -> dict[str, str]:
    memory = status.memory
    values = {
        "resident memory MiB": _mebibytes(memory.resident),
        "peak resident memory MiB": _mebibytes(memory.resident_peak),
    }
    if not status.uses_gpu:
        return values
    values["GPU memory MiB"] = _mebibytes(memory.gpu)
    for index, card in memory.cards.items():
        values |= {
            f"GPU {index} free MiB": _mebibytes(card.free),
            f"GPU {index} total MiB": _mebibytes(card.total),
        }
    return values


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f}"


def _mebibytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / _MEBIBYTE:.1f}"
