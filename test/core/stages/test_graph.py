"""The stage graph: what is wanted is computed, once, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from bundles import rewrite_manifest

from sam3_ros.core.backends import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BundleError, InferenceError
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.session import Array, Session, TensorSpec

PIXELS = {"pixel_values": np.zeros((1, 3, 96, 128), np.float32)}


class Runs(list[str]):
    """An observer that notes which stages ran."""

    def __call__(self, stage: str, seconds: float) -> None:
        assert seconds >= 0
        self.append(stage)


def graph_of(path: Path, runs: Runs | None = None, precision: str = "fp32") -> StageGraph:
    bundle = Bundle.open(path)

    def open_stage(stage: StageSpec) -> Session:
        return open_session(bundle.stage_file(stage.name, precision))

    return StageGraph(bundle.manifest.stages.values(), open_stage, runs)


def test_only_what_is_wanted_runs(sam3_bundle_path: Path) -> None:
    runs = Runs()
    graph = graph_of(sam3_bundle_path, runs)
    results = graph.compute(["sam_s0"], PIXELS)
    assert runs == ["image_trunk", "tracker_neck"]
    assert set(results) == {"trunk_features", "sam_s0", "sam_s1", "sam_embed"}
    assert set(graph.providers) == {"image_trunk", "tracker_neck"}, "the rest stays unloaded"


def test_what_is_given_is_not_computed_again(sam3_bundle_path: Path) -> None:
    runs = Runs()
    graph = graph_of(sam3_bundle_path, runs)
    features = graph.compute(["fpn2"], PIXELS)
    runs.clear()
    again = graph.compute(["fpn2", "fpn0"], features)
    assert runs == []
    assert again["fpn2"] is features["fpn2"]


def test_a_given_value_wins_over_a_computed_one(sam3_bundle_path: Path) -> None:
    graph = graph_of(sam3_bundle_path)
    given = np.ones((1, 8, 24, 32), np.float32)
    results = graph.compute(["fpn0", "fpn2"], {**PIXELS, "fpn2": given})
    assert results["fpn2"] is given


def test_a_shared_stage_runs_once_for_two_answers(sam3_bundle_path: Path) -> None:
    runs = Runs()
    graph_of(sam3_bundle_path, runs).compute(["sam_s0", "fpn0"], PIXELS)
    assert sorted(runs) == ["detector_neck", "image_trunk", "tracker_neck"]


def test_names_that_hang_on_the_image_alone(sam3_bundle_path: Path) -> None:
    graph = graph_of(sam3_bundle_path)
    features = {"fpn0", "fpn1", "fpn2", "sam_s0", "sam_s1", "sam_embed"}
    assert graph.derived_from({"pixel_values"}) == {"trunk_features", *features}
    assert graph.derived_from({"input_ids"}) == {"text_features", "text_mask"}


def test_what_each_name_of_the_image_is_kept_for(sam3_bundle_path: Path) -> None:
    features = {"fpn0", "fpn1", "fpn2", "sam_s0", "sam_s1", "sam_embed"}
    assert graph_of(sam3_bundle_path).superseding({"pixel_values"}) == {
        "pixel_values": {"trunk_features"},
        "trunk_features": features,
    }


def test_a_name_that_nothing_provides_is_an_error(sam3_bundle_path: Path) -> None:
    graph = graph_of(sam3_bundle_path)
    with pytest.raises(BundleError, match="the answer needs 'depth'"):
        graph.compute(["depth"], PIXELS)
    with pytest.raises(BundleError, match="stage 'image_trunk' needs 'pixel_values'"):
        graph.compute(["fpn0"], {})


def test_half_precision_comes_back_as_float32(sam3_bundle_path: Path) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 96, 128)).astype(np.float32)
    full = graph_of(sam3_bundle_path).compute(["fpn2"], {"pixel_values": image})
    half = graph_of(sam3_bundle_path, precision="fp16").compute(["fpn2"], {"pixel_values": image})
    assert half["fpn2"].dtype == np.float32
    np.testing.assert_allclose(half["fpn2"], full["fpn2"], atol=0.02)


def test_feeds_are_cast_to_what_the_file_wants(sam3_bundle_path: Path) -> None:
    ids = np.array([[1, 4, 2, 0]], np.int32)
    results = graph_of(sam3_bundle_path).compute(["text_mask"], {"input_ids": ids})
    np.testing.assert_array_equal(results["text_mask"], [[True, True, True, False]])


def test_an_engine_error_is_wrapped_with_its_cause(sam3_bundle_path: Path) -> None:
    graph = graph_of(sam3_bundle_path)
    wrong = {"pixel_values": np.zeros((1, 3, 96, 96), np.float32)}
    with pytest.raises(
        InferenceError, match=r"'image_trunk' failed.*image float32\[1, 3, 96, 96]"
    ) as e:
        graph.compute(["fpn0"], wrong)
    assert e.value.__cause__ is not None
    assert "fpn0" in graph.compute(["fpn0"], PIXELS), "the graph lives on"


def test_all_stages_can_be_loaded_ahead_and_closed(sam3_bundle_path: Path) -> None:
    graph = graph_of(sam3_bundle_path)
    graph.load()
    assert len(graph.providers) == 11
    graph.close()
    assert graph.providers == {}
    with pytest.raises(InferenceError, match="closed"):
        graph.compute(["fpn0"], PIXELS)
    assert graph.providers == {}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("sam_embed: image_embeddings\n    files", "sam_embed: lost\n    files", "output 'lost'"),
        ("pixel_values: x", "pixel_values: y", "input 'y', but the file's inputs are x"),
        ("      point_labels: labels\n", "", r"wants the inputs \['labels'\]"),
        ("sam_masks: masks\n      sam_iou: iou", "sam_masks: iou\n      sam_iou: masks", "4 dim"),
    ],
    ids=["output", "input", "unfed", "rank"],
)
def test_a_file_that_is_not_what_the_manifest_says_is_refused(
    mobile_sam_bundle_path: Path, tmp_path: Path, old: str, new: str, reason: str
) -> None:
    folder = Path(shutil.copytree(mobile_sam_bundle_path, tmp_path / "copy"))
    rewrite_manifest(folder, old, new)
    with pytest.raises(BundleError, match=reason):
        graph_of(folder).load()


class BrokenSession:
    """A session whose tensors are not what a stage names, and that knows if it was closed."""

    provider = "NoProvider"
    outputs: Mapping[str, TensorSpec] = {}
    inputs: Mapping[str, TensorSpec] = {}
    closed = False

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:  # noqa: ARG002
        raise AssertionError("must not run")

    def close(self) -> None:
        self.closed = True


def test_a_refused_session_is_closed() -> None:
    session = BrokenSession()
    graph = StageGraph([StageSpec("image", {}, {"fpn0": "x"})], lambda _: session)
    with pytest.raises(BundleError, match="outputs are none"):
        graph.load()
    assert session.closed
    assert graph.providers == {}
