"""`sam3-ros demo`, with a small bag and bundle and with those that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bags import write_bag
from node_under_test import ENVIRONMENT
from ros_domains import own_domain

from sam3_ros.cli.main import main
from sam3_ros.ros.dds_environment import PROFILE_VARIABLES


@pytest.fixture(autouse=True)
def restored_environment(monkeypatch):
    for name in (*PROFILE_VARIABLES, *ENVIRONMENT):  # the demo sets some
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def demo(*arguments: object) -> int:
    with own_domain() as domain:
        return main(["demo", *map(str, arguments), "--domain", str(domain)])


def test_a_table_and_pictures_are_left(sam3_bundle_path, tmp_path, capsys):
    bag, out = write_bag(tmp_path / "bag", frames=45), tmp_path / "out"
    assert demo("--bag", bag, "--bundle", sam3_bundle_path, "--out", out) == 0
    table = capsys.readouterr().out
    assert "latency, camera to mask, median" in table
    assert "unaccounted                              0" in table
    rows = {line[:30].strip(): line for line in table.splitlines()}
    clicks = next(row for name, row in rows.items() if name.startswith("click on the"))
    assert float(clicks.split()[-1]) > 0.8
    for name in table.split()[-2:]:
        assert Path(name).parent == out
        assert Path(name).stat().st_size > 1000


def test_it_fails_if_the_node_does(tmp_path, capsys):
    bag = write_bag(tmp_path / "bag", frames=45)
    assert demo("--bag", bag, "--bundle", tmp_path / "absent", "--out", tmp_path / "out") == 2
    assert "no bundle" in capsys.readouterr().err


def test_a_bag_without_truth_is_refused(tmp_path, capsys):
    bag = write_bag(tmp_path / "bag", frames=2, truth=False)
    assert demo("--bag", bag, "--out", tmp_path / "out") == 2
    assert "use sam3-ros replay" in capsys.readouterr().err


def test_the_shipped_bundle_is_right_about_the_shipped_bag(tmp_path, capsys):
    assert demo("--out", tmp_path, "--json", "--rate", "0.5") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["complete"]
    assert document["frames"]["answered"] > 0
    asked = {prompt["asked"]: prompt for prompt in document["prompts"]}
    wrong = {name: prompt for name, prompt in asked.items() if (prompt["iou"] or 1.0) < 0.7}
    assert wrong == {}
    assert {prompt["kind"] for prompt in document["prompts"]} == {"text", "click", "box"}
    assert sum(prompt["rightly_nothing"] for prompt in asked.values()) > 0
