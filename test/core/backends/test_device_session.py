"""Tensors that stay on a device: the same answers, few copies, and nothing kept is overwritten.

The host's own memory takes the place of a GPU's: ONNX Runtime binds it by the same calls. What only
a GPU can show is in test_cuda.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from device_sessions import ON_HOST, PLAIN, REPLAYED, Devices, doubler_file, on_device
from onnx_graph import OnnxGraph

from sam3_ros.core.backends import open_session
from sam3_ros.core.backends.device_session import open_device_session
from sam3_ros.core.backends.providers import Provider
from sam3_ros.core.errors import BackendError, InferenceError
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.core.stages.session import SessionOptions
from sam3_ros.core.stages.shapes import ShapeProfile, SizeRange

PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
PROMPTS: tuple[Prompt, ...] = (
    ConceptPrompt("red cube"),
    InteractivePrompt(points=((390, 225),)),
    ConceptPrompt("mug", exemplars=(Box(356, 196, 422, 259),)),
)


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """Write the model out = 2 * in, f32[1,n,3]."""
    return doubler_file(tmp_path / "doubler.onnx")


def answers(segmenter: Segmenter) -> list[Segment]:
    embedding = segmenter.encode_image(read_rgb(PICTURE))
    return list(segmenter.ask(embedding, PROMPTS))


@pytest.fixture(scope="module")
def expected() -> list[Segment]:
    with Segmenter.load("tabletop", threads=1) as segmenter:
        return answers(segmenter)


def assert_same(found: list[Segment], expected: list[Segment]) -> None:
    assert len(found) == len(expected) > 1
    for one, other in zip(found, expected, strict=True):
        assert (one.prompt_id, one.score, one.box) == (other.prompt_id, other.score, other.box)
        np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize("graphs", [False, True])
def test_a_chain_on_a_device_answers_as_on_the_host(graphs: bool, expected: list[Segment]) -> None:
    devices = Devices(graphs)
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        for _ in range(3):  # with graphs: run, capture, replay
            assert_same(answers(segmenter), expected)
        used = segmenter.bundle.manifest.stages_in_use
        assert {devices.on_device[stage].graphs > 0 for stage in used} == {graphs}


@pytest.mark.parametrize("plain", [{"fusion"}, {"image_trunk", "scoring"}, {"segmentation"}])
def test_stages_on_the_host_and_on_a_device_take_turns(
    plain: set[str], expected: list[Segment]
) -> None:
    devices = Devices(plain=frozenset(plain))
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        assert_same(answers(segmenter), expected)
    assert devices.on_device
    assert not plain.intersection(devices.on_device)


def test_only_prompts_and_answers_cross_between_host_and_device() -> None:
    devices = Devices()
    traffic = devices.traffic
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        embedding = segmenter.encode_image(read_rgb(PICTURE))
        segmenter.ask(embedding, PROMPTS[:2])
        of_the_image = {"image_trunk", "detector_neck", "tracker_neck"}
        assert [each for each in traffic.to_device if each[0] in of_the_image] == [
            ("image_trunk", "pixel_values")
        ]
        assert {stage for stage, _ in traffic.to_host} == {
            "text", "geometry",  # joined to one prompt on the host
            "decoder", "scoring", "segmentation", "mask_decoder",
        }  # fmt: skip
        assert len(traffic.to_host) == len(set(traffic.to_host)), "none is copied twice"

        traffic.to_device.clear()
        traffic.to_host.clear()
        segmenter.ask(embedding, PROMPTS[:2])

    assert not {*of_the_image, "text", "geometry"}.intersection(
        stage for stage, _ in (*traffic.to_device, *traffic.to_host)
    ), "what was computed before is used where it is"
    assert {name for _, name in traffic.to_host} == {
        "queries", "pred_boxes", "presence", "logits", "masks",
        "sam_masks", "sam_iou", "object_score",
    }  # fmt: skip


def test_a_stage_reads_in_place_what_another_left_on_its_device() -> None:
    devices = Devices()
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), PROMPTS[:2])

    read = devices.traffic.read_in_place
    assert read("image_trunk") == set()
    assert read("detector_neck") == {"trunk_s2", "trunk_s4", "trunk_s8", "trunk_s16"}
    assert read("decoder") == {"memory"}
    assert read("scoring") == {"queries"}
    assert read("segmentation") == {"fpn0", "fpn1", "memory"}, "the host picks the kept queries"
    assert read("mask_decoder") == {"sam_embed", "sam_s0", "sam_s1", "sparse", "dense"}


def test_features_stay_where_they_were_computed() -> None:
    with Segmenter.load("tabletop", open_session=Devices()) as segmenter:
        embedding = segmenter.encode_image(read_rgb(PICTURE))
        assert embedding.device_nbytes == 0
        segmenter.ask(embedding, PROMPTS)
        held = embedding.device_nbytes
        on_the_host = embedding.nbytes - held

    with Segmenter.load("tabletop", threads=1) as plain:
        other = plain.encode_image(read_rgb(PICTURE))
        plain.ask(other, PROMPTS)
    assert held > 1_000_000
    assert other.device_nbytes == 0
    assert on_the_host < 10_000, "only what a prompt without boxes adds; the pixels are gone"
    assert embedding.nbytes <= other.nbytes


def test_what_is_wanted_is_an_array_also_from_what_was_given(sam3_bundle_path: Path) -> None:
    with Segmenter.load(sam3_bundle_path, open_session=Devices()) as segmenter:
        graph = segmenter.graph
        pixels = {"pixel_values": np.zeros((1, 3, 96, 128), np.float32)}
        computed = graph.compute(["fpn2"], pixels)
        assert isinstance(computed["fpn2"], np.ndarray)
        assert not isinstance(computed["fpn0"], np.ndarray)
        again = graph.compute(["fpn0"], computed)
        assert isinstance(again["fpn0"], np.ndarray)


def test_half_precision_stays_half_on_the_device(sam3_bundle_path: Path) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 96, 128)).astype(np.float32)
    found = {}
    for name, opener in (("host", open_session), ("device", Devices())):
        loaded = Segmenter.load(sam3_bundle_path, precision="fp16", open_session=opener)
        with loaded as segmenter:
            computed = segmenter.graph.compute(["fpn2"], {"pixel_values": image})
            found[name] = computed["fpn2"]
    assert computed["trunk_features"].dtype == np.float16
    assert found["device"].dtype == np.float32
    np.testing.assert_array_equal(found["device"], found["host"])


def test_a_tensor_of_another_type_goes_through_the_host_and_is_reported_once(
    sam3_bundle_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 96, 128)).astype(np.float32)
    plan = StagePlan(StageChoice("cpu", "fp16")).changed(["detector_neck"], StageChoice())
    found = {}
    for name, opener in (("host", open_session), ("device", Devices())):
        with Segmenter.load(sam3_bundle_path, plan=plan, open_session=opener) as segmenter:
            for _ in range(2):
                found[name] = segmenter.graph.compute(["fpn2"], {"pixel_values": image})["fpn2"]
    np.testing.assert_array_equal(found["device"], found["host"])
    (record,) = [each for each in caplog.records if "goes through the host" in each.getMessage()]
    assert "stage detector_neck reads" in record.getMessage()
    assert "as float32, and has it on cpu:0 as float16" in record.getMessage()


@pytest.mark.parametrize("graphs", [False, True])
def test_a_stage_that_fails_is_named_and_the_next_run_answers(
    sam3_bundle_path: Path, graphs: bool
) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 96, 128)).astype(np.float32)
    wrong = np.zeros((1, 3, 96, 96), np.float32)
    with Segmenter.load(sam3_bundle_path, open_session=Devices(graphs)) as segmenter:
        graph = segmenter.graph
        right = graph.compute(["fpn2"], {"pixel_values": image})["fpn2"]
        for _ in range(3):  # with graphs: before, while and after they are captured
            with pytest.raises(InferenceError, match=r"'image_trunk' failed.*\[1, 3, 96, 96]") as e:
                graph.compute(["fpn2"], {"pixel_values": wrong})
            assert e.value.stage == "image_trunk"
            found = graph.compute(["fpn2"], {"pixel_values": image})["fpn2"]
            np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("options", [PLAIN, REPLAYED])
def test_what_is_not_contiguous_lasts_as_long_as_the_run(
    tmp_path: Path, options: SessionOptions
) -> None:
    g = OnnxGraph("sums")
    first, second = (g.input(name, np.float32, ("n", 1024)) for name in ("first", "second"))
    summed = [g.op("CumSum", value, g.constant(0, np.int64)) for value in (first, second)]
    g.output(g.op("Sub", *summed), "out", np.float32, ("n", 1024))
    session = on_device(g.save(tmp_path / "sums.onnx"), options)
    draws = np.random.default_rng(0)
    for rows in (1024, 2048, 1024):  # with graphs: the first of each shape is not replayed
        one, other = draws.integers(-9, 9, (2, 1024, rows)).astype(np.float32)
        found = session.run({"first": one.T, "second": other.T})["out"]
        np.testing.assert_array_equal(found, np.cumsum(one.T - other.T, axis=0))


@pytest.mark.parametrize("options", [PLAIN, REPLAYED])
def test_an_answer_outlives_the_next_runs_and_the_session(
    doubler: Path, options: SessionOptions
) -> None:
    session = on_device(doubler, options)
    feeds = [np.full((1, 4, 3), value, np.float32) for value in range(5)]
    kept = [session.run_on_device({"in": value})["out"] for value in feeds]
    chained = [session.run_on_device({"in": value})["out"] for value in kept]
    session.close()
    for value, once, twice in zip(feeds, kept, chained, strict=True):
        np.testing.assert_array_equal(once.numpy(), 2 * value)
        np.testing.assert_array_equal(twice.numpy(), 4 * value)
        assert (once.shape, once.nbytes, once.device) == ((1, 4, 3), 48, "cpu:0")


def test_a_closed_session_says_so(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    session.close()
    session.close()
    with pytest.raises(InferenceError, match="closed"):
        session.run_on_device({"in": np.zeros((1, 2, 3), np.float32)})


SIZES = (SizeRange(1, 1, 1), SizeRange(1, 2, 4), SizeRange(3, 3, 3))


def test_a_size_that_the_engine_was_not_built_for_is_named(doubler: Path) -> None:
    session = on_device(doubler, SessionOptions(shapes=ShapeProfile(ranges={"in": SIZES})))
    session.run({"in": np.zeros((1, 4, 3), np.float32)})
    with pytest.raises(InferenceError, match="1 to 4 in dimension 1 of in, got 5"):
        session.run({"in": np.zeros((1, 5, 3), np.float32)})


NO_GRAPHS = "This session cannot use the graph capture feature as requested by the user"
NO_PROFILE = "an input has no associated shape profile"


def refusing(
    *reasons: str, replays: Callable[[SessionOptions], bool] = ON_HOST.replays
) -> tuple[Provider, list[SessionOptions]]:
    """Return a provider that refuses once for each reason, and the options it was asked with."""
    asked: list[SessionOptions] = []

    def request(options: SessionOptions) -> list[tuple[str, dict[str, str]]]:
        asked.append(options)
        if len(asked) <= len(reasons):
            raise RuntimeError(reasons[len(asked) - 1])
        return [("CPUExecutionProvider", {})]

    return replace(ON_HOST, request=request, replays=replays), asked


@pytest.mark.parametrize(
    ("reasons", "graphs", "shapes"),
    [
        ((), True, True),
        ((NO_GRAPHS,), False, True),
        ((NO_PROFILE,), True, False),
        ((NO_GRAPHS, NO_PROFILE), False, False),
    ],
)
def test_an_option_that_is_refused_is_left_out_with_a_warning(
    doubler: Path,
    reasons: tuple[str, ...],
    graphs: bool,
    shapes: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider, asked = refusing(*reasons)
    options = SessionOptions(cuda_graphs=True, shapes=ShapeProfile(ranges={"in": SIZES}))
    session = open_device_session(doubler, provider, options)
    assert len(asked) == len(reasons) + 1
    assert (asked[-1].cuda_graphs, asked[-1].shapes is not None) == (graphs, shapes)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == len(reasons)
    for reason, line in zip(reasons, warned, strict=True):
        assert "doubler.onnx is tried with fewer options" in line and reason in line
    for _ in range(2):
        session.run({"in": np.zeros((1, 4, 3), np.float32)})
    assert (session.graphs > 0) == graphs


def test_an_error_that_is_not_about_graphs_is_not_retried_without_them(doubler: Path) -> None:
    provider, asked = refusing("CUDA failure 100: no CUDA-capable device is detected")
    with pytest.raises(BackendError, match="no CUDA-capable device"):
        open_device_session(doubler, provider, REPLAYED)
    assert len(asked) == 1


def test_an_error_that_no_option_changes_is_raised_at_once(doubler: Path, tmp_path: Path) -> None:
    options = replace(REPLAYED, shapes=ShapeProfile(ranges={"in": SIZES}))
    provider, asked = refusing()
    with pytest.raises(BackendError, match="needs ONNX Runtime's Missing"):
        open_device_session(doubler, replace(provider, name="Missing"), options)
    assert not asked
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(BackendError, match=r"broken.onnx cannot be loaded on backend 'cpu'"):
        open_device_session(broken, provider, options)
    with pytest.raises(BackendError, match=r"lacking.onnx cannot be loaded"):
        open_device_session(tmp_path / "lacking.onnx", provider, options)
    assert len(asked) == 2


def test_graphs_that_the_backend_does_not_replay_are_reported(
    doubler: Path, caplog: pytest.LogCaptureFixture
) -> None:
    provider, _ = refusing(replays=lambda _: False)
    open_device_session(doubler, provider, REPLAYED)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "doubler.onnx runs without CUDA graphs: backend 'cpu'" in caplog.text
