"""Tensors that stay on a device: the same answers, and nothing of them is written again.

The host's own memory takes the place of a GPU's: ONNX Runtime binds it by the same calls. What only
a GPU can show is in test_cuda.py.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends import open_session
from sam3_ros.core.backends.cuda_graphs import MOST_GRAPHS, without_graphs
from sam3_ros.core.backends.device_session import OnnxRuntimeDeviceSession, open_device_session
from sam3_ros.core.backends.providers import PROVIDERS, Provider
from sam3_ros.core.errors import BackendError, InferenceError
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.repair import judge_precision
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import (
    DeviceSession,
    Session,
    SessionOptions,
    Tensor,
)
from sam3_ros.core.stages.shapes import ShapeProfile, SizeRange

PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
PROMPTS: tuple[Prompt, ...] = (
    ConceptPrompt("red cube"),
    InteractivePrompt(points=((320, 240),)),
    ConceptPrompt("mug", exemplars=(Box(300, 200, 380, 260),)),
)
ON_HOST = replace(PROVIDERS["cpu"], replays=lambda options: options.cuda_graphs)
REPLAYED = SessionOptions(threads=1, cuda_graphs=True)


def on_device(path: Path, options: SessionOptions | None = None) -> OnnxRuntimeDeviceSession:
    return OnnxRuntimeDeviceSession(path, ON_HOST, options or SessionOptions(threads=1))


class Devices:
    """An open_session for device sessions; the stages `plain` run on the host."""

    def __init__(self, graphs: bool = False, plain: frozenset[str] = frozenset()) -> None:
        self.sessions: dict[str, Session] = {}
        self._graphs = graphs
        self._plain = plain

    def __call__(self, path: Path, _: str, options: SessionOptions) -> Session:
        options = replace(options, threads=1, cuda_graphs=self._graphs)
        is_plain = path.stem in self._plain
        session = open_session(path, "cpu", options) if is_plain else on_device(path, options)
        self.sessions[path.stem] = session
        return session


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """out = 2 * in, f32[1,n,3]."""
    g = OnnxGraph("doubler")
    value = g.input("in", np.float32, (1, "n", 3))
    g.output(g.scaled(value, 2.0), "out", np.float32, (1, "n", 3))
    return g.save(tmp_path / "doubler.onnx")


def answers(segmenter: Segmenter) -> list[Segment]:
    embedding = segmenter.encode_image(read_rgb(PICTURE))
    return segmenter.ask(embedding, PROMPTS)


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
        assert all(session.graphs > 0 for session in devices.sessions.values()) == graphs


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
    assert on_the_host < 10_000, "what a prompt without boxes adds; the pixels have served"
    assert embedding.nbytes <= other.nbytes


def test_a_stage_reads_what_another_left_on_its_device() -> None:
    handed: dict[str, list[str]] = {}

    class Watching(OnnxRuntimeDeviceSession):
        def run_on_device(self, feeds: dict[str, Tensor]) -> dict[str, Tensor]:
            left = [name for name, value in feeds.items() if not isinstance(value, np.ndarray)]
            handed.setdefault(self._path.stem, left)
            return super().run_on_device(feeds)

    def opened(path: Path, _: str, options: SessionOptions) -> Session:
        return Watching(path, ON_HOST, options)

    with Segmenter.load("tabletop", open_session=opened) as segmenter:
        segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), PROMPTS[:2])

    assert handed["image_trunk"] == []
    assert handed["detector_neck"] == ["trunk_s2", "trunk_s4", "trunk_s8", "trunk_s16"]
    assert handed["decoder"] == ["memory"]
    assert handed["scoring"] == ["queries"]
    assert handed["segmentation"] == ["fpn0", "fpn1", "memory"], (
        "kept queries are picked on the host"
    )
    assert handed["mask_decoder"] == ["sam_embed", "sam_s0", "sam_s1", "sparse", "dense"]


@pytest.mark.parametrize("plain", [{"fusion"}, {"image_trunk", "scoring"}, {"segmentation"}])
def test_stages_on_the_host_and_on_a_device_take_turns(
    plain: set[str], expected: list[Segment]
) -> None:
    devices = Devices(plain=frozenset(plain))
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        assert_same(answers(segmenter), expected)
    for name, session in devices.sessions.items():
        assert isinstance(session, DeviceSession) == (name not in plain)


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


@pytest.mark.parametrize("options", [SessionOptions(threads=1), REPLAYED])
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


@pytest.mark.parametrize("options", [SessionOptions(threads=1), REPLAYED])
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


def test_every_set_of_shapes_has_its_graph_up_to_a_limit(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    for _ in range(2):
        for rows in range(MOST_GRAPHS + 3):
            value = np.random.default_rng(rows).normal(size=(1, rows, 3)).astype(np.float32)
            np.testing.assert_array_equal(session.run({"in": value})["out"], 2 * value)
    assert session.graphs == MOST_GRAPHS


def test_what_has_no_address_runs_without_a_graph(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    for _ in range(3):
        assert session.run({"in": np.zeros((1, 0, 3), np.float32)})["out"].shape == (1, 0, 3)
    assert session.graphs == 0


def test_another_type_is_converted_before_it_is_copied(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    value = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    session.run({"in": value})
    np.testing.assert_array_equal(session.run({"in": value.astype(np.float64)})["out"], 2 * value)


def test_without_graphs_none_is_made(doubler: Path) -> None:
    session = on_device(doubler)
    session.run({"in": np.zeros((1, 2, 3), np.float32)})
    assert session.graphs == 0


def asked_for_graphs(session: OnnxRuntimeDeviceSession, feeds: list[Tensor]) -> list[str]:
    """Runs, and tells by which graph each was to run."""
    asked: list[str] = []
    inner = session._session

    class Recorded:
        def run_with_iobinding(self, binding: object, options: onnxruntime.RunOptions) -> None:
            asked.append(options.get_run_config_entry("gpu_graph_id"))
            inner.run_with_iobinding(binding, options)

        def io_binding(self) -> object:
            return inner.io_binding()

    assert session._replayed is not None
    session._replayed._session = Recorded()
    for value in feeds:
        np.testing.assert_array_equal(session.run({"in": value})["out"], 2 * np.asarray(value))
    session._replayed._session = inner
    return asked


@pytest.mark.parametrize("rows", ["n", 4])
def test_graphs_are_of_the_thread_that_serves(
    tmp_path: Path, rows: str | int, caplog: pytest.LogCaptureFixture
) -> None:
    g = OnnxGraph("doubler")
    g.output(g.scaled(g.input("in", np.float32, (rows, 3)), 2.0), "out", np.float32, (rows, 3))
    session = on_device(g.save(tmp_path / "doubler.onnx"), REPLAYED)
    feeds: list[Tensor] = [np.full((4, 3), value, np.float32) for value in range(3)]

    with without_graphs():
        assert asked_for_graphs(session, feeds) == ["-1"] * 3
    assert session.graphs == 0
    with ThreadPoolExecutor(1, "serving") as serving:
        found = serving.submit(asked_for_graphs, session, feeds).result()
        assert found == (["-1", "1", "1"] if rows == "n" else ["1"] * 3)
        assert session.graphs == 1
        assert not caplog.records
        assert asked_for_graphs(session, feeds) == ["-1"] * 3
        assert caplog.text.count("thread MainThread runs without: thread serving") == 1
        assert serving.submit(asked_for_graphs, session, feeds).result() == ["1"] * 3


def test_the_precision_guard_leaves_the_graphs_to_whoever_serves() -> None:
    devices = Devices(graphs=True)
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        assert judge_precision(segmenter).passed
        assert all(session.graphs == 0 for session in devices.sessions.values())
        answers(segmenter)
        answers(segmenter)
        assert devices.sessions["image_trunk"].graphs > 0


def test_a_closed_session_says_so(doubler: Path) -> None:
    session = on_device(doubler, REPLAYED)
    session.close()
    session.close()
    with pytest.raises(InferenceError, match="closed"):
        session.run_on_device({"in": np.zeros((1, 2, 3), np.float32)})


def test_a_size_that_the_engine_was_not_built_for_is_named(doubler: Path) -> None:
    sizes = (SizeRange(1, 1, 1), SizeRange(1, 2, 4), SizeRange(3, 3, 3))
    session = on_device(doubler, SessionOptions(shapes=ShapeProfile(ranges={"in": sizes})))
    session.run({"in": np.zeros((1, 4, 3), np.float32)})
    with pytest.raises(InferenceError, match="1 to 4 in dimension 1 of in, got 5"):
        session.run({"in": np.zeros((1, 5, 3), np.float32)})


SIZES = (SizeRange(1, 1, 1), SizeRange(1, 2, 4), SizeRange(3, 3, 3))
NO_GRAPHS = "This session cannot use the graph capture feature as requested by the user"
NO_PROFILE = "an input has no associated shape profile"


def refusing(
    *reasons: str, replays: Callable[[SessionOptions], bool] = ON_HOST.replays
) -> tuple[Provider, list[SessionOptions]]:
    """A provider that refuses as often, and what it is asked for."""
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
def test_what_a_file_does_not_allow_is_left_out_and_told(
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
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == len(reasons)
    for reason, line in zip(reasons, told, strict=True):
        assert "doubler.onnx is tried with fewer options" in line and reason in line
    for _ in range(2):
        session.run({"in": np.zeros((1, 4, 3), np.float32)})
    assert isinstance(session, OnnxRuntimeDeviceSession)
    assert (session.graphs > 0) == graphs


def test_what_is_no_fault_of_the_graphs_is_not_tried_without_them(doubler: Path) -> None:
    provider, asked = refusing("CUDA failure 100: no CUDA-capable device is detected")
    with pytest.raises(BackendError, match="no CUDA-capable device"):
        open_device_session(doubler, provider, REPLAYED)
    assert len(asked) == 1


def test_what_no_option_changes_is_refused_at_once(doubler: Path, tmp_path: Path) -> None:
    options = replace(REPLAYED, shapes=ShapeProfile(ranges={"in": SIZES}))
    provider, asked = refusing()
    with pytest.raises(BackendError, match="needs ONNX Runtime's Missing"):
        open_device_session(doubler, replace(provider, name="Missing"), options)
    assert not asked
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(BackendError, match=r"broken.onnx cannot be loaded"):
        open_device_session(broken, provider, options)
    with pytest.raises(BackendError, match=r"lacking.onnx cannot be loaded"):
        open_device_session(tmp_path / "lacking.onnx", provider, options)
    assert len(asked) == 2


def test_graphs_that_come_to_nothing_are_told(
    doubler: Path, caplog: pytest.LogCaptureFixture
) -> None:
    provider, _ = refusing(replays=lambda _: False)
    open_device_session(doubler, provider, REPLAYED)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "doubler.onnx runs without CUDA graphs: backend 'cpu'" in caplog.text


def test_a_file_that_no_attempt_loads_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(BackendError, match=r"bad.onnx cannot be loaded on backend 'cpu'"):
        open_device_session(path, ON_HOST, REPLAYED)
