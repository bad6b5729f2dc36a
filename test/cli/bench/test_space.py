"""`sam3-ros bench --space` as a user types it."""

from __future__ import annotations

import json

import pytest

from sam3_ros.cli.main import main

STEPS = ["lift", "points", "objects_cloud", "scene_cloud", "whole chain"]


def space(*options: str) -> int:
    return main(["bench", "--space", "--sizes", "160x120", "--frames", "3", *options])


def test_each_step_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert space() == 0
    title, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert title == "10 objects, 3 frames; CPU ms of one core"
    assert [step for step in STEPS if any(f"160x120  {step}" in row for row in rows)] == STEPS


def test_the_document_has_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert space("--json") == 0
    found = json.loads(capsys.readouterr().out)["cpu_ms"]["160x120"]
    assert list(found) == STEPS
    for figures in found.values():
        assert 0 < figures["least"] <= figures["median"] <= figures["p95"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--bundle", "tabletop"), ("--backend", "cpu"), ("--rate", "5"), ("--plot", "a.svg")],
)
def test_options_of_other_measurements_are_refused(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert space(option, value) != 0
    assert f"{option} is not for a bench with --space" in capsys.readouterr().err


def test_a_picture_without_room_for_the_objects_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--space", "--sizes", "8x8"]) != 0
    assert "--sizes: expected at least 48x48, got 8x8" in capsys.readouterr().err
