"""EfficientSAM3 from a checkpoint to a working bundle: the whole path, at small sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_sam3 import ARCHITECTURE, FAMILY, INPUT_SIZE, small_sam3

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ExportError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.memory.follower import FollowsByMemory, MemoryState
from sam3_ros.export.commands.export_job import ExportJob
from sam3_ros.export.commands.exporter import export_bundle
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.families.sam3 import SAM3
from sam3_ros.export.network import PARTS
from sam3_ros.export.verification.reference import compared_with_reference
from sam3_ros.export.verification.report import verify_bundle
from sam3_ros.export.verification.torch_graph import torch_graph
from sam3_ros.export.weights.filled_network import FilledNetwork, from_checkpoint
from sam3_ros.export.weights.loading import write_checkpoint

pytestmark = pytest.mark.long

STAGES = [
    "image_trunk",
    "detector_neck",
    "fusion_image",
    "text",
    "geometry",
    "fusion",
    "decoder",
    "scoring",
    "detector_pyramid",
    "segmentation",
    "tracker_neck",
    "prompt_encoder",
    "mask_decoder",
    "mask_prompt",
    "memory_encoder",
    "memory_attention",
    "object_pointer",
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    write_checkpoint(small_sam3(), path)
    return path


@pytest.fixture(scope="module")
def filled(checkpoint: Path) -> FilledNetwork:
    return from_checkpoint(FAMILY, checkpoint, INPUT_SIZE)


@pytest.fixture(scope="module")
def bundle(filled: FilledNetwork, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    job = ExportJob(
        family=FAMILY,
        architecture=filled.architecture,
        network=filled.network,
        input_size=filled.input_size,
        target=tmp_path_factory.mktemp("exported") / "bundle",
        source=filled.source,
        parts=PARTS,
    )
    return export_bundle(job, lambda _: None)


def test_every_size_is_read_from_the_checkpoint(filled: FilledNetwork) -> None:
    assert filled.architecture.trunk == ARCHITECTURE.trunk
    assert filled.architecture.common.detector == ARCHITECTURE.common.detector
    assert filled.architecture.common.tracker == ARCHITECTURE.common.tracker
    assert filled.architecture.common.text.context_length == 16


def test_weights_survive_the_round_trip_through_a_checkpoint(filled: FilledNetwork) -> None:
    written = small_sam3().state_dict()
    for name, tensor in filled.network.state_dict().items():
        assert (tensor == written[name]).all(), name


def test_a_text_encoder_of_another_tokenizer_is_refused(
    filled: FilledNetwork, tmp_path: Path
) -> None:
    common = filled.architecture.common
    fewer = replace(common, text=replace(common.text, vocabulary=32000))
    with pytest.raises(ExportError, match="for 32000 tokens"):
        ExportJob(
            family=FAMILY,
            architecture=replace(filled.architecture, common=fewer),
            network=filled.network,
            input_size=filled.input_size,
            target=tmp_path / "bundle",
            source=filled.source,
            parts=PARTS,
        )


def test_the_bundle_has_every_stage_and_records_its_verification(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert list(manifest.stages) == STAGES
    assert manifest.capabilities == ("concept", "interactive", "video")
    assert set(manifest.verification["onnx_against_pytorch"]) == set(STAGES)
    assert manifest.verification["end_to_end"]["fp32"]["questions"] == 20


def test_the_bundle_answers_words_boxes_and_clicks(bundle: Bundle) -> None:
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    box = Box(20, 20, 80, 70)
    with Segmenter.load(bundle) as segmenter:
        embedding = segmenter.encode_image(image)
        prompts = [ConceptPrompt("red cube"), ConceptPrompt(exemplars=(box,))]
        found = segmenter.ask(embedding, prompts, score_threshold=0.0)
        clicked = segmenter.ask(embedding, [InteractivePrompt(points=((60, 45),), box=box)])
        assert "memory_attention" in segmenter.providers

    assert {segment.prompt_id for segment in found} == {"red cube", "visual"}
    assert all(segment.mask.shape == (90, 120) for segment in (*found, *clicked))


def test_the_bundle_follows_an_object_as_its_network_does(
    bundle: Bundle, filled: FilledNetwork
) -> None:
    manifest = bundle.manifest
    assert manifest.interactive is not None
    assert manifest.video is not None
    assert manifest.video.memories == ARCHITECTURE.common.tracker.memory_frames - 1
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (6, 90, 120, 3), np.uint8)
    mask = np.zeros((90, 120), np.bool_)
    mask[20:60, 30:80] = True
    answers: list[list[Array]] = []
    with Segmenter.load(bundle) as segmenter:
        for graph in (segmenter.graph, torch_graph(filled.network)):
            follower = FollowsByMemory(manifest.interactive, manifest.video, CallTimings())
            image = ImageEmbedding.of(frames[0], manifest, graph)
            state = follower.start(image, 0, MaskPrompt(mask)).state
            answers.append([])
            for number, frame in enumerate(frames[1:], start=1):
                image = ImageEmbedding.of(frame, manifest, graph)
                state = follower.follow(image, number, state).state
                assert isinstance(state, MemoryState)
                kept = state.memory.at(number)
                assert kept is not None
                answers[-1] += [kept.memory, kept.pointer, kept.mask_logits]
    for ours, theirs in zip(*answers, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3, rtol=1e-3)


def test_verify_uses_recorded_answers_or_rebuilds_the_model_from_the_checkpoint(
    bundle: Bundle, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)

    kept = verified(bundle)
    again = verified(bundle, checkpoint=checkpoint)

    assert kept.passed and again.passed
    assert {figure.check for figure in kept.figures} == {"recorded answers, fp32"}
    assert {figure.check for figure in again.figures} == {"stage, fp32", "PyTorch, fp32"}


def test_verify_finds_another_models_weights(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)
    write_checkpoint(small_sam3(seed=2), tmp_path / "other.pt")

    verdict = verified(bundle, checkpoint=tmp_path / "other.pt")

    failed = {figure.what for figure in verdict.figures if not figure.passed}
    assert {"image_trunk", "fusion", "mask_decoder"} <= failed


def test_verify_refuses_a_bundle_with_other_stages(
    bundle: Bundle, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)
    fusion = replace(
        bundle.manifest.stages["fusion"],
        inputs={"fpn2": "places", "prompt": "prompt", "prompt_mask": "prompt_mask"},
    )
    stages = {**bundle.manifest.stages, "fusion": fusion}
    del stages["fusion_image"]
    older = replace(bundle, manifest=replace(bundle.manifest, stages=stages))

    with pytest.raises(ExportError, match="whose stage 'fusion' has other tensors; export it"):
        verified(older, checkpoint=checkpoint)


def verified(bundle: Bundle, checkpoint: Path | None = None) -> object:
    return verify_bundle(
        bundle,
        checkpoint=checkpoint,
        rebuild=False,
        images=(),
        reference=None,
        record=False,
        progress=lambda _: None,
    )


def test_a_students_checkpoint_is_not_taken_for_sam3(checkpoint: Path) -> None:
    with pytest.raises(ExportError, match="try the family efficientsam3"):
        from_checkpoint(SAM3, checkpoint, INPUT_SIZE)


@pytest.fixture(scope="module")
def large() -> object:
    """Return the small network at the size of the reference, with its settings."""
    return small_sam3(input_size=1008)


class Settings:
    """The part of a manifest that the reference needs."""

    preprocessing = FAMILY.settings(ARCHITECTURE, 1008).preprocessing
    interactive = FAMILY.settings(ARCHITECTURE, 1008).interactive
    concept = object()


def recorded_case(graph: object, folder: Path, change: Callable[[dict[str, Array]], None]) -> Path:
    """Write a case that holds the outputs of the graph itself, after a change."""
    case: dict[str, Array] = {
        "image_seed": np.array(11),
        "input_ids": np.array([[49406, 518, 49407] + [0] * 13], np.int32),
        "exemplar_boxes": np.array([[[0.5, 0.5, 0.3, 0.4]]], np.float32),
        "exemplar_labels": np.array([[1]], np.int32),
        "points": np.array([[[504, 504]]], np.float32),
        "point_labels": np.array([[1]], np.int32),
    }
    blank = {**case, "logits": np.zeros((1, 12)), "boxes": np.zeros((1, 12, 4))}
    blank["presence"] = np.zeros((1, 1))
    answered: dict[str, Array] = {}

    class Recording:
        def __getattr__(self, name: str) -> object:
            return getattr(graph, name)

        def compute(self, wanted: object, values: object) -> dict[str, Array]:
            found = graph.compute(wanted, values)  # type: ignore[attr-defined]
            answered.update(found)
            return found

    for name in ("multi", "single"):
        count = 3 if name == "multi" else 1
        blank[f"{name}_iou"] = np.zeros((1, count))
        blank[f"{name}_object"] = np.zeros((1, 1))
        blank[f"{name}_masks"] = np.zeros((1, count, 288, 288), np.float16)
    folder.mkdir()
    np.savez(folder / "cases_x.npz", **blank)
    compared_with_reference(Recording(), Settings(), folder, lambda _: None)  # type: ignore[arg-type]
    case |= {"logits": answered["logits"], "boxes": answered["pred_boxes"]}
    case["presence"] = answered["presence"]
    case["top_queries"] = np.array([[0, 1, 2]], np.int16)
    case["top_masks"] = answered["masks"][:, :3].astype(np.float16)
    case["semantic"] = answered["semantic"].astype(np.float16)
    case["multi_iou"] = answered["sam_iou"][:, 1:]
    case["multi_object"] = answered["object_score"]
    case["multi_masks"] = answered["sam_masks"][:, 1:].astype(np.float16)
    change(case)
    for name in ("single_iou", "single_object", "single_masks"):
        case.pop(name, None)
    np.savez(folder / "cases_x.npz", **{**case, **{k: blank[k] for k in blank if k not in case}})
    return folder


@pytest.mark.parametrize(
    ("tensor", "by"),
    [("logits", 2e-5), ("boxes", 2e-5), ("presence", -2e-5), ("multi_iou", 2e-5)],
)
def test_a_reference_case_finds_a_changed_number(
    large: object, tensor: str, by: float, tmp_path: Path
) -> None:
    graph = torch_graph(large)  # type: ignore[arg-type]

    def shift(case: dict[str, Array]) -> None:
        case[tensor] = case[tensor] + np.float32(by)

    folder = recorded_case(graph, tmp_path / "reference", shift)
    found = compared_with_reference(graph, Settings(), folder, lambda _: None)  # type: ignore[arg-type]

    compared = [figure for figure in found.figures if not figure.tensor.startswith("single")]
    assert {figure.tensor for figure in compared if not figure.passed} == {tensor}
    assert len(compared) == 8


def test_a_folder_without_cases_is_refused(large: object, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"holds no cases_\*\.npz"):
        compared_with_reference(torch_graph(large), Settings(), tmp_path, print)  # type: ignore[arg-type]
