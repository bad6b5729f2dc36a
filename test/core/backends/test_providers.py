"""What ONNX Runtime is asked for on a GPU, tested without one: options and their values."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from sam3_ros.core.backends import open_session
from sam3_ros.core.backends.onnxruntime_session import OnnxRuntimeSession
from sam3_ros.core.backends.providers import PROVIDERS, cuda_request, tensorrt_request
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.core.stages.session import EngineFolder, Session, SessionOptions
from sam3_ros.core.stages.shapes import ShapeProfile, SizeRange

TABLETOP = Bundle.open("tabletop")

ONE, SOME = SizeRange(1, 1, 1), SizeRange(0, 1, 32)
BOXES = ShapeProfile(ranges={"boxes": (ONE, SOME, SizeRange(4, 4, 4)), "mask": (ONE, SOME)})


def tensorrt(options: SessionOptions) -> dict[str, str]:
    (name, asked), (behind, cuda) = tensorrt_request(options)
    assert (name, behind) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    plain = SessionOptions(device_id=options.device_id, file_precision=options.file_precision)
    assert cuda == dict(cuda_request(plain))[behind]
    return asked


@pytest.mark.parametrize(
    ("file_precision", "compute", "tf32", "search"),
    [
        ("fp32", "stored", "0", "EXHAUSTIVE"),
        ("fp32", "tf32", "1", "HEURISTIC"),
        ("fp16", "stored", "1", "HEURISTIC"),
    ],
)
def test_cuda_rounds_products_of_fp32_only_where_it_may(
    file_precision: str, compute: str, tf32: str, search: str
) -> None:
    options = SessionOptions(device_id=2, file_precision=file_precision, compute=compute)
    ((name, asked),) = cuda_request(options)
    assert name == "CUDAExecutionProvider"
    assert asked == {
        "device_id": "2",
        "use_tf32": tf32,
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": search,
    }


def test_sessions_compute_in_the_stream_that_they_are_given() -> None:
    options = SessionOptions(stream=0x7F01_2345_6789)
    for _, asked in (*cuda_request(options), *tensorrt_request(options)):
        assert asked["user_compute_stream"] == str(0x7F01_2345_6789)
    assert PROVIDERS["cuda"].takes_stream and PROVIDERS["tensorrt"].takes_stream
    for _, asked in (*cuda_request(SessionOptions()), *tensorrt_request(SessionOptions())):
        assert "user_compute_stream" not in asked


def test_cuda_captures_graphs_only_where_it_is_asked_to() -> None:
    ((_, asked),) = cuda_request(SessionOptions(cuda_graphs=True))
    assert asked["enable_cuda_graph"] == "1"


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_tensorrt_may_halve_only_what_is_stored_in_half(precision: str) -> None:
    asked = tensorrt(SessionOptions(file_precision=precision))
    halving = {"trt_fp16_enable": "True", "trt_layer_norm_fp32_fallback": "True"}
    assert asked == {"device_id": "0", **(halving if precision == "fp16" else {})}


def test_tensorrt_gets_the_sizes_to_come() -> None:
    asked = tensorrt(SessionOptions(shapes=BOXES))
    assert asked["trt_profile_min_shapes"] == "boxes:1x0x4,mask:1x0"
    assert asked["trt_profile_opt_shapes"] == "boxes:1x1x4,mask:1x1"
    assert asked["trt_profile_max_shapes"] == "boxes:1x32x4,mask:1x32"


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize(
    ("shapes", "can"), [(None, False), (BOXES, False), (ShapeProfile(is_fixed=True), True)]
)
def test_tensorrt_captures_a_graph_only_of_fixed_shapes(
    graphs: bool, shapes: ShapeProfile | None, can: bool
) -> None:
    options = SessionOptions(cuda_graphs=graphs, shapes=shapes)
    assert ("trt_cuda_graph_enable" in tensorrt(options)) == (graphs and can)
    assert PROVIDERS["tensorrt"].replays(options) == (graphs and can)


def test_engines_and_timings_are_kept_in_the_given_folders(tmp_path: Path) -> None:
    asked = tensorrt(SessionOptions(engines=EngineFolder(tmp_path / "e", "text", tmp_path / "t")))
    assert asked["trt_engine_cache_path"] == str(tmp_path / "e")
    assert asked["trt_timing_cache_path"] == str(tmp_path / "t")
    assert asked["trt_engine_cache_enable"] == asked["trt_timing_cache_enable"] == "True"


@pytest.mark.parametrize("backend", ["cuda", "tensorrt"])
def test_no_option_is_unknown_to_the_oldest_supported_onnx_runtime(
    backend: str, tmp_path: Path
) -> None:
    every = SessionOptions(
        cuda_graphs=True,
        file_precision="fp16",
        stream=1,
        shapes=BOXES,
        engines=EngineFolder(tmp_path, "text", tmp_path),
    )
    known = {
        # As onnxruntime-gpu 1.20.2 and 1.31.1 spell them in their provider libraries.
        "device_id", "use_tf32", "arena_extend_strategy", "cudnn_conv_algo_search",
        "enable_cuda_graph", "trt_fp16_enable", "trt_layer_norm_fp32_fallback",
        "trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes",
        "trt_engine_cache_enable", "trt_engine_cache_path", "trt_engine_cache_prefix",
        "trt_timing_cache_enable", "trt_timing_cache_path", "trt_cuda_graph_enable",
        "user_compute_stream",
    }  # fmt: skip
    for _, asked in PROVIDERS[backend].request(every):
        assert set(asked) <= known


@pytest.mark.parametrize("backend", ["cuda", "tensorrt"])
def test_every_stage_is_opened_with_what_its_file_is(backend: str) -> None:
    asked: dict[str, SessionOptions] = {}

    def remember(path: Path, _: str, options: SessionOptions) -> Session:
        asked[path.stem] = options
        return open_session(path, "cpu")

    loaded = Segmenter.load(TABLETOP, backend, open_session=remember, cuda_graphs=True)
    loaded.close()

    assert all(options.cuda_graphs for options in asked.values())
    assert {options.file_precision for options in asked.values()} == {"fp32"}
    if backend == "cuda":
        assert {options.shapes for options in asked.values()} == {None}
        return
    fixed = {name for name, options in asked.items() if options.shapes.is_fixed}
    assert fixed == {"image_trunk", "detector_neck", "tracker_neck", "text"}
    for name, options in asked.items():
        assert bool(options.shapes.ranges) == (name not in fixed), "all sizes are known"


def test_graphs_without_a_gpu_are_refused() -> None:
    with pytest.raises(BackendError, match="all stages are to run on cpu fp32: leave it off"):
        Segmenter.load(TABLETOP, cuda_graphs=True)


def test_a_plan_of_several_precisions_gives_each_stage_its_own(sam3_bundle_path: Path) -> None:
    asked: dict[str, str] = {}

    def remember(path: Path, _: str, options: SessionOptions) -> Session:
        asked[path.stem] = options.file_precision
        return open_session(path, "cpu")

    stage = next(iter(Bundle.open(sam3_bundle_path).manifest.stages_in_use))
    plan = StagePlan(StageChoice(), {stage: StageChoice("cpu", "fp16")})
    Segmenter.load(sam3_bundle_path, plan=plan, open_session=remember).close()
    assert {name for name, precision in asked.items() if precision == "fp16"} == {stage}


def test_an_option_that_this_onnx_runtime_lacks_says_which_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError('Unknown provider option: "use_tf32".')

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    path = TABLETOP.stage_file("scoring", "fp32")
    with pytest.raises(BackendError, match=r"use_tf32.*lacks options that 1\.20 has: install"):
        OnnxRuntimeSession(path, PROVIDERS["cpu"], SessionOptions())
