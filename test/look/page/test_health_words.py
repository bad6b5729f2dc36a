"""Health in a few words."""

from __future__ import annotations

import pytest

from sam3_ros.look.page.health_words import figures, model, speed, tone_of
from sam3_ros.look.viewing import Trouble, ViewedHealth

SILENT = Trouble("No images for 5 s.", "Is the camera plugged in?")


@pytest.mark.parametrize(
    ("state", "troubles", "tone"),
    [
        ("active", (), "good"),
        ("loading", (), "passing"),
        ("gone", (), "bad"),
        ("active", (SILENT,), "bad"),
        ("active", (Trouble("A click has ended.", "", serious=False),), "good"),
    ],
)
def test_the_tone_follows_state_and_troubles(
    state: str, troubles: tuple[Trouble, ...], tone: str
) -> None:
    assert tone_of(ViewedHealth(state, "node /n", troubles=troubles)) == tone


def test_what_is_not_known_is_left_out_of_the_head_and_a_dash_in_the_list() -> None:
    unknown = ViewedHealth("loading", "")

    assert (speed(unknown), model(unknown)) == ("", "")
    listed = dict(figures(unknown))
    assert listed["Latency, p95"] == listed["Model"] == "-"
    assert listed["Dropped"] == listed["Last error"] == "none"


def test_figures_are_told_with_their_units_and_reasons() -> None:
    health = ViewedHealth(
        "active", "node /n", "tabletop", "cpu", "fp32",
        frames_per_second=15.04, latency_median_ms=61.7, latency_p95_ms=90.2,
        drops=(("superseded", 1204), ("failed", 2)), last_error="an image of no size",
    )  # fmt: skip

    assert speed(health) == "15.0 frames/s  62 ms, p95 90"
    listed = dict(figures(health))
    assert listed["Latency, p95"] == "90 ms"
    assert listed["Dropped"] == "superseded 1,204, failed 2"
