"""Which sizes an engine is built for, and what is read of a file for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError, InferenceError
from sam3_ros.core.stages.shapes import ShapeProfile, SizeRange, model_tensors, shape_profile

TABLETOP = Bundle.open("tabletop")


def doubler(path: Path, shape: tuple[int | str | None, ...], name: str = "value") -> Path:
    g = OnnxGraph("doubler")
    value = g.input(name, np.float32, shape)
    g.output(g.scaled(value, 2.0), "out", np.float32, shape)
    return g.save(path)


def test_what_is_read_of_every_shipped_file_is_what_the_engine_says() -> None:
    for stage in TABLETOP.manifest.stages:
        path = TABLETOP.stage_file(stage, "fp32")
        session = onnxruntime.InferenceSession(str(path))
        found = model_tensors(path)
        assert dict(found.inputs) == {i.name: tuple(i.shape) for i in session.get_inputs()}
        assert list(found.outputs) == [o.name for o in session.get_outputs()]


def test_dimensions_are_numbers_or_names(tmp_path: Path) -> None:
    path = doubler(tmp_path / "d.onnx", (1, "rows", 3, 70000))
    assert model_tensors(path).inputs == {"value": (1, "rows", 3, 70000)}


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x08\x08" * 40, b"\xff" * 100, b"\x3a\xff\x01abc"]
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"bad.onnx is no ONNX model"):
        model_tensors(path)


def test_a_model_cut_short_is_refused(tmp_path: Path) -> None:
    path = doubler(tmp_path / "d.onnx", (1, 3))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(BackendError, match="no ONNX model"):
        model_tensors(path)


@pytest.mark.parametrize(
    ("tensor", "shape", "ranges"),
    [
        # By the dimension's name, whatever the tensor is called.
        ("x", ("prompts", "tokens", 256), [(1, 1), (2, 112), (256, 256)]),
        ("x", (1, "kept", 256), [(1, 1), (1, 200), (256, 256)]),
        # By the tensor, where the name says nothing.
        ("prompt", (1, "s10", 96), [(1, 1), (2, 112), (96, 96)]),
        ("memory", ("prompts", 36, 96), [(1, 4), (36, 36), (96, 96)]),
        ("boxes", ("s1", "s20", 4), [(1, 1), (0, 32), (4, 4)]),
        ("point_labels", (1, "s55"), [(1, 1), (1, 66)]),
    ],
)
def test_open_dimensions_have_ranges(
    tmp_path: Path,
    tensor: str,
    shape: tuple[int | str, ...],
    ranges: list[tuple[int, int]],
) -> None:
    profile = shape_profile(doubler(tmp_path / "d.onnx", shape, tensor), {})
    assert [(size.least, size.most) for size in profile.ranges[tensor]] == ranges
    assert not profile.is_fixed


def test_a_files_own_names_stand_for_the_canonical_ones(tmp_path: Path) -> None:
    path = doubler(tmp_path / "d.onnx", (1, "n", 2), "clicks")
    assert not shape_profile(path, {}).ranges
    profile = shape_profile(path, {"clicks": "point_coords"})
    assert profile.ranges["clicks"][1] == SizeRange(1, 2, 66)


def test_fixed_shapes_need_no_ranges(tmp_path: Path) -> None:
    profile = shape_profile(doubler(tmp_path / "d.onnx", (1, 3)), {})
    assert profile.is_fixed
    assert not profile.ranges


@pytest.mark.parametrize(("name", "shape"), [("x", (1, "depth")), ("image", ("rows", 9, 3))])
def test_a_size_nobody_knows_leaves_all_to_the_engine(
    tmp_path: Path, name: str, shape: tuple[int | str, ...]
) -> None:
    profile = shape_profile(doubler(tmp_path / "d.onnx", shape, name), {})
    assert not profile.ranges
    assert not profile.is_fixed


@pytest.mark.parametrize(("rows", "fits"), [(0, False), (1, True), (4, True), (5, False)])
def test_what_is_outside_is_refused_with_the_range(rows: int, fits: bool) -> None:
    profile = ShapeProfile(ranges={"x": (SizeRange(1, 2, 4), SizeRange(3, 3, 3))})
    shapes = {"x": (rows, 3), "free": (1000,)}
    if fits:
        profile.require(shapes)
        return
    with pytest.raises(InferenceError, match=f"1 to 4 in dimension 0 of x, got {rows}"):
        profile.require(shapes)


@pytest.mark.parametrize("sizes", [(2, 1, 3), (-1, 0, 1), (1, 3, 2)])
def test_a_range_grows(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must grow"):
        SizeRange(*sizes)
