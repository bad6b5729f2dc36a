"""Half precision and eight bits: valid graphs, correct results, and no unnoticed loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from onnx_graph import OnnxGraph

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ExportError, VerificationError
from sam3_ros.core.precision.difference import AnswerDifference
from sam3_ros.core.precision.limits import LEAST_MASK_IOU
from sam3_ros.core.precision.questions import standard_images
from sam3_ros.core.precision.recorded import RecordedAnswers, answer_all
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Session
from sam3_ros.core.stages.session_wrapper import WrappedSession
from sam3_ros.export.precision.figures import (
    EndToEndFigures,
    PrecisionFigures,
    StageFigures,
    compare_stage,
    judge,
)
from sam3_ros.export.precision.fp16 import convert_to_fp16
from sam3_ros.export.precision.int8 import CLOSE_TO_ANSWERS, convert_to_int8
from sam3_ros.export.precision.model_file import load_flat, save
from sam3_ros.export.precision.rounding import measured_graph, rounded_as_on_gpu

pytestmark = pytest.mark.long

TABLETOP = Bundle.open("tabletop")
FP32 = {name: TABLETOP.stage_file(name, "fp32") for name in TABLETOP.manifest.stages}
IMAGES = standard_images(TABLETOP.manifest, TABLETOP.tokenizer_file)[:1]
Feeds = dict[str, np.ndarray]


class Listening(WrappedSession):
    """A session that records its feeds."""

    def __init__(self, real: Session, fed: list[Feeds]) -> None:
        super().__init__(real)
        self._fed = fed

    def run(self, feeds: Mapping[str, np.ndarray]) -> Feeds:
        self._fed.append(dict(feeds))
        return super().run(feeds)


@pytest.fixture(scope="module")
def fed() -> Mapping[str, list[Feeds]]:
    """Return the first two feeds that every stage gets while the questions are answered."""
    heard: dict[str, list[Feeds]] = {name: [] for name in FP32}
    graph = StageGraph(
        TABLETOP.manifest.stages.values(),
        lambda stage: Listening(open_session(FP32[stage.name]), heard[stage.name]),
    )
    list(answer_all(graph, TABLETOP.manifest, IMAGES))
    graph.close()
    return {name: feeds[:2] for name, feeds in heard.items()}


def normal(*shape: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def answer(path: Path, feeds: Feeds) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def on_gpu(path: Path, feeds: Feeds) -> np.ndarray:
    """Return the file's output with every fp16 value rounded as on a GPU."""
    folder = path.parent / "rounded"
    folder.mkdir(exist_ok=True)
    return answer(rounded_as_on_gpu(path, folder), feeds)


def interface(path: Path) -> list[tuple[str, int, str]]:
    graph = onnx.load(path, load_external_data=False).graph
    tensors = (*graph.input, *graph.output)
    return [(t.name, t.type.tensor_type.elem_type, str(t.type.tensor_type.shape)) for t in tensors]


def inputs_of(path: Path, kind: str) -> list[list[int | None]]:
    """Return the element types of the inputs of every node of a kind."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    graph = model.graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input)}
    types |= {t.name: t.data_type for t in graph.initializer}
    return [[types.get(n) for n in node.input] for node in graph.node if node.op_type == kind]


# --- half precision on stages with trained weights -----------------------------------------------


@pytest.mark.parametrize("stage", list(FP32))
def test_a_stage_in_half_precision_gives_nearly_the_same_outputs(
    stage: str, fed: Mapping[str, list[Feeds]], tmp_path: Path
) -> None:
    target = tmp_path / "half.onnx"

    report = convert_to_fp16(FP32[stage], target, fed[stage])

    onnx.checker.check_model(str(target), full_check=True)
    assert interface(target) == interface(FP32[stage])
    assert report.half_products >= 0.6 * report.products
    assert report.bytes == target.stat().st_size
    if report.fp32_bytes > 10_000:  # the nodes of a stage with hardly a weight outweigh it
        assert report.bytes < 0.65 * report.fp32_bytes
    figures = compare_stage(stage, FP32[stage], target, fed[stage])
    assert figures.cosine > 0.9  # the decoder's anchors may swap places, hence no more than that
    if stage != "decoder":
        assert figures.cosine > 0.99999
        assert figures.largest_difference < 5e-3 * figures.scale


def test_the_chain_in_half_precision_gives_the_same_masks(
    fed: Mapping[str, list[Feeds]], tmp_path: Path
) -> None:
    files = {name: tmp_path / f"{name}.onnx" for name in FP32}
    for name, target in files.items():
        convert_to_fp16(FP32[name], target, fed[name])

    figures = judge(chain_figures("fp16", files, tmp_path))

    assert figures.end_to_end.mask_iou > 0.99
    assert figures.end_to_end.worst.scores < 0.01
    assert not figures.poor


def chain_figures(
    precision: str, files: Mapping[str, Path], folder: Path, stages: tuple[StageFigures, ...] = ()
) -> PrecisionFigures:
    manifest = TABLETOP.manifest
    scratch = folder / "scratch"
    scratch.mkdir()
    expected = measured_graph(manifest.stages.values(), FP32, scratch)
    recorded = RecordedAnswers(IMAGES, dict(answer_all(expected, manifest, IMAGES)))
    found = measured_graph(manifest.stages.values(), files, scratch)
    differences = recorded.differences(found, manifest).values()
    return PrecisionFigures(precision, stages, EndToEndFigures.of(differences))


# --- what half precision cannot hold stays in single ---------------------------------------------


def test_products_that_overflow_half_stay_in_single(tmp_path: Path) -> None:
    graph = OnnxGraph("overflow")
    x = graph.input("x", np.float32, ["n", 32])
    huge = graph.op("MatMul", x, graph.constant(normal(32, 32, scale=3e4)))
    small = graph.op("MatMul", graph.op("Tanh", huge), graph.constant(normal(32, 32)))
    graph.output(small, "y", np.float32, ["n", 32])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = {"x": normal(5, 32)}

    report = convert_to_fp16(source, target, [feeds])

    assert report.half_products == 1
    assert any("values above" in reason for reason in report.kept)
    np.testing.assert_allclose(on_gpu(target, feeds), answer(source, feeds), atol=0.02)


def test_a_normalisation_of_huge_values_stays_in_single(tmp_path: Path) -> None:
    graph = OnnxGraph("normalisation")
    x = graph.input("x", np.float32, [1, 7, 32])
    summed = graph.op("Add", x, graph.op("MatMul", x, graph.constant(normal(32, 32, scale=0.1))))
    scale, bias = graph.constant(normal(32)), graph.constant(normal(32))
    normed = graph.op("LayerNormalization", summed, scale, bias, axis=-1)
    product = graph.op("MatMul", normed, graph.constant(normal(32, 32)))
    graph.output(product, "y", np.float32, [1, 7, 32])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = {"x": normal(1, 7, 32, scale=1e6)}

    convert_to_fp16(source, target, [feeds])

    assert inputs_of(target, "LayerNormalization") == [[TensorProto.FLOAT] * 3]
    assert inputs_of(target, "MatMul")[-1] == [TensorProto.FLOAT16] * 2
    np.testing.assert_allclose(on_gpu(target, feeds), answer(source, feeds), atol=0.05)


def attention(scale: float) -> OnnxGraph:
    """Write self-attention of 6 tokens, with scores on the order of `scale`."""
    graph = OnnxGraph("attention")
    x = graph.input("x", np.float32, [1, 6, 16])
    q, k, v = (
        graph.op("MatMul", x, graph.constant(normal(16, 16, scale=s, seed=i)))
        for i, s in enumerate((scale**0.5, scale**0.5, 1.0))
    )
    scores = graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 2, 1]))
    weights = graph.op("Softmax", graph.scaled(scores, 0.0625), axis=-1)
    graph.output(graph.op("MatMul", weights, v), "y", np.float32, [1, 6, 16])
    return graph


@pytest.mark.parametrize("scale", [1.0, 1e5])
def test_attention_scores_are_computed_in_single(scale: float, tmp_path: Path) -> None:
    source, target = attention(scale).save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = {"x": normal(1, 6, 16)}

    report = convert_to_fp16(source, target, [feeds])

    assert report.kept["attention scores"] == 1
    assert report.half_products == 4  # three projections, and the weighted sum of values
    assert inputs_of(target, "Softmax") == [[TensorProto.FLOAT]]
    np.testing.assert_allclose(on_gpu(target, feeds), answer(source, feeds), atol=0.02)


def test_angles_are_computed_in_single(tmp_path: Path) -> None:
    graph = OnnxGraph("angles")
    x = graph.input("x", np.float32, [1, 9, 2])
    turns = graph.op("MatMul", x, graph.constant(normal(2, 4096, scale=30)))
    graph.output(graph.op("Sin", graph.scaled(turns, 2 * np.pi)), "y", np.float32, [1, 9, 4096])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = {"x": normal(1, 9, 2)}

    report = convert_to_fp16(source, target, [feeds])

    assert report.kept == {"angles": 1}
    np.testing.assert_allclose(on_gpu(target, feeds), answer(source, feeds), atol=1e-6)


@pytest.mark.parametrize("scale", [1e6, 1e-9])
def test_weights_that_half_cannot_hold_stay_in_single(scale: float, tmp_path: Path) -> None:
    graph = OnnxGraph("weights")
    x = graph.input("x", np.float32, [3, 64])
    product = graph.op("MatMul", x, graph.constant(normal(64, 64, scale=scale)))
    graph.output(product, "y", np.float32, [3, 64])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = {"x": normal(3, 64, scale=1 / scale)}

    report = convert_to_fp16(source, target, [feeds])

    assert report.half_products == 0
    np.testing.assert_array_equal(answer(target, feeds), answer(source, feeds))


def test_large_tables_are_stored_in_half_wherever_they_are_read(tmp_path: Path) -> None:
    graph = OnnxGraph("tables")
    ids = graph.input("ids", np.int64, [1, "n"])
    x = graph.input("x", np.float32, [1, 100, 64])
    rows = graph.op("Gather", graph.constant(normal(1000, 64)), ids, axis=0)
    total = graph.op("Add", x, graph.constant(normal(1, 100, 64)))
    joined = graph.op("Concat", rows, total, axis=1)
    graph.output(joined, "y", np.float32, [1, "m", 64])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = {"ids": np.array([[3, 999, 0]]), "x": normal(1, 100, 64)}

    report = convert_to_fp16(source, target, [feeds])

    assert report.bytes < 0.55 * report.fp32_bytes
    np.testing.assert_allclose(on_gpu(target, feeds), answer(source, feeds), rtol=1e-3, atol=1e-3)


def test_subgraphs_and_local_functions_stay_valid(tmp_path: Path) -> None:
    source = tmp_path / "a.onnx"
    onnx.save(branching_model(), source)
    target = tmp_path / "b.onnx"

    for flag in (True, False):
        feeds = {"x": normal(2, 8), "flag": np.array(flag)}
        report = convert_to_fp16(source, target, [feeds])
        np.testing.assert_allclose(on_gpu(target, feeds), answer(source, feeds), atol=0.02)
    assert report.half_products == 2


def branching_model() -> onnx.ModelProto:
    """Return a MatMul in a local function, an If that reads it from outside, and a MatMul."""
    info = helper.make_tensor_value_info
    node = helper.make_node
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    body = [node("MatMul", ["a", "w"], ["p"]), node("Relu", ["p"], ["b"])]
    function = helper.make_function("local", "Layer", ["a", "w"], ["b"], body, opset[:1])
    outcome = [info("z", TensorProto.FLOAT, [2, 8])]
    branches = {
        "then_branch": helper.make_graph([node("Neg", ["h"], ["z"])], "then", [], outcome),
        "else_branch": helper.make_graph([node("Identity", ["h"], ["z"])], "else", [], outcome),
    }
    graph = helper.make_graph(
        [
            node("Layer", ["x", "w1"], ["h"], domain="local"),
            node("If", ["flag"], ["chosen"], **branches),
            node("MatMul", ["chosen", "w2"], ["y"]),
        ],
        "branching",
        [info("x", TensorProto.FLOAT, [2, 8]), info("flag", TensorProto.BOOL, [])],
        [info("y", TensorProto.FLOAT, [2, 8])],
        [numpy_helper.from_array(normal(8, 8, seed=i), f"w{i}") for i in (1, 2)],
    )
    return helper.make_model(graph, opset_imports=opset, ir_version=8, functions=[function])


def test_the_cpu_hides_an_overflow_of_half_and_the_measurement_does_not(tmp_path: Path) -> None:
    graph = OnnxGraph("sum")
    x = graph.cast(graph.input("x", np.float32, [1]), np.float16)
    twice = graph.op("Add", x, x)
    less = graph.op("Sub", twice, x)
    graph.output(graph.cast(less), "y", np.float32, [1])
    path = graph.save(tmp_path / "a.onnx")
    feeds = {"x": np.array([60000], np.float32)}

    assert np.isfinite(answer(path, feeds)).all()
    assert np.isinf(on_gpu(path, feeds)).all()


def test_a_quotient_that_half_cannot_hold_is_refused(tmp_path: Path) -> None:
    graph = OnnxGraph("quotient")
    x = graph.input("x", np.float32, [1, 2])
    same = graph.op("MatMul", x, graph.constant(np.eye(2)))
    graph.output(graph.op("Div", same, same), "y", np.float32, [1, 2])
    source = graph.save(tmp_path / "a.onnx")

    with pytest.raises(VerificationError, match="y is not finite in fp16"):
        convert_to_fp16(source, tmp_path / "b.onnx", [{"x": np.array([[1, 1e-9]], np.float32)}])
    assert list(tmp_path.iterdir()) == [source]


def test_empty_feeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="at least one example"):
        convert_to_fp16(FP32["text"], tmp_path / "half.onnx", [])


def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ExportError, match="cannot be read as an ONNX model"):
        convert_to_int8(broken, tmp_path / "int8.onnx", [])


# --- eight bits ----------------------------------------------------------------------------------


def test_only_products_with_stored_weights_become_int8(
    fed: Mapping[str, list[Feeds]], tmp_path: Path
) -> None:
    target = tmp_path / "int8.onnx"

    report = convert_to_int8(FP32["mask_decoder"], target, fed["mask_decoder"])

    before, after = onnx.load(FP32["mask_decoder"]).graph, onnx.load(target).graph
    count = {
        kind: sum(n.op_type == kind for n in after.node) for kind in ("Conv", "MatMul", "Gemm")
    }
    assert report.written
    assert report.bytes == target.stat().st_size < 0.5 * report.fp32_bytes
    assert count["Conv"] == sum(n.op_type == "Conv" for n in before.node)
    assert count["Gemm"] == 0
    assert count["MatMul"] >= 14  # scores and weighted sums of seven attentions
    assert interface(target) == interface(FP32["mask_decoder"])
    figures = compare_stage("mask_decoder", FP32["mask_decoder"], target, fed["mask_decoder"])
    assert figures.cosine > 0.999


def test_a_square_matrix_read_plain_and_transposed_is_quantised_both_ways(tmp_path: Path) -> None:
    graph = OnnxGraph("shared")
    x = graph.input("x", np.float32, [3, 256])
    matrix, bias = graph.constant(normal(256, 256, scale=0.1)), graph.constant(normal(256))
    first = graph.op("Gemm", x, matrix, bias, transB=1)
    second = graph.op("MatMul", first, graph.op("Transpose", matrix, perm=[1, 0]))
    third = graph.op("MatMul", second, matrix)
    graph.output(third, "y", np.float32, [3, 256])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"

    feeds = [{"x": normal(3, 256)}]

    report = convert_to_int8(source, target, feeds)

    assert report.int8_products == 3
    figures = compare_stage("shared", source, target, feeds)
    assert figures.cosine > 0.999


def test_a_product_with_a_stored_vector_stays_in_float32(tmp_path: Path) -> None:
    graph = OnnxGraph("vector")
    x = graph.input("x", np.float32, [2, 3, 256])
    first = graph.op("MatMul", x, graph.constant(normal(256, 256, scale=0.1)))
    graph.output(graph.op("MatMul", first, graph.constant(normal(256))), "y", np.float32, [2, 3])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = [{"x": normal(2, 3, 256)}]

    report = convert_to_int8(source, target, feeds)

    assert (report.int8_products, report.uneven_products) == (1, 0)
    assert compare_stage("vector", source, target, feeds).cosine > 0.999


def test_a_product_of_outliers_stays_in_float32(tmp_path: Path) -> None:
    graph = OnnxGraph("outliers")
    x = graph.input("x", np.float32, ["n", 512])
    first = graph.op("MatMul", x, graph.constant(normal(512, 512, scale=0.04)))
    one_channel = np.where(np.arange(512) == 7, 1e4, 1).astype(np.float32)
    stretched = graph.op("MatMul", graph.scaled(first, one_channel), graph.constant(normal(512, 8)))
    graph.output(stretched, "y", np.float32, ["n", 8])
    source, target = graph.save(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    feeds = {"x": normal(400, 512)}

    report = convert_to_int8(source, target, [feeds])

    assert (report.int8_products, report.uneven_products) == (1, 1)


def test_int8_weights_are_unsigned_so_that_no_cpu_saturates(tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    convert_to_int8(FP32["fusion"], target, [])

    assert {tuple(types[:2]) for types in inputs_of(target, "MatMulInteger")} == {
        (TensorProto.UINT8, TensorProto.UINT8)
    }


@pytest.mark.parametrize("stage", ["detector_neck", "image_trunk", "tracker_neck"])
def test_a_stage_that_gains_nothing_keeps_its_fp32_file(stage: str, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"

    report = convert_to_int8(FP32[stage], target, [])

    assert not report.written
    assert report.reason
    assert list(tmp_path.iterdir()) == []
    figures = compare_stage(stage, FP32[stage], FP32[stage], [])
    assert figures.reused
    assert figures.bytes == report.bytes == FP32[stage].stat().st_size


def test_weights_beside_the_model_are_read_and_written(tmp_path: Path) -> None:
    source = tmp_path / "a.onnx"
    files = save(load_flat(FP32["fusion"]), source, external_above=1000)
    assert [path.name for path in files] == ["a.onnx", "a.onnx.data"]
    feeds = {"fpn2": normal(1, 96, 30, 40), "prompt": normal(1, 5, 96)}
    feeds["prompt_mask"] = np.ones((1, 5), np.bool_)

    half = convert_to_fp16(source, tmp_path / "half.onnx", [feeds], external_above=1000)
    whole = convert_to_fp16(source, tmp_path / "whole.onnx", [feeds])
    eight = convert_to_int8(source, tmp_path / "int8.onnx", [feeds], external_above=1000)

    assert {path.name for path in tmp_path.iterdir()} == {
        *("a.onnx", "a.onnx.data", "half.onnx", "half.onnx.data"),
        *("whole.onnx", "int8.onnx", "int8.onnx.data"),
    }
    assert (
        half.fp32_bytes
        == whole.fp32_bytes
        == eight.fp32_bytes
        == sum(f.stat().st_size for f in files)
    )
    expected = answer(source, feeds)
    np.testing.assert_array_equal(
        answer(tmp_path / "half.onnx", feeds), answer(tmp_path / "whole.onnx", feeds)
    )
    np.testing.assert_allclose(on_gpu(tmp_path / "half.onnx", feeds), expected, atol=0.01)
    np.testing.assert_allclose(answer(tmp_path / "int8.onnx", feeds), expected, atol=0.3)


def test_the_chain_in_int8_gives_nearly_the_same_masks(
    fed: Mapping[str, list[Feeds]], tmp_path: Path
) -> None:
    files = dict(FP32)
    for name in set(FP32) - CLOSE_TO_ANSWERS:
        target = tmp_path / f"{name}.onnx"
        if convert_to_int8(FP32[name], target, fed[name]).written:
            files[name] = target

    figures = judge(chain_figures("int8", files, tmp_path))

    changed = {name for name in FP32 if files[name] != FP32[name]}
    assert changed == {"text", "fusion", "decoder", "memory_attention"}
    assert 0.99 < figures.end_to_end.mask_iou < 1


# --- judgement -----------------------------------------------------------------------------------


def test_damaged_scales_are_caught_and_the_stage_named(
    fed: Mapping[str, list[Feeds]], tmp_path: Path
) -> None:
    files = dict(FP32)
    for name in ("text", "mask_decoder"):
        files[name] = tmp_path / f"{name}.onnx"
        convert_to_int8(FP32[name], files[name], fed[name])
    damage_scales(files["mask_decoder"])
    stages = tuple(compare_stage(name, FP32[name], files[name], fed[name]) for name in files)
    figures = chain_figures("int8", files, tmp_path, stages)

    with pytest.raises(VerificationError, match=r"worst stages are mask_decoder .* text"):
        judge(figures)
    poor = judge(figures, allow_poor=True)

    assert poor.poor
    assert poor.as_dict()["poor"] is True


def damage_scales(path: Path) -> None:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("_scale"):
            scales = numpy_helper.to_array(tensor)
            damaged = numpy_helper.from_array(np.ascontiguousarray(scales[::-1] * 1.5), tensor.name)
            tensor.CopyFrom(damaged)
    onnx.save(model, path)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_masks_at_or_above_the_stated_iou_are_accepted(precision: str) -> None:
    least = LEAST_MASK_IOU[precision]
    good = PrecisionFigures(precision, (), EndToEndFigures(1, least, AnswerDifference()))
    bad = replace(good, end_to_end=replace(good.end_to_end, mask_iou=least - 1e-6))

    assert judge(good) is good
    with pytest.raises(VerificationError, match=f"at least {least}"):
        judge(bad)


def test_values_that_are_not_finite_count_as_an_infinite_difference(tmp_path: Path) -> None:
    for name, factor in (("a", 1.0), ("b", np.inf)):
        graph = OnnxGraph(name)
        x = graph.input("x", np.float32, [2])
        graph.output(graph.op("Mul", x, graph.constant(factor)), "y", np.float32, [2])
        graph.save(tmp_path / f"{name}.onnx")

    feeds = [{"x": np.ones(2, np.float32)}]
    figures = compare_stage("s", tmp_path / "a.onnx", tmp_path / "b.onnx", feeds)

    assert figures.largest_difference == float("inf")
    assert figures.cosine == 0.0


def test_figures_can_be_written_into_a_manifest(
    fed: Mapping[str, list[Feeds]], tmp_path: Path
) -> None:
    target = tmp_path / "half.onnx"
    report = convert_to_fp16(FP32["scoring"], target, fed["scoring"])
    stage = compare_stage("scoring", FP32["scoring"], target, fed["scoring"])
    chain = EndToEndFigures.of([AnswerDifference()])
    documents: list[Any] = [
        PrecisionFigures("fp16", (stage,), chain).as_dict(),
        report.as_dict(),
        convert_to_int8(FP32["text"], tmp_path / "int8.onnx", fed["text"]).as_dict(),
    ]

    assert yaml.safe_load(yaml.safe_dump(documents)) == documents
