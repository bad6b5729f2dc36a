"""Arithmetic counted by hand, and by the bench."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graph import OnnxGraph

from sam3_ros.bench.instruments.chain_model import chain_model
from sam3_ros.bench.instruments.graph_work import OPERATORS, GraphWork, count_work
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BundleError

F32 = np.float32


def counted(graph: OnnxGraph, folder: Path, **inputs: tuple[int, ...]) -> GraphWork:
    path = folder / "graph.onnx"
    graph.save(path)
    return count_work(path, inputs)


def test_a_convolution_counts_its_kernel_for_every_output_pixel(tmp_path: Path) -> None:
    graph = OnnxGraph("conv")
    image = graph.input("image", F32, (1, 4, "height", "width"))
    weights = graph.constant(np.zeros((8, 2, 3, 3)))
    value = graph.op("Conv", image, weights, group=2, strides=[2, 2], pads=[1, 1, 1, 1])
    graph.output(value, "out", F32, (1, 8, "h", "w"))
    work = counted(graph, tmp_path, image=(1, 4, 10, 20))
    # 8 channels of 5 x 10 pixels, each of 2 channels (of its group) times 3 x 3
    assert work == GraphWork(2 * 8 * 5 * 10 * 2 * 9, weight_bytes=8 * 2 * 9 * 4)


def test_a_transposed_convolution_counts_it_for_every_input_pixel(tmp_path: Path) -> None:
    graph = OnnxGraph("deconv")
    image = graph.input("image", F32, (1, 4, 5, 6))
    weights = graph.constant(np.zeros((4, 3, 2, 2)))
    value = graph.op("ConvTranspose", image, weights, strides=[2, 2])
    graph.output(value, "out", F32, (1, 3, 10, 12))
    assert counted(graph, tmp_path, image=(1, 4, 5, 6)).flop == 2 * (4 * 5 * 6) * (3 * 2 * 2)


def test_products_count_rows_columns_and_what_they_meet_over(tmp_path: Path) -> None:
    graph = OnnxGraph("products")
    left = graph.input("left", F32, ("batch", "rows", 5))
    right = graph.input("right", F32, ("batch", 5, 7))
    flat = graph.input("flat", F32, ("rows", 5))
    graph.output(graph.op("MatMul", left, right), "matmul", F32, ("batch", "rows", 7))
    graph.output(graph.op("Einsum", left, right, equation="brk,bkc->brc"), "e", F32, (2, 3, 7))
    turned = graph.constant(np.zeros((7, 5)))
    graph.output(graph.op("Gemm", flat, turned, transB=1), "gemm", F32, ("rows", 7))
    work = counted(graph, tmp_path, left=(2, 3, 5), right=(2, 5, 7), flat=(3, 5))
    assert work.flop == 2 * (2 * 3 * 7 * 5) + 2 * (2 * 3 * 7 * 5) + 2 * (3 * 7 * 5)


def test_a_reshape_by_a_computed_shape_is_followed(tmp_path: Path) -> None:
    graph = OnnxGraph("reshape")
    tokens = graph.input("tokens", F32, (1, "length", 6))
    length = graph.op("Slice", graph.op("Shape", tokens), *map(_one(graph), ([1], [2])))
    more = graph.op("Reshape", graph.op("Add", length, graph.constant([3], np.int64)), _neg(graph))
    padded = graph.op("Concat", tokens, graph.constant(np.zeros((1, 3, 6))), axis=1)
    shape = graph.op("Concat", more, graph.constant([2, 3], np.int64), axis=0)
    heads = graph.op("Reshape", padded, shape)
    value = graph.op("MatMul", heads, graph.constant(np.zeros((3, 4))))
    graph.output(value, "out", F32, ("l", 2, 4))
    for count in (0, 1, 5):
        work = counted(graph, tmp_path, tokens=(1, count, 6))
        assert work.unknown == ()
        assert work.flop == 2 * (count + 3) * 2 * 4 * 3


def test_operators_that_cannot_be_counted_are_named(tmp_path: Path) -> None:
    graph = OnnxGraph("unknown")
    mask = graph.input("mask", F32, (4, 6))
    found = graph.cast(graph.op("NonZero", mask))  # [2, as many as there are]
    value = graph.op("MatMul", found, graph.op("Transpose", found, perm=[1, 0]))
    graph.output(value, "out", F32, (2, 2))
    work = counted(graph, tmp_path, mask=(4, 6))
    assert work.flop == 0
    assert [name.split()[0] for name in work.unknown] == ["MatMul"]


def test_attention_counts_scores_and_what_they_weigh() -> None:
    queries, keys, values = (1, 8, 10, 32), (1, 8, 50, 32), (1, 8, 50, 16)
    flop = OPERATORS["Attention"]((queries, keys, values), [(1, 8, 10, 16)], "")
    assert flop == 2 * 8 * 10 * 50 * 32 + 2 * 8 * 10 * 50 * 16


@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_operators_of_onnx_runtime_are_followed(tmp_path: Path, element: int) -> None:
    ours = "com.microsoft"
    nodes = [
        helper.make_node("Gelu", ["tokens"], ["bent"], domain=ours),
        helper.make_node("MatMul", ["bent", "weights"], ["query"]),
        helper.make_node(
            "MultiHeadAttention", ["query", "bent", "bent"], ["seen"], domain=ours, num_heads=2
        ),
        helper.make_node("MatMul", ["seen", "weights"], ["out"]),
    ]
    weights = helper.make_tensor("weights", element, (6, 6), np.zeros(36))
    tokens = helper.make_tensor_value_info("tokens", element, (1, "length", 6))
    out = helper.make_tensor_value_info("out", element, (1, "length", 6))
    graph = helper.make_graph(nodes, "attention", [tokens], [out], [weights])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ours, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "attention.onnx")

    work = count_work(tmp_path / "attention.onnx", {"tokens": (1, 5, 6)})
    assert work.unknown == ()
    assert work.flop == 2 * (2 * 5 * 6 * 6) + 2 * (2 * 5 * 5 * 6)


def test_a_file_that_is_no_model_is_a_bundle_error(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"\xff" * 10)
    with pytest.raises(BundleError, match=r"no\.onnx cannot be read as an ONNX model"):
        count_work(tmp_path / "no.onnx", {})


def test_every_stage_of_the_shipped_model_is_counted_whole() -> None:
    bundle = Bundle.open("tabletop")
    sizes = {"prompt": (1, 17, 96), "prompt_mask": (1, 17), "sparse": (1, 2, 96)}
    sizes |= {"boxes": (1, 0, 4), "box_labels": (1, 0), "box_mask": (1, 0), "queries": (1, 1, 96)}
    sizes |= {"point_coords": (1, 1, 2), "point_labels": (1, 1)}
    for stage in bundle.manifest.stages_in_use:
        path = bundle.stage_file(stage, "fp32")
        inputs = {
            each.name: sizes.get(each.name) or tuple(d.dim_value for d in _sides(each))
            for each in onnx.load(str(path)).graph.input
        }
        if stage == "scoring":
            inputs["queries"] = (1, 32, 96)
        work = count_work(path, inputs)
        assert work.unknown == ()
        assert work.flop > 0


def test_the_chain_of_products_is_a_sound_model_and_counts_as_such(tmp_path: Path) -> None:
    path = tmp_path / "gemm.onnx"
    path.write_bytes(chain_model("MatMul", (16, 16), 3))
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    assert count_work(path, {"a": (16, 16), "b": (16, 16)}).flop == 2 * 16**3 * 3


def _sides(value: onnx.ValueInfoProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(value.type.tensor_type.shape.dim)


def _one(graph: OnnxGraph):
    return lambda number: graph.constant(number, np.int64)


def _neg(graph: OnnxGraph) -> str:
    return graph.constant([-1], np.int64)
