from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hostile_graphs import mutated
from onnx import helper, numpy_helper
from onnx_graph import OnnxGraph

from sam3_ros.core.stages import survey as survey_module
from sam3_ros.core.stages.allowed_operators import CONTROL_FLOW, OF_ONNX, OF_ONNX_RUNTIME
from sam3_ros.core.stages.survey import survey


@pytest.fixture(scope="module")
def sound() -> onnx.ModelProto:
    """Return a model with constants, attributes of each kind, and weights beside it."""
    g = OnnxGraph("sound")
    x = g.input("x", np.float32, (1, 3, "rows", 8))
    y = g.op("Resize", x, "", g.constant([1, 1, 2, 2]), mode="nearest")
    y = g.op("Pad", y, g.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    g.output(g.scaled(y, np.ones((3, 1, 1)), 0.5), "y", np.float32, (1, 3, None, 18))
    model = g.model()
    weights = model.graph.initializer.add(name="w", data_type=1, dims=[4], data_location=1)
    for key, value in {"location": "w.bin", "offset": "16", "length": "16"}.items():
        weights.external_data.add(key=key, value=value)
    return model


def parts(model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    for node in model.graph.node:
        yield node.domain, node.op_type
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                yield "graph", "within"
    if model.functions or model.training_info or model.graph.sparse_initializer:
        yield "not", "read"


def locations(model: onnx.ModelProto) -> Counter[str]:
    constants = (a.t for node in model.graph.node for a in node.attribute if a.HasField("t"))
    tensors = [*model.graph.initializer, *constants]
    return Counter(
        entry.value for t in tensors for entry in t.external_data if entry.key == "location"
    )


def test_what_is_found_is_what_onnx_finds(sound: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "sound.onnx"
    path.write_bytes(sound.SerializeToString())
    found = survey(path)
    assert found.nodes == len(sound.graph.node)
    assert [(each.location, each.offset, each.length) for each in found.external] == [
        ("w.bin", 16, 16)
    ]


@pytest.mark.parametrize("seed", range(300))
def test_a_changed_file_is_refused_or_read_as_other_parsers_read_it(
    seed: int, sound: onnx.ModelProto, tmp_path: Path
) -> None:
    data = mutated(sound.SerializeToString(), str(seed))
    path = tmp_path / "changed.onnx"
    path.write_bytes(data)
    try:
        found = survey(path)
    except ValueError:
        return
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return  # no engine reads it
    kinds = set(parts(model))
    assert kinds <= {*(("", name) for name in OF_ONNX), *(("ai.onnx", name) for name in OF_ONNX)}
    assert found.nodes == len(model.graph.node)
    assert Counter(each.location for each in found.external) == locations(model)


def test_a_file_of_many_parts_is_given_up(
    sound: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "MOST_FIELDS", 20)
    path = tmp_path / "many.onnx"
    path.write_bytes(sound.SerializeToString())
    with pytest.raises(ValueError, match="more than 20 parts"):
        survey(path)


@pytest.mark.parametrize("data", [b"", b"\0", b"\x3a"])
def test_a_file_that_is_no_model(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"bytes|unknown field|does not end"):
        survey(path)


def test_a_branch_is_allowed_where_the_caller_says_so(tmp_path: Path) -> None:
    branch = helper.make_graph([helper.make_node("Exp", ["x"], ["z"])], "branch", [], [])
    node = helper.make_node("If", ["on"], ["y"], then_branch=branch, else_branch=branch)
    model = helper.make_model(helper.make_graph([node], "main", [], []))
    path = tmp_path / "branch.onnx"
    onnx.save(model, path)
    assert survey(path, control_flow=True).nodes == 3
    branch.node[0].op_type = "ImageDecoder"
    node = helper.make_node("If", ["on"], ["y"], then_branch=branch, else_branch=branch)
    onnx.save(helper.make_model(helper.make_graph([node], "main", [], [])), path)
    with pytest.raises(ValueError, match="ImageDecoder"):
        survey(path, control_flow=True)


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (50, 2)])
def test_weights_are_accepted_as_onnx_writes_them(
    kind: type, raw: bool, shape: tuple[int, ...], tmp_path: Path
) -> None:
    array = np.ones(shape, kind)
    if raw:
        tensor = numpy_helper.from_array(array, "w")
    else:
        element = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = helper.make_tensor("w", element, shape, array.flatten().tolist())
    path = tmp_path / "weights.onnx"
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), path)
    survey(path)


def test_weights_of_four_bits_are_accepted(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", onnx.TensorProto.UINT4, (5,), [1, 2, 3, 4, 5])
    path = tmp_path / "weights.onnx"
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), path)
    survey(path)


# What the families' exports, their fp16 and int8 files and the shipped bundle have.
WRITTEN = """
    Abs Add And Cast Ceil Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos DepthToSpace
    DequantizeLinear Div DynamicQuantizeLinear Einsum Equal Erf Exp Expand Floor Gather
    GatherElements GatherND Gemm Greater GreaterOrEqual Identity IsNaN LayerNormalization Less
    LessOrEqual Log MatMul MatMulInteger Max MaxPool Min Mod Mul Neg Not Pad Pow QuantizeLinear
    Reciprocal ReduceL2 ReduceMean ReduceSum Relu Reshape Resize Shape Sigmoid Sign Sin Slice
    Softmax Split Sqrt Squeeze Sub TopK Transpose Unsqueeze Where
"""


def test_what_exporters_write_is_allowed_and_nothing_that_runs_graphs() -> None:
    known = {each.name for each in onnx.defs.get_all_schemas_with_history() if not each.domain}
    assert OF_ONNX.issuperset(WRITTEN.split())
    assert OF_ONNX_RUNTIME.issuperset({"MultiHeadAttention", "Gelu", "FastGelu", "MatMulNBits"})
    assert known >= CONTROL_FLOW
    for each in onnx.defs.get_all_schemas_with_history():
        if any(a.type.name in ("GRAPH", "GRAPHS") for a in each.attributes.values()):
            assert each.name not in OF_ONNX
