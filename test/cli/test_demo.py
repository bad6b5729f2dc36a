"""`sam3-ros demo`, with a small bag and bundle and with those that are shipped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bags import write_bag
from node_under_test import ENVIRONMENT
from ros_domains import own_domain

from sam3_ros.cli.main import main
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def restored_environment(monkeypatch):
    for name in (*PROFILE_VARIABLES, *ENVIRONMENT):  # the demo sets some
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def demo(*arguments: object) -> int:
    with own_domain() as domain:
        return main(["demo", *map(str, arguments), "--domain", str(domain)])


def test_two_cameras_and_a_followed_object_are_told_and_shown(sam3_bundle_path, tmp_path, capsys):
    bag, out = write_bag(tmp_path / "bag", frames=45, side=True), tmp_path / "out"
    arguments = ("--bag", bag, "--bundle", sam3_bundle_path, "--out", out)
    assert demo(*arguments) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[1].split() == ["camera", "side"]
    assert any(line.split() == ["unaccounted", "0", "0"] for line in table)
    (tracked,) = (n for n, line in enumerate(table) if line.startswith("tracked"))
    rows = rows_of(table[:tracked])
    frames, found, judged, wrong, iou = rows["camera: followed: green ball"][:5]
    assert int(frames) == int(found) == int(judged) > 30
    assert int(wrong) == 0
    assert float(iou) > 0.7
    for name in ("camera: click on the yellow cube", "side: click on the red cube"):
        frames, found, judged, wrong, iou = rows[name][:5]
        assert int(frames) == int(found) == int(judged) > 3
        assert float(iou) > 0.8
    seen, hidden, switches, lost, again = rows_of(table[tracked:])["camera: followed: green ball"][
        1:
    ]
    assert (hidden, switches, lost, again) == ("0", "0", "0", "-")
    assert int(seen) > 30
    pictures = [Path(line) for line in table[-4:]]
    assert [picture.stem for picture in pictures] == [
        "overlay_camera",
        "contact_sheet_camera",
        "overlay_side",
        "contact_sheet_side",
    ]
    assert all(p.parent == out and p.stat().st_size > 1000 for p in pictures)
    assert {p.suffix for p in pictures} == {".mp4", ".png"}


def rows_of(table: list[str]) -> dict[str, list[str]]:
    """Return the cells of each row by the first."""
    return {cells[0]: cells[1:7] for cells in (re.split(r"\s{2,}", line) for line in table)}


def test_one_camera_alone_has_no_name(sam3_bundle_path, tmp_path, capsys):
    bag, out = write_bag(tmp_path / "bag", frames=20), tmp_path / "out"
    arguments = ("--bag", bag, "--bundle", sam3_bundle_path, "--out", out)
    assert demo(*arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [camera["name"] for camera in document["cameras"]] == [""]
    assert {prompt["camera"] for prompt in document["prompts"]} == {""}


def test_at_the_cameras_pace_the_account_balances_too(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=20, side=True)
    arguments = ("--bag", bag, "--bundle", sam3_bundle_path, "--out", tmp_path / "out")
    assert demo(*arguments, "--rate", "1") == 0


def test_it_fails_if_the_node_does(tmp_path, capsys):
    bag = write_bag(tmp_path / "bag", frames=45)
    assert demo("--bag", bag, "--bundle", tmp_path / "absent", "--out", tmp_path / "out") == 2
    assert "no bundle" in capsys.readouterr().err


def test_a_bag_without_truth_is_refused(tmp_path, capsys):
    bag = write_bag(tmp_path / "bag", frames=2, truth=False)
    assert demo("--bag", bag, "--out", tmp_path / "out") == 2
    assert "use sam3-ros replay" in capsys.readouterr().err


def test_the_shipped_bundle_is_right_about_the_shipped_bag(tmp_path, capsys):
    assert demo("--out", tmp_path, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["complete"]
    assert document["frames"]["answered"] == document["frames"]["sent"] > 0
    asked = {(p["camera"], p["kind"], p["asked"]): p for p in document["prompts"]}
    wrong = {name: prompt for name, prompt in asked.items() if (prompt["iou"] or 1.0) < 0.7}
    assert wrong == {}
    assert {prompt["kind"] for prompt in document["prompts"]} == {
        "text",
        "click",
        "box",
        "followed",
    }
    assert sum(prompt["rightly_nothing"] for prompt in asked.values()) > 0
    hidden, followed = document["tracks"]
    assert (hidden["kind"], hidden["asked"], followed["kind"]) == ("text", "white ball", "followed")
    assert [len(track["ids"]) for track in (hidden, followed)] == [1, 1]
    assert hidden["hidden"] >= 12
    assert (hidden["returns"], hidden["found_again"]) == (1, 1)
    assert (followed["hidden"], followed["lost_in_view"]) == (0, 0)
    assert {t[name] for t in (hidden, followed) for name in ("id_switches", "moved")} == {0}
