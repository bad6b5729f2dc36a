"""The checks of a whole replay: frames, stamps, account, drops, latency, track ids, places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sam3_ros.replay.golden.comparison import FrameKey
from sam3_ros.replay.golden.expectation import Limits
from sam3_ros.replay.golden.judge import FrameRecord
from sam3_ros.replay.golden.verdicts import CheckVerdict
from sam3_ros.replay.report.places import errors_of
from sam3_ros.replay.report.report import FrameAccount, Latency, ReplayReport
from sam3_ros.replay.report.tracks import TrackReport


def check_replay(
    report: ReplayReport, frames: FrameRecord, missing: Sequence[FrameKey], limits: Limits
) -> tuple[CheckVerdict, ...]:
    """Return the verdicts of the checks. missing: golden frames that did not come."""
    return (
        _frames(frames, missing, limits),
        _stamps(report, frames),
        _account(report, limits),
        _drops(report.frames, limits),
        _latency(report.latency, limits),
        *_ids(report.tracks, limits),
        *_places(report, limits),
    )


def _frames(frames: FrameRecord, missing: Sequence[FrameKey], limits: Limits) -> CheckVerdict:
    figures = f"{frames.judged} judged, {len(missing)} missing, {len(frames.extra)} extra"
    if frames.uncertain:
        figures += f", {frames.uncertain} not judged around a change of prompts"
    failures = list(_too_many("golden frames have no answer", missing, limits.missing_frames))
    failures += _too_many("answers are not in golden", frames.extra, limits.extra_frames)
    if not frames.judged:
        failures.append("no frame could be judged")
    return CheckVerdict("frames", figures, tuple(failures))


def _too_many(what: str, keys: Sequence[FrameKey], most: int) -> Iterator[str]:
    if len(keys) > most:
        first = keys[0]
        camera = f"{first.camera} " if first.camera else ""
        yield f"{len(keys)} {what}, first {camera}{first}; expected {most} or fewer"


def _stamps(report: ReplayReport, frames: FrameRecord) -> CheckVerdict:
    failures = list(dict.fromkeys(frames.wrong_headers))
    shown = failures[:3] + ([f"and {len(failures) - 3} more"] if len(failures) > 3 else [])
    stray = sum(camera.stray_masks for camera in report.cameras)
    counted = (
        (stray, "masks with a stamp that no image had"),
        (sum(c.wrong_frame_ids for c in report.cameras), "masks whose frame_id is not the image's"),
        (sum(c.missing_scores for c in report.cameras), "masks without their scores"),
    )
    shown += [f"{count} {what}" for count, what in counted if count]
    figures = f"{len(failures) + stray} wrong stamps or frame_ids"
    return CheckVerdict("stamps", figures, tuple(shown))


def _account(report: ReplayReport, limits: Limits) -> CheckVerdict:
    frames = report.frames
    lost = frames.lost_to_node + frames.lost_from_node
    figures = (
        f"{frames.sent} in = {frames.answered} answered + {sum(frames.dropped.values())} dropped "
        f"+ {lost} lost + {frames.unaccounted} unaccounted"
    )
    failures = []
    if not all(camera.frames.balances for camera in report.cameras):
        failures.append(f"the account does not balance: {figures}")
    if limits.lost is not None and lost > limits.lost:
        failures.append(f"{lost} frames were lost on their way, expected {limits.lost} or fewer")
    return CheckVerdict("account", figures, tuple(failures))


def _drops(frames: FrameAccount, limits: Limits) -> CheckVerdict:
    dropped = [f"{count} {reason}" for reason, count in frames.dropped.items() if count]
    failures = [
        f"{frames.dropped.get(reason, 0)} frames dropped as {reason}, expected {most} or fewer"
        for reason, most in limits.dropped.items()
        if frames.dropped.get(reason, 0) > most
    ]
    return CheckVerdict("drops", ", ".join(dropped) or "none", tuple(failures))


def _latency(latency: Latency | None, limits: Limits) -> CheckVerdict:
    if latency is None:
        return CheckVerdict("latency", "no answer", tuple(_unknown(limits)))
    measured = (
        ("p50", latency.median_ms, limits.latency_p50_ms),
        ("p95", latency.p95_ms, limits.latency_p95_ms),
    )
    failures = [
        f"{name} {ms:.1f} ms, expected {most:g} ms or less"
        for name, ms, most in measured
        if most is not None and ms > most
    ]
    figures = ", ".join(f"{name} {ms:.1f} ms" for name, ms, _ in measured)
    return CheckVerdict("latency", figures, tuple(failures))


def _ids(tracks: Sequence[TrackReport], limits: Limits) -> Iterator[CheckVerdict]:
    """Yield the verdict on ids, where objects are tracked or should be."""
    most = limits.id_switches
    if not tracks and most is None:
        return
    known = [track.id_switches for track in tracks if track.id_switches is not None]
    switches = sum(known)
    again, returns = (sum(getattr(t, name) for t in tracks) for name in ("found_again", "returns"))
    told = f"{switches} switches" if known else "switches unknown"
    figures = f"{sum(len(t.ids) for t in tracks)} ids, {told}, {again} of {returns} found again"
    failures = []
    if most is not None and switches > most:
        failures.append(f"{switches} objects got another id, expected {most} or fewer")
    if most is not None and not known:
        failures.append(
            "nothing is tracked" if not tracks else "the bag has no ground truth to see switches by"
        )
    yield CheckVerdict("ids", figures, tuple(failures))


def _places(report: ReplayReport, limits: Limits) -> Iterator[CheckVerdict]:
    """Yield the verdict on places in space, where there are any or should be."""
    if not report.places and not limits.needs_places:
        return
    errors = errors_of([error for each in report.places for error in each.errors_m])
    without = sum(each.found - each.placed for each in report.places)
    figures = f"{sum(each.placed for each in report.places)} places, {without} objects without one"
    if errors is None:
        reason = (
            "nothing that was found has a place"
            if report.has_places
            else "nothing to judge places by: play has no depth, or the bag no /truth/places"
        )
        yield CheckVerdict("places", figures, (reason,) if limits.needs_places else ())
        return
    figures += f", centres off by {errors.median_m:.4f} m in the median, p95 {errors.p95_m:.4f} m"
    failures = [
        f"centres are off by {found:.4f} m {where}, expected {most:g} m or less"
        for where, found, most in (
            ("in the median", errors.median_m, limits.centre_p50_m),
            ("at p95", errors.p95_m, limits.centre_p95_m),
        )
        if most is not None and found > most
    ]
    if limits.without_place is not None and without > limits.without_place:
        reasons = dict.fromkeys(reason for each in report.places for reason in each.reasons)
        failures.append(
            f"{without} objects have no place ({'; '.join(reasons)}), expected "
            f"{limits.without_place} or fewer"
        )
    yield CheckVerdict("places", figures, tuple(failures))


def _unknown(limits: Limits) -> Iterable[str]:
    if limits.latency_p50_ms is not None or limits.latency_p95_ms is not None:
        yield "no answer, so no latency to compare with its limit"
