"""A machine profile holds for one bundle, one machine and its versions, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from bundles import write_sam3_bundle

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ProfileError
from sam3_ros.core.profile import profile as machine_profile
from sam3_ros.core.profile.configured_plan import ConfiguredPlan
from sam3_ros.core.profile.profile import (
    Machine,
    MachineProfile,
    bundle_sha256,
    default_profile_path,
)
from sam3_ros.core.profile.profile_yaml import (
    dump_profile,
    parse_profile,
    read_profile,
    write_profile,
)
from sam3_ros.core.stages.plan import REFERENCE, StageChoice

EVIDENCE: Mapping[str, Any] = {
    "images": ["table"],
    "milliseconds": {"words": {"fp32_on_cpu": 10.0, "chosen": 6.5}},
    "candidates": [
        {"stage": "text", "backend": "cpu", "precision": "fp32", "milliseconds": 1.0, "gain": 1.0},
        {"stage": "text", "backend": "openvino", "precision": "int8", "refused": "it cannot"},
    ],
    "judgement": {"mask_iou": 0.99},
    "refused": ["cuda: not there"],
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open("tabletop")


@pytest.fixture
def profile(bundle: Bundle) -> MachineProfile:
    choices = dict.fromkeys(bundle.manifest.stages_to_judge, REFERENCE)
    choices["fusion"] = StageChoice("openvino", "fp32")
    return MachineProfile(
        bundle=bundle.manifest.name,
        bundle_sha256=bundle_sha256(bundle),
        machine=Machine.here({"cpu", "openvino"}),
        threads=2,
        made="2026-11-21T12:00:00+00:00",
        choices=choices,
        evidence=EVIDENCE,
    )


def refused(profile: MachineProfile, bundle: Bundle, threads: int | None = None) -> str:
    with pytest.raises(ProfileError) as caught:
        profile.require_fits(bundle, threads)
    reason = str(caught.value)
    assert reason.endswith("run sam3-ros tune again")
    return reason


def test_it_fits_where_it_was_made(profile: MachineProfile, bundle: Bundle) -> None:
    profile.require_fits(bundle)
    profile.require_fits(bundle, threads=2)
    assert profile.plan.of("fusion") == StageChoice("openvino")
    assert profile.plan.of("text") == REFERENCE


def test_it_reads_back_as_it_was(profile: MachineProfile, tmp_path: Path) -> None:
    assert parse_profile(dump_profile(profile)) == profile
    of_all_cores = replace(profile, threads=None)
    assert parse_profile(dump_profile(of_all_cores)) == of_all_cores
    path = tmp_path / "new" / "profile.yaml"
    for _ in range(2):
        write_profile(path, profile)
    assert read_profile(path) == profile
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"cpu": "Z80"}, "CPU 'Z80', here"),
        ({"cores": 999}, "cores 999, here"),
        ({"gpu": "GeForce 256"}, "GPU 'GeForce 256', here ''"),
        ({"flags": frozenset({"warp_drive"})}, "the CPU lacks here warp_drive"),
        ({"flags": frozenset()}, "the CPU has here"),
        ({"versions": {"openvino": {"openvino": "2025.1"}}}, "openvino 2025.1, here 20"),
        ({"versions": {"cpu": {"onnxruntime": "1.20.0"}}}, "onnxruntime 1.20.0, here 1."),
        ({"versions": {"cpu": {}}}, "onnxruntime not there, here"),
    ],
)
def test_another_machine_is_refused_by_what_differs(
    profile: MachineProfile, bundle: Bundle, change: dict[str, Any], expected: str
) -> None:
    assert expected in refused(replace(profile, machine=replace(profile.machine, **change)), bundle)


def test_a_library_that_is_gone_is_reported(
    profile: MachineProfile, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def versions(backend: str) -> dict[str, str]:
        return {} if backend == "openvino" else dict(profile.machine.versions[backend])

    monkeypatch.setattr(machine_profile, "engine_versions", versions)
    assert "here 'not there'" not in (reason := refused(profile, bundle))
    assert ", here not there" in reason


def test_libraries_that_it_does_not_use_do_not_matter(
    profile: MachineProfile, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_profile, "gpu_name", lambda _: "one that was built in later")
    profile.require_fits(bundle)


def test_other_threads_are_refused(profile: MachineProfile, bundle: Bundle) -> None:
    assert "threads 2, here 1" in refused(profile, bundle, threads=1)
    assert "threads all, here 2" in refused(replace(profile, threads=None), bundle, threads=2)


def test_another_bundle_is_refused(profile: MachineProfile, mobile_sam_bundle_path: Path) -> None:
    reason = refused(profile, Bundle.open(mobile_sam_bundle_path))
    assert "bundle 'tabletop'" in reason
    assert "here 'mobile_colours'" in reason


def test_stages_that_the_bundle_lacks_are_refused(profile: MachineProfile, bundle: Bundle) -> None:
    others = {**profile.choices, "teleport": REFERENCE}
    assert "only one of the two has: teleport" in refused(replace(profile, choices=others), bundle)


def test_the_sum_of_a_bundle_is_that_of_its_files(bundle: Bundle, tmp_path: Path) -> None:
    manifest = bundle.manifest
    copied = Bundle(tmp_path, replace(manifest, verification={"another": "time"}))
    assert bundle_sha256(copied) == bundle_sha256(bundle)
    file = replace(manifest.stages["text"].files["fp32"], sha256="0" * 64)
    stages = {**manifest.stages, "text": replace(manifest.stages["text"], files={"fp32": file})}
    changed = replace(bundle, manifest=replace(manifest, stages=stages))
    assert bundle_sha256(changed) != bundle_sha256(bundle)


def test_its_place_is_in_the_users_cache(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    path = default_profile_path(bundle)
    assert path.parent == Path("/somewhere/sam3_ros/profiles")
    assert path.name == f"tabletop-{bundle_sha256(bundle)[:12]}.yaml"


@pytest.mark.parametrize(
    ("steps", "value", "expected"),
    [
        (("format",), 2, "reads format 1: update sam3_ros, or run sam3-ros tune again"),
        (("threads",), -1, ", threads: expected"),
        (("threads",), "many", ", threads: expected"),
        (("stages",), {}, ", stages: expected"),
        (("stages", "text"), {"backend": "cpu"}, ", stages/text: expected"),
        (("stages", "text", "device"), 1, ", stages/text: expected"),
        (("bundle", "sha256"), "abc", ", bundle/sha256: expected"),
        (("machine", "flags"), ["avx2"], ", machine/flags: expected"),
        (("evidence", "milliseconds"), {"forever": {}}, ", evidence/milliseconds: expected"),
        (("secret",), "x", ", top level: expected"),
    ],
)
def test_a_wrong_form_is_reported_with_its_place(
    profile: MachineProfile, tmp_path: Path, steps: tuple[str, ...], value: object, expected: str
) -> None:
    document = yaml.safe_load(dump_profile(profile))
    *path, last = steps
    place = document
    for step in path:
        place = place[step]
    place[last] = value
    file = tmp_path / "profile.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ProfileError) as caught:
        read_profile(file)
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"a: &x 1\nb: *x\n", b"format: !!x"])
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "profile.yaml"
    file.write_bytes(content)
    with pytest.raises(ProfileError, match=r"profile\.yaml"):
        read_profile(file)


def test_a_missing_file_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"No such file.*`sam3-ros tune` makes one"):
        read_profile(tmp_path / "none.yaml")


def test_a_configured_plan_takes_threads_and_choices_of_the_profile(
    profile: MachineProfile, bundle: Bundle, tmp_path: Path
) -> None:
    write_profile(tmp_path / "p.yaml", profile)
    plan, threads = ConfiguredPlan(profile=tmp_path / "p.yaml").of(bundle)
    assert (plan, threads) == (profile.plan, 2)
    plan, threads = ConfiguredPlan(StageChoice("openvino", "bf16"), 4).of(bundle)
    assert (plan.default, threads) == (StageChoice("openvino", "bf16"), 4)


@pytest.mark.parametrize("backend", ["cuda", "cpu"])
def test_a_stage_that_the_profile_does_not_name_goes_with_its_reader(
    profile: MachineProfile, tmp_path: Path, backend: str
) -> None:
    with_pixels = write_sam3_bundle(tmp_path / "colours", prepares_pixels=True)
    choices = dict.fromkeys(with_pixels.manifest.stages_to_judge, REFERENCE)
    choices["image_trunk"] = StageChoice(backend, "tf32" if backend == "cuda" else "fp32")
    made_for_it = replace(
        profile,
        bundle=with_pixels.manifest.name,
        bundle_sha256=bundle_sha256(with_pixels),
        machine=Machine.here({"cpu", backend}),
        choices=choices,
    )
    write_profile(tmp_path / "p.yaml", made_for_it)
    plan, _ = ConfiguredPlan(profile=tmp_path / "p.yaml").of(with_pixels)
    assert plan.of("pixels") == choices["image_trunk"]
    assert plan.of("fusion") == REFERENCE
    stages = with_pixels.manifest.stages_to_load(plan)
    assert ("pixels" in stages) == (backend == "cuda")


@pytest.mark.parametrize("choice", [StageChoice("openvino"), StageChoice("cpu", "fp16")])
def test_a_profile_beside_a_backend_or_precision_is_a_contradiction(choice: StageChoice) -> None:
    with pytest.raises(ProfileError, match="leave them at cpu fp32"):
        ConfiguredPlan(choice, profile=Path("p.yaml"))


def test_a_copy_of_the_bundle_may_use_it(
    profile: MachineProfile, bundle: Bundle, tmp_path: Path
) -> None:
    shutil.copytree(bundle.path, tmp_path / "copy")
    profile.require_fits(Bundle.open(tmp_path / "copy"))
