"""How the source is, in the words of the page."""

from __future__ import annotations

from collections.abc import Iterator

from sam3_ros.look.library.figures import DROPS, CameraFigures, PassingRemarks
from sam3_ros.look.library.model_loading import ModelLoading
from sam3_ros.look.library.reel_player import ReelPlayer
from sam3_ros.look.viewing import SILENCE_SECONDS, Trouble, ViewedHealth


def library_health(
    source: str,
    loading: ModelLoading,
    figures: CameraFigures | None,
    player: ReelPlayer | None,
    remarks: PassingRemarks,
    threshold: float,
    is_watched: bool,
    is_closed: bool,
) -> ViewedHealth:
    """Return the health of one camera; figures: None for a camera that is not there."""
    report = None if figures is None else figures.ledger.report()
    failure = None if figures is None else figures.failure
    model = loading.model
    troubles = (*_of_model(loading), *_of_pictures(player, is_watched), *_told(remarks))
    return ViewedHealth(
        state="ended" if is_closed else _state(loading),
        source=source,
        model=model.name,
        backend=model.backend,
        precision=model.precision,
        frames_per_second=None if figures is None else figures.frames_per_second,
        latency_median_ms=None if report is None else _ms(report.latency_median),
        latency_p95_ms=None if report is None else _ms(report.latency_p95),
        drops=tuple(
            (words, count)
            for reason, words in DROPS.items()
            if report is not None and (count := report.dropped[reason])
        ),
        last_error="" if failure is None else f"{failure[0]} ({failure[1]:.0f} s ago)",
        troubles=troubles,
        threshold=threshold,
    )


def _state(loading: ModelLoading) -> str:
    if loading.is_running:
        return "loading"
    return "inactive" if loading.failure else "active"


def _of_model(loading: ModelLoading) -> Iterator[Trouble]:
    if loading.failure:
        yield Trouble(
            f"The model could not be loaded: {loading.failure}",
            "Start again with another --bundle, --backend or --precision.",
        )


def _of_pictures(player: ReelPlayer | None, is_watched: bool) -> Iterator[Trouble]:
    if player is None:
        return
    for remark in player.remarks:
        yield Trouble(remark, "", serious=False)
    if not is_watched:
        return
    if player.failure:
        yield Trouble(f"No pictures: {player.failure}.", "It is tried again every two seconds.")
    elif player.silent_s >= SILENCE_SECONDS:
        yield Trouble(
            f"No pictures for {player.silent_s:.0f} s.",
            "Is the camera plugged in? A recording may have a gap here.",
        )


def _told(remarks: PassingRemarks) -> Iterator[Trouble]:
    for text in remarks.recent:
        yield Trouble(text, "", serious=False)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
