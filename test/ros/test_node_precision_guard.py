"""The precision guard before the node is active: what differs from fp32 is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_under_test import running_node
from onnx_faults import faulty, overflow, rounded_to_half
from precision_bundles import with_precision

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.core.segmenter.segmenter import Segmenter

pytestmark = pytest.mark.long


def tabletop_in_half(folder: Path, **faults: object) -> Path:
    """Write the tabletop with its necks in fp16; `faults` replaces the rounding of a neck."""
    tabletop = Bundle.open("tabletop")
    files = {
        stage: faulty(
            tabletop.stage_file(stage, "fp32"),
            folder / f"{stage}.onnx",
            faults.get(stage, rounded_to_half),
        )
        for stage in ("detector_neck", "tracker_neck")
    }
    return with_precision(tabletop, folder / "bundle", "fp16", files).path


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tabletop_in_half(tmp_path_factory.mktemp("broken"), detector_neck=overflow)


def test_a_sound_precision_is_reported_and_used(tmp_path: Path) -> None:
    bundle = tabletop_in_half(tmp_path)
    with running_node(tmp_path, bundle=bundle, precision="fp16", threads=2) as (process, client):
        values = client.diagnosed(lambda values, _: values["state"] == "active")

        assert values["runs"] == "cpu fp16"
        assert "passed" in values["precision guard"]
        assert values["put back to fp32"] == ""
        assert 0 < float(values["difference of detector_neck"]) < 0.01
        assert float(values["difference of text"]) == 0
    assert "precision guard: cpu fp16: mask IoU" in process.log


def test_fp32_on_the_cpu_is_not_asked_anything(tmp_path: Path) -> None:
    with running_node(tmp_path, threads=2) as (process, client):
        values = client.diagnosed(lambda values, _: values["state"] == "active")

        assert values["precision guard"] == "not needed: fp32 on the CPU"
    assert "mask IoU" not in process.log


def test_a_precision_that_overflows_is_refused_by_the_name_of_its_stage(
    tmp_path: Path, broken: Path
) -> None:
    with running_node(tmp_path, bundle=broken, precision="fp16", threads=2) as (process, client):
        values = client.diagnosed(lambda values, _: "refused" in values["last error"])

        assert values["state"] == "unconfigured"
        assert "blamed stages: detector_neck." in values["last error"]
        level = client.diagnosed(lambda _, status: status.level == DiagnosticStatus.ERROR)
        assert level["state"] == "unconfigured"
    assert "configure failed: refused: cpu fp16" in process.log


def test_the_blamed_stage_is_reverted_to_fp32_where_that_is_allowed(
    tmp_path: Path, broken: Path
) -> None:
    picture = read_rgb(TABLE)
    parameters = {
        "bundle": broken,
        "precision": "fp16",
        "threads": 2,
        "on_precision_failure": "fp32",
        "prompts": "['ball']",
    }
    with running_node(tmp_path, **parameters) as (process, client):
        client.connected()
        values = client.diagnosed(lambda values, _: values["state"] == "active")
        scores = client.answer(picture, "scores")["scores"]

        assert values["put back to fp32"] == "detector_neck"
        assert values["runs"] == "14 of 15 stages cpu fp16, 1 cpu fp32"
    with Segmenter.load("tabletop", threads=2) as segmenter:
        expected = [segment.score for segment in segmenter.segment(picture, "ball")]
    assert [segment.score for segment in scores.segments] == pytest.approx(expected, abs=1e-4)
    assert "reverted to fp32 on the CPU: detector_neck" in process.log
