"""What a file is made of, counted without its weights."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.operators import OperatorCounts, count_operators


def test_nodes_casts_and_attentions_are_counted(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["value"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node(
            "MultiHeadAttention", ["half"] * 3, ["found"], domain="com.microsoft", num_heads=2
        ),
        helper.make_node("Cast", ["found"], ["out"], to=TensorProto.FLOAT),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4, 8))
        for name in ("value", "out")
    ]
    path = tmp_path / "attention.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "attention", ends[:1], ends[1:])), path)

    assert count_operators(path) == OperatorCounts(nodes=3, casts=2, attentions=1)
    assert str(count_operators(path)) == "3 nodes, 2 Cast, 1 attention"


def test_the_count_is_that_of_the_library_onnx() -> None:
    bundle = Bundle.open("tabletop")
    for stage in bundle.manifest.stages:
        path = bundle.stage_file(stage, "fp32")
        nodes = [node.op_type for node in onnx.load(str(path)).graph.node]
        found = count_operators(path)

        assert (found.nodes, found.casts) == (len(nodes), nodes.count("Cast"))


@pytest.mark.parametrize("content", [b"", b"\xff" * 12])
def test_a_file_that_is_no_model_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.onnx").write_bytes(content)

    with pytest.raises(BackendError, match=r"no\.onnx is no ONNX model"):
        count_operators(tmp_path / "no.onnx")
