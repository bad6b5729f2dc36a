"""The manifest: what is read, what is refused, and why."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sam3_ros.core.bundle.manifest import FileRef, SingleMask, VideoSettings
from sam3_ros.core.bundle.manifest_yaml import dump_manifest, parse_manifest
from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.stages.plan import StagePlan

SHA = "0" * 64


@pytest.fixture
def document(mobile_sam_bundle_path: Path) -> dict[str, Any]:
    """Return a sound manifest as plain data, for a test to damage."""
    return yaml.safe_load((mobile_sam_bundle_path / "bundle.yaml").read_text("utf-8"))


@pytest.fixture
def sam3_document(sam3_bundle_path: Path) -> dict[str, Any]:
    return yaml.safe_load((sam3_bundle_path / "bundle.yaml").read_text("utf-8"))


def refused(document: Any) -> str:
    with pytest.raises(BundleError) as caught:
        parse_manifest(yaml.safe_dump(document))
    return str(caught.value)


def test_a_manifest_is_read_into_typed_values(sam3_document: dict[str, Any]) -> None:
    manifest = parse_manifest(yaml.safe_dump(sam3_document, sort_keys=False))
    assert manifest.capabilities == ("concept", "interactive")
    assert manifest.precisions == ("fp32", "fp16")
    assert manifest.preprocessing.mean == (0.5, 0.5, 0.5)
    assert manifest.interactive is not None
    assert manifest.interactive.mask_input == ImageSize(24, 32)
    assert manifest.interactive.single_mask == SingleMask("stability", 0.05, 0.98)
    assert manifest.concept is not None
    assert manifest.concept.tokenizer.file.path == "tokenizer.json"
    assert manifest.stages["detector_neck"].inputs == {"trunk_features": "features"}


@pytest.mark.parametrize("fixture", ["document", "sam3_document"])
def test_what_is_written_reads_back_equal(fixture: str, request: pytest.FixtureRequest) -> None:
    plain = request.getfixturevalue(fixture)
    plain["verification"] = {"mean_iou": 0.91, "scenes": [1, 2], "by": {"text": None}}
    manifest = parse_manifest(yaml.safe_dump(plain))
    assert parse_manifest(dump_manifest(manifest)) == manifest


def test_a_vocabulary_is_read_and_written_back(sam3_document: dict[str, Any]) -> None:
    concept = parse_manifest(yaml.safe_dump(sam3_document)).concept
    assert concept is not None and concept.vocabulary is None
    sam3_document["concept"]["vocabulary"] = ["red", "cube", "no", "caf\xe9"]
    manifest = parse_manifest(yaml.safe_dump(sam3_document))
    assert manifest.concept is not None
    assert manifest.concept.vocabulary == ("red", "cube", "no", "caf\xe9")
    assert parse_manifest(dump_manifest(manifest)) == manifest


@pytest.mark.parametrize("words", [[], ["red cube"], [""], ["red", "red"], [7], "red", ["x" * 101]])
def test_a_vocabulary_is_a_list_of_single_words(sam3_document: dict[str, Any], words: Any) -> None:
    sam3_document["concept"]["vocabulary"] = words
    assert "concept/vocabulary" in refused(sam3_document)


def test_texts_are_cleaned_as_clip_does_it_unless_the_manifest_says_otherwise(
    sam3_document: dict[str, Any],
) -> None:
    tokenizer = sam3_document["concept"]["tokenizer"]
    tokenizer.pop("cleaning", None)
    manifest = parse_manifest(yaml.safe_dump(sam3_document))
    assert manifest.concept is not None and manifest.concept.tokenizer.cleaning == "clip"
    tokenizer["cleaning"] = "file"
    manifest = parse_manifest(yaml.safe_dump(sam3_document))
    assert manifest.concept is not None and manifest.concept.tokenizer.cleaning == "file"
    assert parse_manifest(dump_manifest(manifest)) == manifest
    tokenizer["cleaning"] = "ftfy"
    assert "cleaning" in refused(sam3_document)


def test_a_manifest_cannot_be_changed(document: dict[str, Any]) -> None:
    manifest = parse_manifest(yaml.safe_dump(document))
    with pytest.raises(TypeError):
        manifest.stages["extra"] = manifest.stages["image"]  # type: ignore[index]
    with pytest.raises(TypeError):
        manifest.stages["image"].files["int8"] = FileRef("x", SHA, 1)  # type: ignore[index]


@pytest.mark.parametrize("version", [2, 0, "1", 1.0, True, [1]])
def test_an_unknown_format_is_refused_before_the_rest_is_judged(version: Any) -> None:
    reason = refused({"format": version, "nonsense": True})
    assert "reads format 1" in reason
    assert "update sam3_ros" in reason


def test_a_missing_format_is_named(document: dict[str, Any]) -> None:
    del document["format"]
    assert "no `format`" in refused(document)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("preprocessing", "fit"), "crop", "preprocessing/fit"),
        (("preprocessing", "mean"), [0.5, 0.5], "preprocessing/mean"),
        (("preprocessing", "height"), 0, "preprocessing/height"),
        (("stages", "image", "files", "fp32", "sha256"), "abc", "stages/image/files/fp32/sha256"),
        (("stages", "image", "files", "fp32", "bytes"), -1, "stages/image/files/fp32/bytes"),
        (("stages", "image", "files"), {}, "stages/image/files"),
        (("interactive", "padding_point"), "sometimes", "interactive/padding_point"),
        (("interactive", "mask_input"), 256, "interactive/mask_input"),
        (("licence",), "", "licence"),
        (("capabilities",), [], "capabilities"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(
    document: dict[str, Any], path: tuple[str, ...], value: Any, where: str
) -> None:
    *steps, last = path
    place = document
    for step in steps:
        place = place[step]
    place[last] = value
    assert f", {where}: expected" in refused(document)


def test_an_unknown_key_is_refused(document: dict[str, Any]) -> None:
    document["interactive"]["mask_treshold"] = 0.5
    reason = refused(document)
    assert "mask_treshold" in reason
    assert "interactive" in reason


def test_numbers_must_be_finite(document: dict[str, Any]) -> None:
    document["preprocessing"]["mean"] = [0.5, float("nan"), 0.5]
    assert "finite" in refused(document)


def test_std_must_be_above_zero(document: dict[str, Any]) -> None:
    document["preprocessing"]["std"] = [0.5, 0.0, 0.5]
    assert "std must be above 0" in refused(document)


def test_a_padded_input_and_its_prompt_space_have_one_aspect(document: dict[str, Any]) -> None:
    document["interactive"]["prompt_space"]["height"] = 128
    assert "must have the aspect of the padded input" in refused(document)
    document["preprocessing"]["fit"] = "stretch"
    parse_manifest(yaml.safe_dump(document))


def test_claimed_capabilities_must_have_their_sections(document: dict[str, Any]) -> None:
    document["capabilities"] = ["concept", "interactive"]
    assert "claims capabilities" in refused(document)


def test_a_manifest_without_a_capability_is_refused(document: dict[str, Any]) -> None:
    del document["interactive"]
    assert "needs a `concept` or an `interactive` section" in refused(document)


def test_a_stage_that_nothing_feeds_is_refused(sam3_document: dict[str, Any]) -> None:
    del sam3_document["stages"]["fusion"]
    reason = refused(sam3_document)
    assert "capability concept" in reason
    assert "stage 'decoder' needs 'memory', which no stage computes" in reason


def test_an_answer_that_no_stage_gives_is_refused(sam3_document: dict[str, Any]) -> None:
    del sam3_document["stages"]["mask_decoder"]["outputs"]["object_score"]
    reason = refused(sam3_document)
    assert "capability interactive" in reason
    assert "object_score" in reason


def test_a_stage_in_use_needs_a_file_that_any_engine_reads(sam3_document: dict[str, Any]) -> None:
    stage = sam3_document["stages"]["fusion"]
    stage["renditions"] = {"cuda": stage.pop("files")}
    reason = refused(sam3_document)
    assert "stage 'fusion' has no file that any engine reads, only renditions for cuda" in reason


def test_stages_that_wait_for_each_other_are_refused(sam3_document: dict[str, Any]) -> None:
    stages = sam3_document["stages"]
    stages["image_trunk"]["inputs"]["fpn0"] = "x"
    assert "wait for each other" in refused(sam3_document)


VIDEO_SECTION = {
    "memory_mask": {"height": 240, "width": 320},
    "object_mask": {"height": 240, "width": 320},
    "cut_at": {"height": 120, "width": 160},
}


def add_video_stages(document: dict[str, Any]) -> None:
    tensors = {
        "mask_prompt": (["object_mask"], ["mask_prompt"]),
        "memory_encoder": (["frame_features", "memory_mask", "object_score"], ["mask_memory"]),
        "memory_attention": (
            ["frame_features", "memories", "memory_ages", "object_pointers", "pointer_ages"],
            ["tracked_embed"],
        ),
        "object_pointer": (["sam_tokens", "object_score"], ["pointers"]),
    }
    for name, sides in tensors.items():
        file = {"path": f"fp32/{name}.onnx", "sha256": SHA, "bytes": 1}
        files = {"fp32": file, "fp16": dict(file)}
        inputs, outputs = ({each: each for each in side} for side in sides)
        document["stages"][name] = {"inputs": inputs, "outputs": outputs, "files": files}
    document["stages"]["tracker_neck"]["outputs"]["frame_features"] = "frame_features"
    document["stages"]["mask_decoder"]["outputs"]["sam_tokens"] = "sam_tokens"
    document["capabilities"].append("video")
    document["video"] = copy.deepcopy(VIDEO_SECTION)


def test_video_stages_are_loaded_and_serve_neither_texts_nor_clicks(
    sam3_document: dict[str, Any],
) -> None:
    before = parse_manifest(yaml.safe_dump(sam3_document, sort_keys=False))
    add_video_stages(sam3_document)
    manifest = parse_manifest(yaml.safe_dump(sam3_document, sort_keys=False))
    assert manifest.capabilities == ("concept", "interactive", "video")
    assert manifest.stages_in_use == before.stages_in_use == tuple(before.stages)
    only_video = ("mask_prompt", "memory_encoder", "memory_attention", "object_pointer")
    assert manifest.video_stages == only_video
    assert manifest.stages_to_load(StagePlan()) == (*before.stages_in_use, *only_video)
    assert parse_manifest(dump_manifest(manifest)) == manifest
    assert manifest.video == VideoSettings(
        ImageSize(240, 320), ImageSize(240, 320), ImageSize(120, 160)
    )


@pytest.mark.parametrize("stage", ["mask_prompt", "memory_encoder", "object_pointer"])
def test_a_video_needs_all_of_its_stages(sam3_document: dict[str, Any], stage: str) -> None:
    add_video_stages(sam3_document)
    del sam3_document["stages"][stage]
    assert "capability video: the answer needs" in refused(sam3_document)


def test_a_bundle_of_sam3_from_before_the_video_section_is_read(
    sam3_document: dict[str, Any],
) -> None:
    add_video_stages(sam3_document)
    del sam3_document["video"]
    manifest = parse_manifest(yaml.safe_dump(sam3_document, sort_keys=False))
    assert manifest.video is not None
    assert manifest.video.memory_mask == ImageSize(96, 128)
    assert manifest.video.cut_at == manifest.preprocessing.size
    del sam3_document["interactive"]["mask_input"]
    assert "export the bundle again" in refused(sam3_document)


@pytest.mark.parametrize("name", ["memories", "prompted", "pointers", "pointer_divisor"])
def test_a_video_section_counts_from_one(sam3_document: dict[str, Any], name: str) -> None:
    add_video_stages(sam3_document)
    sam3_document["video"][name] = 0
    assert name in refused(sam3_document)


def test_what_is_believed_of_a_followed_object_reads_back_equal(
    sam3_document: dict[str, Any],
) -> None:
    add_video_stages(sam3_document)
    believed = {"seen_above": 3.5, "found_above": 5, "farthest": 2, "taken_above": 0.5}
    sam3_document["video"] |= believed
    manifest = parse_manifest(yaml.safe_dump(sam3_document, sort_keys=False))
    video = manifest.video
    assert video is not None
    assert {name: getattr(video, name) for name in believed} == believed
    assert parse_manifest(dump_manifest(manifest)) == manifest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seen_above", -1.0),
        ("found_above", "sure"),
        ("farthest", 0),
        ("farthest", float("nan")),
        ("taken_above", 0),
        ("taken_above", 1.5),
        ("seen_above", float("inf")),
    ],
)
def test_what_can_be_no_limit_of_belief_is_refused_by_its_name(
    sam3_document: dict[str, Any], name: str, value: object
) -> None:
    add_video_stages(sam3_document)
    sam3_document["video"][name] = value
    assert name in refused(sam3_document)


def test_data_files_and_recorded_answers_read_back_equal(document: dict[str, Any]) -> None:
    beside = {"path": "fp32/image.onnx.data", "sha256": SHA, "bytes": 7}
    document["stages"]["image"]["files"]["fp32"]["data"] = [beside]
    document["recorded_answers"] = {"path": "answers.npz", "sha256": SHA, "bytes": 5}
    manifest = parse_manifest(yaml.safe_dump(document))
    assert FileRef(**beside) in manifest.files
    assert manifest.recorded_answers == FileRef("answers.npz", SHA, 5)
    assert manifest.recorded_answers in manifest.files
    assert parse_manifest(dump_manifest(manifest)) == manifest


def test_two_stages_for_one_name_are_refused(sam3_document: dict[str, Any]) -> None:
    sam3_document["stages"]["tracker_neck"]["outputs"]["fpn0"] = "x"
    assert "'fpn0' comes from two stages" in refused(sam3_document)


def test_a_tensor_named_twice_is_refused(sam3_document: dict[str, Any]) -> None:
    sam3_document["stages"]["detector_neck"]["outputs"]["fpn1"] = "fpn0"
    assert "names a tensor twice" in refused(sam3_document)


def test_a_mask_input_needs_its_size_and_a_size_needs_its_input(
    document: dict[str, Any], sam3_document: dict[str, Any]
) -> None:
    sam3_document["interactive"]["mask_input"] = None
    assert "mask_input must be its size" in refused(sam3_document)
    document["interactive"]["mask_input"] = {"height": 8, "width": 8}
    assert "no stage takes mask_input" in refused(document)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be a mapping"),
        ("- 1\n- 2\n", "must be a mapping"),
        ("format: [1", "not plain YAML"),
        ("a: *b", "aliases"),
        ("a: &a [1]\nb: [*a, *a]", "aliases"),
        ("[" * 5000, "not plain YAML|at most 32 levels"),  # libyaml's limit, if it has one
        ("x" * 1_000_001, "at most 1000000 characters"),
        ("format: 1\nformat: 1\n", "twice"),
        ("? [1, 2]\n: 3\n", "not plain YAML"),
        ("!!map [1]", "not plain YAML"),
    ],
    ids=[
        "empty",
        "list",
        "cut short",
        "lost alias",
        "alias",
        "deep",
        "long",
        "doubled",
        "odd key",
        "odd map",
    ],
)
def test_text_that_is_no_manifest_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        parse_manifest(text)


def test_custom_tags_run_nothing(tmp_path: Path, document: dict[str, Any]) -> None:
    trace = tmp_path / "trace"
    text = yaml.safe_dump(document).replace(
        "description: ",
        f'extra: !!python/object/apply:os.system ["touch {trace}"]\ndescription: ',
    )
    assert "os.system" in text
    with pytest.raises(BundleError, match="not plain YAML"):
        parse_manifest(text)
    assert not trace.exists()


def test_reading_a_manifest_loads_no_engine() -> None:
    code = (
        "import sys, sam3_ros.core.bundle.bundle;"
        "sys.exit(any(name in sys.modules for name in ('onnxruntime', 'cv2', 'torch', 'rclpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("place", ["preprocessing", "interactive.prompt_space"])
def test_a_size_takes_no_more_memory_than_a_model_needs(
    document: dict[str, Any], place: str
) -> None:
    section = document
    for step in place.split("."):
        section = section[step]
    section |= {"height": 16384, "width": 1025}
    assert f"{place}: a size has at most 16777216 px, not 16384x1025" in refused(document)
