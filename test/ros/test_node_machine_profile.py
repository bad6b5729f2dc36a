"""The node runs by a machine profile that fits, and refuses any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_under_test import running_node
from scenes import colour_scene

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.profile.profile import Machine, MachineProfile, bundle_sha256
from sam3_ros.core.profile.profile_yaml import write_profile
from sam3_ros.core.stages.plan import REFERENCE, StageChoice

pytestmark = pytest.mark.long

SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40)})
EVIDENCE = {
    "images": ["table"],
    "milliseconds": {},
    "candidates": [],
    "judgement": {},
    "refused": [],
}


@pytest.fixture
def profile(sam3_bundle_path: Path) -> MachineProfile:
    """Return a profile for two threads: fusion on OpenVINO, the other stages as usual."""
    bundle = Bundle.open(sam3_bundle_path)
    choices = dict.fromkeys(bundle.manifest.stages_to_judge, REFERENCE)
    return MachineProfile(
        bundle=bundle.manifest.name,
        bundle_sha256=bundle_sha256(bundle),
        machine=Machine.here({"cpu", "openvino"}),
        threads=2,
        made="2026-11-21T12:00:00+00:00",
        choices={**choices, "fusion": StageChoice("openvino")},
        evidence=EVIDENCE,
    )


def written(folder: Path, name: str, profile: MachineProfile) -> str:
    write_profile(folder / name, profile)
    return str(folder / name)


def test_each_stage_runs_as_the_profile_says(tmp_path, sam3_bundle_path, profile):
    path = written(tmp_path, "here.yaml", profile)
    parameters = {"bundle": sam3_bundle_path, "machine_profile": path, "prompts": "[red]"}
    with running_node(tmp_path, **parameters) as (process, client):
        values = client.diagnosed(lambda values, _: values["state"] == "active")
        assert values["machine_profile"] == path
        assert values["provider of fusion"] == "OpenVINO CPU (fp32)"
        assert values["provider of decoder"] == "CPUExecutionProvider"
        assert "precision guard" in process.log
        client.connected()
        assert client.answer(SCENE, "scores")["scores"].segments


def test_one_that_does_not_fit_is_refused_by_what_differs(tmp_path, sam3_bundle_path, profile):
    machine = profile.machine
    versions = {**machine.versions, "openvino": {"openvino": "2024.0"}}
    wrong = {
        "bundle": (replace(profile, bundle_sha256="0" * 64), "bundle 'colours' (000000000000)"),
        "cpu": (replace(profile, machine=replace(machine, cpu="Z80")), "CPU 'Z80', here"),
        "library": (
            replace(profile, machine=replace(machine, versions=versions)),
            "openvino 2024.0, here",
        ),
    }
    files = {name: written(tmp_path, f"{name}.yaml", each) for name, (each, _) in wrong.items()}
    right = written(tmp_path, "here.yaml", profile)
    parameters = {"bundle": sam3_bundle_path, "autostart": "false"}
    with running_node(tmp_path, **parameters) as (_, client):
        for name, (_, reason) in wrong.items():
            assert client.set_parameters(machine_profile=files[name]).successful
            assert not client.transition("configure")
            told = f"{reason}.*run sam3-ros tune again".split(".*")
            client.diagnosed(
                lambda _, status, told=told: all(words in status.message for words in told)
            )
        assert client.set_parameters(machine_profile=right, threads=1).successful
        assert not client.transition("configure")
        client.diagnosed(lambda _, status: "threads 2, here 1" in status.message)

        assert client.set_parameters(threads=0).successful
        assert client.transition("configure")
        refusal = client.set_parameters(machine_profile="")
        assert "while the node is unconfigured" in refusal.reason


def test_a_backend_or_precision_beside_it_is_a_contradiction(tmp_path, sam3_bundle_path, profile):
    path = written(tmp_path, "here.yaml", profile)
    parameters = {"bundle": sam3_bundle_path, "machine_profile": path, "backend": "openvino"}
    with running_node(tmp_path, **parameters) as (_, client):

        def contradicts(values, status):
            return (
                status.level == DiagnosticStatus.ERROR
                and values["state"] == "unconfigured"
                and "parameter 'machine_profile'" in status.message
                and "leave them at cpu fp32" in status.message
            )

        client.diagnosed(contradicts)
        assert client.set_parameters(backend="cpu", precision="fp16").successful
        assert not client.transition("configure")
        assert client.set_parameters(precision="fp32").successful
        assert client.transition("configure")


def test_a_missing_file_is_reported(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "machine_profile": str(tmp_path / "none.yaml")}
    with running_node(tmp_path, **parameters) as (_, client):
        client.diagnosed(lambda _, status: "`sam3-ros tune` makes one" in status.message)
