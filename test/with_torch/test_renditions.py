"""The same stages written for engines on a GPU: equal numbers, other operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from small_clicker import FAMILY, SIZES, SMALL
from small_sam3 import small_sam3
from tensorrt_operators import OPERATORS

from sam3_ros.core.errors import ExportError
from sam3_ros.export.attention import whole_attention
from sam3_ros.export.commands.borders import half_borders
from sam3_ros.export.commands.export_job import ExportJob
from sam3_ros.export.models.pixels import Pixels
from sam3_ros.export.models.points.sam_decoder import MaskDecoderStage, SamDecoderSizes
from sam3_ros.export.network import Network
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.operators import ATTENTION
from sam3_ros.export.precision.figures import compare_stage
from sam3_ros.export.precision.fp16 import convert_to_fp16
from sam3_ros.export.precision.half_rules import ON_GPU
from sam3_ros.export.rendition import CUDA, PORTABLE, RENDITIONS, TENSORRT, Rendition
from sam3_ros.export.stage import StageModule
from sam3_ros.export.verification.stages import fits, unit_cases, verify_stage

pytestmark = pytest.mark.long

ATTENDING = (
    "fusion_image",
    "fusion",
    "decoder",
    "segmentation",
    "mask_decoder",
    "text",
    "memory_attention",
)
OF_VIDEO = ("memory_attention", "memory_encoder", "object_pointer", "mask_prompt")
STAGES = (*ATTENDING, "image_trunk", "geometry", *OF_VIDEO[1:], "pixels")


@pytest.fixture(scope="module")
def stages() -> dict[str, StageModule]:
    network: Network = small_sam3()
    return {**network.stages(), "pixels": Pixels(32, 40, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("renditions")


@pytest.fixture(scope="module")
def written(stages: Mapping[str, StageModule], folder: Path) -> Mapping[tuple[str, str], Path]:
    """Write files when they are first asked for: (stage, rendition) to file."""

    class Written(dict[tuple[str, str], Path]):
        def __missing__(self, key: tuple[str, str]) -> Path:
            path = folder / f"{key[0]}.{key[1]}.onnx"
            write_onnx(stages[key[0]], path, RENDITIONS[key[1]])
            self[key] = path
            return path

    return Written()


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@contextmanager
def counted_attentions() -> Iterator[list[None]]:
    calls: list[None] = []
    real = F.scaled_dot_product_attention

    def counting(*args: torch.Tensor, scale: float | None = None) -> torch.Tensor:
        calls.append(None)
        return real(*args, scale=scale)

    with mock.patch.object(F, "scaled_dot_product_attention", counting):
        yield calls


def attentions_of(stage: StageModule) -> int:
    inputs = stage.examples(dict.fromkeys(stage.lengths(), 2), seed=1).values()
    with counted_attentions() as calls, whole_attention(stage), torch.no_grad():
        stage(*inputs)
    return len(calls)


@pytest.mark.parametrize("rendition", [CUDA, TENSORRT], ids=lambda each: each.name)
@pytest.mark.parametrize("name", STAGES)
def test_a_rendition_computes_what_pytorch_computes(
    stages: Mapping[str, StageModule],
    written: Mapping[tuple[str, str], Path],
    name: str,
    rendition: Rendition,
) -> None:
    stage = stages[name]
    cases = [case for case in unit_cases(stage) if fits(stage, case, rendition.fixed)]
    assert cases
    found = verify_stage(name, stage, written[name, rendition.name], cases)
    assert found.largest < 1e-4


@pytest.mark.parametrize("name", ATTENDING)
def test_for_cuda_each_attention_is_one_operator(
    stages: Mapping[str, StageModule], written: Mapping[tuple[str, str], Path], name: str
) -> None:
    found = operators(written[name, "cuda"])
    assert found[ATTENTION] == attentions_of(stages[name]) > 0
    assert found["Softmax"] == 0
    assert found["Erf"] == 0  # GELU is one operator too
    assert operators(written[name, "portable"])[ATTENTION] == 0


def test_the_operator_adds_the_biases_of_its_projections(
    written: Mapping[tuple[str, str], Path],
) -> None:
    graph = onnx.load(written["fusion_image", "cuda"]).graph
    (attention,) = (node for node in graph.node if node.op_type == ATTENTION)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    assert list(weights[attention.input[3]].dims) == [3 * 64]
    before = {node.op_type for node in graph.node if set(node.output) & set(attention.input)}
    assert before == {"MatMul"}  # no Reshape, no Transpose, no Add


def test_attention_to_memories_has_the_form_of_the_fastest_kernel(
    written: Mapping[tuple[str, str], Path],
) -> None:
    path = written["memory_attention", "cuda"]
    for node in (node for node in onnx.load(path).graph.node if node.op_type == ATTENTION):
        assert len(node.input) == 3  # no mask, and no bias, for which keys would be copied
        assert {a.name: a.i for a in node.attribute}["num_heads"] == 1
    # Of the frame, the memories and the result: queries, keys and values are in order as they are.
    assert operators(path)["Transpose"] == 3


@pytest.mark.parametrize("name", STAGES)
def test_tensorrt_takes_every_operator(written: Mapping[tuple[str, str], Path], name: str) -> None:
    model = onnx.load(written[name, "tensorrt"])
    assert not operators(written[name, "tensorrt"]).keys() - OPERATORS
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions


def test_for_tensorrt_the_number_of_prompts_is_fixed_and_nothing_else(
    written: Mapping[tuple[str, str], Path],
) -> None:
    def shapes(rendition: str) -> dict[str, list[str | int]]:
        return {
            value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in onnx.load(written["decoder", rendition]).graph.input
        }

    for name, shape in shapes("portable").items():
        fixed = [1 if size == "prompts" else size for size in shape]
        assert shapes("tensorrt")[name] == fixed
        assert shapes("cuda")[name] == shape


def half_of(
    stages: Mapping[str, StageModule], path: Path, name: str, rendition: Rendition
) -> tuple[Path, list[dict[str, np.ndarray]]]:
    stage = stages[name]
    lengths = {**dict.fromkeys(stage.lengths(), 3), **rendition.fixed}
    feeds = [{n: t.numpy() for n, t in stage.examples(lengths, seed=2).items()}]
    target = path.with_suffix(".half.onnx")
    borders = half_borders(stages, {})
    convert_to_fp16(path, target, feeds, rules=ON_GPU, half_borders=borders)
    return target, feeds


@pytest.mark.parametrize("name", ATTENDING)
def test_in_half_no_cast_stands_at_a_normalisation_or_an_attention(
    stages: Mapping[str, StageModule], written: Mapping[tuple[str, str], Path], name: str
) -> None:
    target, feeds = half_of(stages, written[name, "cuda"], name, CUDA)
    graph = onnx.load(target).graph
    maker = {out: node for node in graph.node for out in node.output}
    normalising = [n for n in graph.node if n.op_type in ("LayerNormalization", ATTENTION)]
    widened = [
        node.op_type
        for node in normalising
        for value in node.input[:3]
        if value in maker and maker[value].op_type == "Cast"
    ]
    assert widened == []
    portable, _ = half_of(stages, written[name, "portable"], name, PORTABLE)
    assert operators(target)["Cast"] <= operators(portable)["Cast"]
    figures = compare_stage(name, written[name, "cuda"], target, feeds)
    assert figures.cosine > 0.9995
    assert figures.bytes < 0.7 * figures.fp32_bytes


def test_what_passes_from_stage_to_stage_is_half_and_what_the_host_reads_is_not(
    stages: Mapping[str, StageModule], written: Mapping[tuple[str, str], Path]
) -> None:
    target, _ = half_of(stages, written["decoder", "cuda"], "decoder", CUDA)
    graph = onnx.load(target).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    half, single, truth = (
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.BOOL,
    )
    assert kinds == {
        "memory": half,
        "prompt": half,
        "prompt_mask": truth,
        "queries": half,
        "pred_boxes": single,
        "presence": single,
    }


def test_memories_pass_in_half_and_their_ages_do_not(
    stages: Mapping[str, StageModule], written: Mapping[tuple[str, str], Path]
) -> None:
    path = written["memory_attention", "cuda"]
    target, _ = half_of(stages, path, "memory_attention", CUDA)
    graph = onnx.load(target).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    half = {name for name, kind in kinds.items() if kind == onnx.TensorProto.FLOAT16}
    assert half == {"frame_features", "memories", "object_pointers", "tracked_embed"}
    assert operators(target)["Cast"] <= 2  # the sines of the pointers' ages


def test_a_tensor_near_the_end_of_half_passes_in_single(stages: Mapping[str, StageModule]) -> None:
    stage = stages["fusion_image"]
    (case, *_) = unit_cases(stage)
    assert "places" in half_borders(stages, {"fusion_image": [case]})
    large = type(case)(case.name, case.inputs, {"places": case.outputs["places"] * 1e5})
    assert "places" not in half_borders(stages, {"fusion_image": [large]})


def test_linear_attention_that_divides_by_almost_nothing_stays_finite(folder: Path) -> None:
    torch.manual_seed(3)
    stage = SIZES.build(64)  # its divisor may be 1e-15, which half takes for 0
    path = folder / "linear.onnx"
    write_onnx(stage, path, CUDA)
    zeros = {"pixel_values": np.zeros((1, 3, 64, 64), np.float32)}
    target = folder / "linear.half.onnx"
    convert_to_fp16(path, target, [zeros], rules=ON_GPU)
    assert compare_stage("image", path, target, [zeros]).cosine > 0.99


def test_the_decoder_of_the_point_models_attends_by_one_operator(folder: Path) -> None:
    torch.manual_seed(0)
    decoder = MaskDecoderStage(SamDecoderSizes(channels=32, heads=4, mlp=48), 8)
    write_onnx(decoder, folder / "decoder.onnx", CUDA)
    verify_stage("mask_decoder", decoder, folder / "decoder.onnx")
    assert operators(folder / "decoder.onnx")[ATTENTION] == attentions_of(decoder)
    assert operators(folder / "decoder.onnx")["Softmax"] == 0


def test_a_job_without_the_portable_rendition_is_refused() -> None:
    with pytest.raises(ExportError, match="portable must be among them"):
        ExportJob(
            family=FAMILY,
            architecture=SMALL,
            network=FAMILY.build(SMALL, 64),
            input_size=64,
            target=Path("unused"),
            source={},
            parts=("interactive",),
            renditions=("cuda",),
        )
