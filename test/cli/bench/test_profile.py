"""`sam3-ros bench` by a machine profile says what really runs, not what the options left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sam3_ros.cli.main import main
from sam3_ros.cli.model_options import ConfiguredModel
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.profile.profile import Machine, MachineProfile, bundle_sha256
from sam3_ros.core.profile.profile_yaml import write_profile
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan

pytestmark = pytest.mark.long

EVIDENCE = {
    "images": ["table"],
    "milliseconds": {"words": {"fp32_on_cpu": 10.0, "chosen": 6.5}},
    "candidates": [],
    "judgement": {"mask_iou": 0.99},
    "refused": [],
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open("tabletop")


@pytest.fixture
def profile(bundle: Bundle, tmp_path: Path) -> Path:
    """Write a profile: the fusion on OpenVINO, all other stages as the reference, one thread."""
    choices = dict.fromkeys(bundle.manifest.stages_to_judge, REFERENCE)
    choices["fusion"] = StageChoice("openvino", "fp32")
    made = MachineProfile(
        bundle=bundle.manifest.name,
        bundle_sha256=bundle_sha256(bundle),
        machine=Machine.here({"cpu", "openvino"}),
        threads=1,
        made="2026-11-21T12:00:00+00:00",
        choices=choices,
        evidence=EVIDENCE,
    )
    write_profile(tmp_path / "profile.yaml", made)
    return tmp_path / "profile.yaml"


def told(
    profile: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON document of a bench, and the entries that the profile decides."""
    common = ("bench", "--profile", str(profile), "--frames", "1", "--seconds", "0.001", "--json")
    assert main([*common, *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    return document, {key: document[key] for key in ("backend", "precision", "profile", "threads")}


@pytest.mark.parametrize("measurement", [("--growth", "--sizes", "64x48"), ("--prompts", "1")])
def test_the_labels_are_those_of_the_profile(
    profile: Path,
    bundle: Bundle,
    measurement: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    document, labels = told(profile, capsys, *measurement)

    assert labels == {
        "backend": None,  # the stages differ
        "precision": "fp32",
        "profile": str(profile),
        "threads": 1,
    }
    assert document["bundle"] == "tabletop"
    assert document["plan"].endswith("stages cpu fp32, 1 openvino fp32")
    by = {stage: choice["backend"] for stage, choice in document["stages"].items()}
    assert by == {
        stage: "openvino" if stage == "fusion" else "cpu"
        for stage in bundle.manifest.stages_to_judge
    }


def test_the_table_of_growth_says_what_runs(
    profile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    growth = ("bench", "--growth", "--sizes", "64x48", "--frames", "1", "--seconds", "0.001")
    assert main([*growth, "--profile", str(profile)]) == 0
    title = capsys.readouterr().out.splitlines()[0]

    assert title.startswith("tabletop on ")
    assert "1 openvino fp32 (threads: 1); 640x480" in title


def test_what_all_stages_have_is_named(bundle: Bundle) -> None:
    choice = StageChoice("openvino", "bf16")
    plan = StagePlan(REFERENCE, dict.fromkeys(bundle.manifest.stages_to_judge, choice))
    document = ConfiguredModel(bundle, plan, None, Path("p.yaml")).document()

    assert (document["backend"], document["precision"]) == ("openvino", "bf16")
    mixed = plan.changed(["text"], StageChoice("openvino", "fp32"))
    document = ConfiguredModel(bundle, mixed, None, Path("p.yaml")).document()
    assert (document["backend"], document["precision"]) == ("openvino", None)
