"""From a network to a bundle: whole and verified, or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from device_sessions import Devices
from small_clicker import FAMILY
from small_stages import change_weights

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.files import ModelFile, describe_file
from sam3_ros.core.errors import BundleError, ExportError, VerificationError
from sam3_ros.core.precision.recorded import load_recorded_answers
from sam3_ros.core.precision.repair import judge_precision
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.export.commands import exporter
from sam3_ros.export.commands.export_job import ExportJob
from sam3_ros.export.commands.exporter import export_bundle
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.rendition import Rendition
from sam3_ros.export.stage import StageModule
from sam3_ros.export.verification.report import verify_bundle
from sam3_ros.export.weights.filled_network import from_seed

pytestmark = pytest.mark.long

TESTS = Path(__file__).resolve().parents[1]
INTERRUPTIONS = ["[1/3] image: exporting", "[2/3] prompt_encoder: verified"]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> ExportJob:
    filled = from_seed(FAMILY, 1, None, None)
    job = ExportJob(
        family=FAMILY,
        architecture=filled.architecture,
        network=filled.network,
        input_size=filled.input_size,
        target=tmp_path_factory.mktemp("exported") / "bundle",
        source=filled.source,
        parts=("interactive",),
        renditions=("portable", "cuda"),
    )
    return replace(job, precisions=("fp32", "fp16", "int8"), allow_poor_precision=True)


@pytest.fixture(scope="module")
def steps() -> list[str]:
    return []


@pytest.fixture(scope="module")
def bundle(job: ExportJob, steps: list[str]) -> Bundle:
    return export_bundle(job, steps.append)


def test_the_bundle_opens_and_answers(bundle: Bundle) -> None:
    with Segmenter.load(Bundle.open(bundle.path)) as segmenter:
        image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        for segment in segmenter.segment(image, InteractivePrompt(points=((20.0, 20.0),))):
            assert segment.mask.shape == (48, 64)
    # So small a model gains nothing in int8: every stage shares its fp32 file.
    assert bundle.precisions == ("fp32", "fp16", "int8")
    assert sorted(path.name for path in bundle.path.iterdir()) == [
        "bundle.yaml",
        "cuda",
        "fp16",
        "fp32",
        "recorded_answers.npz",
    ]


@pytest.mark.parametrize(("precision", "graphs"), [("fp32", False), ("fp16", True)])
def test_a_gpu_answers_with_the_files_for_it(bundle: Bundle, precision: str, graphs: bool) -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    click = InteractivePrompt(points=((20.0, 20.0),))
    with Segmenter.load(bundle) as segmenter:
        (expected,) = segmenter.segment(image, click)
    devices, plan = Devices(graphs), StagePlan(StageChoice("cuda", precision))
    with Segmenter.load(bundle, open_session=devices, plan=plan, cuda_graphs=graphs) as segmenter:
        for _ in range(2):
            (found,) = segmenter.segment(image, click)
        captured = {session.graphs for session in devices.on_device.values()}
        verdict = judge_precision(segmenter)
    stages = {"image", "prompt_encoder", "mask_decoder"}
    assert devices.on_device.keys() == stages | ({"pixels"} if precision == "fp16" else set())
    assert captured == {int(graphs)}
    # Features stay where they are computed, and in the type in which the next stage reads them.
    assert devices.traffic.read_in_place("mask_decoder") == {"sam_embed", "sparse", "dense"}
    assert np.mean(found.mask == expected.mask) > (0.9999 if precision == "fp32" else 0.98)
    assert verdict.passed, str(verdict)


def verified(bundle: Bundle) -> dict[str, set[bool]]:
    """Return what a check of the bundle against its recorded answers says, by check."""
    report = verify_bundle(
        bundle,
        checkpoint=None,
        rebuild=False,
        images=(),
        reference=None,
        record=False,
        progress=lambda _: None,
    )
    checks: dict[str, set[bool]] = {}
    for figure in report.figures:
        checks.setdefault(figure.check, set()).add(figure.passed)
    return checks


def test_verify_runs_what_a_gpu_would_load(bundle: Bundle, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    sound = verified(Bundle.open(copy))
    assert {"recorded answers, cuda fp32", "recorded answers, cuda fp16"} <= sound.keys()
    assert set.union(*sound.values()) == {True}

    pixels = copy / "cuda" / "fp32" / "pixels.onnx"
    model = onnx.load(pixels)
    for tensor in model.graph.initializer:
        if tensor.name == "scale":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros((3, 1, 1), np.float32), "scale"))
    before, manifest = describe_file(pixels, "").sha256, copy / "bundle.yaml"
    size = f"bytes: {pixels.stat().st_size}"
    onnx.save(model, pixels)
    text = manifest.read_text().replace(before, describe_file(pixels, "").sha256)
    assert pixels.stat().st_size == int(size.split()[1])
    manifest.write_text(text)
    damaged = verified(Bundle.open(copy))
    assert False in damaged["pixels, cuda fp32"]
    assert damaged["recorded answers, cuda fp32"] == {True}


def test_the_manifest_says_where_the_bundle_comes_from(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert manifest.name == "efficientvit-sam-small"
    assert manifest.licence == FAMILY.licence
    assert {"family": "efficientvit-sam", "variant": "small", "random_seed": "1"}.items() <= (
        manifest.source.items()
    )
    assert {"input_size": "64", "parts": "interactive"}.items() <= manifest.source.items()
    assert {"torch", "onnx", "onnxruntime"} <= manifest.source.keys()


def test_the_manifest_holds_the_figures_of_every_stage(bundle: Bundle) -> None:
    found = bundle.manifest.verification
    assert set(found["onnx_against_pytorch"]) == {"image", "prompt_encoder", "mask_decoder"}
    decoder = found["onnx_against_pytorch"]["mask_decoder"]
    assert set(decoder["outputs"]) == {"sam_masks", "sam_iou"}
    assert decoder["outputs"]["sam_masks"]["largest"] < 1e-3
    assert any("prompts=2" in case for case in decoder["cases"])
    assert "the first real input" in decoder["cases"]
    assert found["end_to_end"]["fp32"]["masks_equal"] >= 0.9999
    assert 1e8 < found["peak_memory_bytes"] < 1e11


def test_the_recorded_answers_are_those_of_the_network(bundle: Bundle) -> None:
    assert bundle.manifest.recorded_answers is not None
    recorded = load_recorded_answers(bundle.path / bundle.manifest.recorded_answers.path)
    sampled = {stage for stages in recorded.samples.values() for stage in stages}
    assert sampled == set(bundle.manifest.stages_in_use)
    with Segmenter.load(bundle) as segmenter:
        differences = recorded.differences(segmenter.graph, bundle.manifest)
    assert len(differences) >= 6
    assert max(each.logits for each in differences.values()) < 1e-5


def test_progress_reports_every_step(bundle: Bundle, steps: list[str]) -> None:
    assert bundle
    for start in (*INTERRUPTIONS, "[3/3] mask_decoder: exporting", "end to end: verified"):
        assert any(step.startswith(start) for step in steps), (start, steps)


def stop_at(start: str, stop: Callable[[], None]) -> Callable[[str], None]:
    def progress(step: str) -> None:
        if step.startswith(start):
            stop()

    return progress


def interrupt() -> None:
    raise KeyboardInterrupt


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("start", "stop"), list(zip(INTERRUPTIONS, (interrupt, press_ctrl_c), strict=True))
)
def test_an_interruption_leaves_nothing_behind(
    job: ExportJob, tmp_path: Path, start: str, stop: Callable[[], None]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        export_bundle(replace(job, target=tmp_path / "bundle"), stop_at(start, stop))
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_kill_leaves_nothing_behind(tmp_path: Path) -> None:
    command = (
        "from sam3_ros.cli.main import main; from sam3_ros.export.families import FAMILIES;"
        "from small_clicker import FAMILY; FAMILIES[FAMILY.name] = FAMILY;"
        f"main(['export', FAMILY.name, '--random-weights', '1', '--out', '{tmp_path}/bundle'])"
    )
    folders = [str(TESTS / "support"), str(TESTS.parent)]
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr:
        while not process.stderr.readline().startswith("[2/3]"):
            assert process.poll() is None, "it ended before it was killed"
        assert list(tmp_path.iterdir()), "work is under way"
        process.terminate()
        process.stderr.read()
    assert process.wait() == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_from_the_network_fails_the_export(
    job: ExportJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(stage: StageModule, path: Path, *rendition: Rendition) -> ModelFile:
        file = write_onnx(stage, path, *rendition)
        if path.stem == "mask_decoder":
            change_weights(path, by=0.01)
        return file

    monkeypatch.setattr(exporter, "write_onnx", faulty)
    with pytest.raises(VerificationError, match="stage 'mask_decoder', output 'sam_"):
        export_bundle(replace(job, target=tmp_path / "bundle"))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bundle_is_replaced_only_on_request_and_kept_until_then(
    job: ExportJob, bundle: Bundle
) -> None:
    with pytest.raises(BundleError, match="exists"):
        export_bundle(job)
    with pytest.raises(KeyboardInterrupt):
        export_bundle(replace(job, replace_existing=True), stop_at("[2/3]", interrupt))
    assert Bundle.open(bundle.path) == bundle


def test_lower_precisions_come_with_their_table(bundle: Bundle) -> None:
    assert bundle.precisions == ("fp32", "fp16", "int8")
    for precision in ("fp16", "int8"):
        table = bundle.manifest.verification["precisions"][precision]
        assert set(table["stages"]) == set(bundle.manifest.stages_in_use)
        assert 0 <= table["end_to_end"]["mean_mask_iou"] <= 1
        Segmenter.load(bundle, precision=precision).close()
    for_cuda = bundle.manifest.verification["precisions"]["cuda fp16"]
    assert set(for_cuda["stages"]) == set(bundle.manifest.stages)
    half = bundle.stage_file("image", "fp16").stat().st_size
    assert half < 0.8 * bundle.stage_file("image", "fp32").stat().st_size


def test_a_poor_precision_is_left_out_and_so_is_fp32_where_not_requested(
    job: ExportJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"fp16": 1.1, "int8": 0.0}
    monkeypatch.setattr("sam3_ros.export.precision.figures.LEAST_MASK_IOU", limits)
    wanted = replace(job, allow_poor_precision=False, precisions=("fp16", "int8"))
    bundle = export_bundle(replace(wanted, target=tmp_path / "bundle"))
    assert bundle.precisions == ("int8",)
    assert not (bundle.path / "fp16").exists()
    assert "mean IoU" in bundle.manifest.verification["not_written"]["fp16"]


def test_without_one_good_precision_there_is_no_bundle(
    job: ExportJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam3_ros.export.precision.figures.LEAST_MASK_IOU", {"int8": 1.1})
    wanted = replace(job, allow_poor_precision=False, precisions=("int8",))
    with pytest.raises(VerificationError, match="mean IoU"):
        export_bundle(replace(wanted, target=tmp_path / "bundle"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parts": ("concept",)}, "part concept: EfficientViT-SAM has interactive"),
        ({"parts": ()}, "part none"),
        ({"precisions": ("fp8",)}, "precision fp8: a bundle has fp32, fp16, int8"),
        ({"precisions": ("fp32", "fp32")}, "each once"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_any_work(
    job: ExportJob, change: dict[str, tuple[str, ...]], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        replace(job, **change)  # type: ignore[arg-type]
