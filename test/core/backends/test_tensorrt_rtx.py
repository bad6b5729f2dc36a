"""What TensorRT for RTX is asked for, tested without a card: options, sizes, and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.core.backends import engine_cache, open_session
from sam3_ros.core.backends.engine_cache import EngineCache, StageModel, engine_key
from sam3_ros.core.backends.machine import engine_versions
from sam3_ros.core.backends.providers import PROVIDERS, tensorrt_rtx_request
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.core.stages.session import EngineFolder, Session, SessionOptions
from sam3_ros.core.stages.shapes import ShapeProfile, SizeRange

TABLETOP = Bundle.open("tabletop")
STAGE = "decoder"

ONE, SOME = SizeRange(1, 1, 1), SizeRange(0, 1, 32)
BOXES = ShapeProfile(ranges={"boxes": (ONE, SOME, SizeRange(4, 4, 4)), "mask": (ONE, SOME)})


def asked(options: SessionOptions) -> dict[str, str]:
    ((name, given),) = tensorrt_rtx_request(options)
    assert name == PROVIDERS["tensorrt_rtx"].name == "NvTensorRTRTXExecutionProvider"
    return given


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_it_computes_as_the_file_says_on_the_device_of_its_session(precision: str) -> None:
    assert asked(SessionOptions(file_precision=precision, device_id=2)) == {}


def test_it_gets_the_sizes_to_come() -> None:
    assert asked(SessionOptions(shapes=BOXES)) == {
        "nv_profile_min_shapes": "boxes:1x0x4,mask:1x0",
        "nv_profile_opt_shapes": "boxes:1x1x4,mask:1x1",
        "nv_profile_max_shapes": "boxes:1x32x4,mask:1x32",
    }


@pytest.mark.parametrize("shapes", [None, BOXES, ShapeProfile(is_fixed=True)])
def test_it_captures_graphs_of_any_shapes_where_it_is_asked_to(shapes: ShapeProfile | None) -> None:
    for graphs in (False, True):
        options = SessionOptions(cuda_graphs=graphs, shapes=shapes)
        assert (asked(options).get("enable_cuda_graph") == "1") == graphs
        assert PROVIDERS["tensorrt_rtx"].replays(options) == graphs


def test_compiled_kernels_are_kept_in_the_given_folder(tmp_path: Path) -> None:
    folder = EngineFolder(tmp_path / "engine", "text", tmp_path / "timings")
    assert asked(SessionOptions(engines=folder)) == {
        "nv_runtime_cache_path": str(tmp_path / "engine")
    }


def test_no_option_is_unknown_to_the_plugin(tmp_path: Path) -> None:
    known = {
        # As tensorrt_rtx_provider_options.h of version 0.5.0 lists them.
        "enable_cuda_graph", "nv_runtime_cache_path",
        "nv_profile_min_shapes", "nv_profile_opt_shapes", "nv_profile_max_shapes",
    }  # fmt: skip
    folder = EngineFolder(tmp_path, "text", tmp_path)
    every = SessionOptions(cuda_graphs=True, shapes=BOXES, engines=folder, file_precision="fp16")
    assert set(asked(every)) == known


def test_every_stage_is_opened_with_its_sizes() -> None:
    given: dict[str, SessionOptions] = {}

    def remember(path: Path, _: str, options: SessionOptions) -> Session:
        given[path.stem] = options
        return open_session(path, "cpu")

    Segmenter.load(TABLETOP, "tensorrt_rtx", open_session=remember).close()

    fixed = {name for name, options in given.items() if options.shapes.is_fixed}
    assert fixed == {"image_trunk", "detector_neck", "tracker_neck", "text"}
    for name, options in given.items():
        assert bool(options.shapes.ranges) == (name not in fixed)


def stage_model() -> StageModel:
    path = TABLETOP.stage_file(STAGE, "fp32")
    sha256 = TABLETOP.manifest.stages[STAGE].files["fp32"].sha256
    return StageModel(path, "tabletop", STAGE, "fp32", (sha256,), path.stat().st_size, (64, 64))


class Compiler:
    """An open_session whose sessions write what they compiled when they are closed."""

    def __init__(self) -> None:
        self.found: list[list[str]] = []

    def __call__(self, path: Path, _: str, options: SessionOptions) -> Session:
        assert options.engines is not None
        folder = options.engines.path
        self.found.append([each.name for each in folder.iterdir()])
        session = open_session(path, "cpu", SessionOptions(threads=1))
        close = session.close

        def write_and_close() -> None:
            (folder / "graph_0.cache").write_bytes(b"kernels")
            close()

        session.close = write_and_close
        return session


def test_what_is_written_when_a_session_closes_is_found_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = Compiler()
    for versions in ({"plugin": "0.5.0"}, {"plugin": "0.5.0"}, {"plugin": "0.6.0"}):
        monkeypatch.setattr(engine_cache, "engine_versions", lambda _, v=versions: v)
        cache = EngineCache(tmp_path, compiler)
        cache.open(stage_model(), "tensorrt_rtx", SessionOptions()).close()
    assert compiler.found == [[], ["graph_0.cache"], []], "not those of another version"
    assert not list(tmp_path.glob("timings-*")), "it keeps no timings"


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt_rtx"])
def test_what_is_written_after_the_close_is_damage_only_where_none_is_written_then(
    tmp_path: Path, backend: str
) -> None:
    """A kept embedding holds the session that made it, and TensorRT for RTX writes at its end."""
    compiler = Compiler()
    cache = EngineCache(tmp_path, compiler)
    cache.open(stage_model(), backend, SessionOptions()).close()
    (written,) = tmp_path.glob("*/engine/graph_0.cache")
    written.write_bytes(b"more kernels")
    cache.open(stage_model(), backend, SessionOptions()).close()
    assert compiler.found == [[], ["graph_0.cache"] if backend == "tensorrt_rtx" else []]


def test_a_key_tells_the_plugin_and_no_library_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "sam3_ros.core.backends.machine.library_versions", lambda: {"libnvinfer": "1"}
    )
    assert "libnvinfer" in engine_versions("cuda")
    assert "libnvinfer" not in engine_versions("tensorrt_rtx")
    key = engine_key(stage_model(), "tensorrt_rtx", SessionOptions(shapes=BOXES))
    ((name, options),) = key["options"]
    assert key["provider"] == name == "NvTensorRTRTXExecutionProvider"
    assert options["nv_profile_max_shapes"] == "boxes:1x32x4,mask:1x32"


def test_bf16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrecisionError, match="backend 'tensorrt_rtx' cannot compute in bf16"):
        open_session(tmp_path / "none.onnx", "tensorrt_rtx", SessionOptions(compute="bf16"))


def test_it_takes_the_files_that_were_written_for_tensorrt() -> None:
    assert StageChoice("tensorrt_rtx", "fp16").renditions == ("tensorrt", "portable")
