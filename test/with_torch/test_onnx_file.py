"""Properties of the ONNX file of every stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_stages import FixedLength, TokenReader

from sam3_ros.core.bundle.files import ModelFile
from sam3_ros.core.errors import ExportError
from sam3_ros.export import fills
from sam3_ros.export.onnx_file import OPSET, weight_bytes, write_onnx
from sam3_ros.export.stage import StageModule, TensorInput


@pytest.fixture(scope="module")
def stage() -> TokenReader:
    torch.manual_seed(0)
    return TokenReader()


@pytest.fixture(scope="module")
def written(stage: TokenReader, tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    return write_onnx(stage, tmp_path_factory.mktemp("onnx") / "reader.onnx")


def axes(values: Sequence[onnx.ValueInfoProto]) -> dict[str, list[object]]:
    return {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in values
    }


def test_tensors_have_canonical_names_and_equal_lengths_one_name(
    written: ModelFile,
) -> None:
    model = onnx.load(written.path)
    assert axes(model.graph.input) == {
        "prompt": ["prompts", "tokens", 8],
        "prompt_mask": ["prompts", "tokens"],
        "boxes": ["prompts", "boxes", 4],
    }
    assert list(axes(model.graph.output)) == ["queries", "box_tokens"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]


@pytest.mark.parametrize("lengths", [(1, 1, 0), (1, 9, 1), (2, 4, 0), (3, 1, 5)])
def test_every_length_gives_what_pytorch_gives(
    stage: TokenReader, written: ModelFile, lengths: tuple[int, int, int]
) -> None:
    inputs = stage.examples(dict(zip(stage.lengths(), lengths, strict=True)), seed=3)
    session = onnxruntime.InferenceSession(written.path)
    found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    with torch.no_grad():
        for ours, theirs in zip(found, stage(*inputs.values()), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


def test_the_file_says_nothing_about_the_machine_that_made_it(written: ModelFile) -> None:
    content = written.path.read_bytes()
    assert b"small_stages" not in content
    assert str(Path.cwd()).encode() not in content
    assert b"site-packages" not in content


def test_large_weights_go_into_a_second_file(stage: TokenReader, tmp_path: Path) -> None:
    file = write_onnx(stage, tmp_path / "reader.onnx", external_above=weight_bytes(stage) - 1)
    assert [path.name for path in file.data] == ["reader.onnx.data"]
    assert file.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    onnxruntime.InferenceSession(file.path)
    file.data[0].unlink()
    with pytest.raises(Exception, match=r"reader\.onnx\.data"):
        onnxruntime.InferenceSession(file.path)


def test_the_same_stage_gives_the_same_bytes(
    stage: TokenReader, written: ModelFile, tmp_path: Path
) -> None:
    again = write_onnx(stage, tmp_path / "reader.onnx")
    assert again.path.read_bytes() == written.path.read_bytes()


def test_a_stage_with_a_fixed_axis_is_refused_naming_the_axis(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="the axis 'tokens' of 'prompt' was fixed at 3"):
        write_onnx(FixedLength(), tmp_path / "fixed.onnx")


def test_exporting_prints_nothing(
    stage: TokenReader, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_onnx(stage, tmp_path / "reader.onnx")
    assert capfd.readouterr() == ("", "")


class _Activated(StageModule):
    """A stage of one GELU, between two other operators."""

    outputs = ("places",)

    def __init__(self, approximate: str) -> None:
        super().__init__()
        self.activation = torch.nn.GELU(approximate=approximate)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {"memory": TensorInput((1, "places", 4), fills.unit_features)}

    def forward(self, memory: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.activation(memory + 1).abs(),)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_both_kinds_of_gelu_are_written(approximate: str, tmp_path: Path) -> None:
    stage = _Activated(approximate)
    written = write_onnx(stage, tmp_path / "gelu.onnx")
    x = np.linspace(-6, 6, 24, dtype=np.float32).reshape(1, 6, 4)
    (found,) = onnxruntime.InferenceSession(written.path).run(None, {"memory": x})
    with torch.no_grad():
        np.testing.assert_allclose(found, stage(torch.from_numpy(x))[0].numpy(), atol=2e-6)


@pytest.mark.parametrize(("approximate", "fused"), [("none", "Gelu"), ("tanh", "FastGelu")])
def test_onnx_runtime_makes_one_operator_of_gelu(
    approximate: str, fused: str, tmp_path: Path
) -> None:
    written = write_onnx(_Activated(approximate), tmp_path / "gelu.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(written.path, options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    assert [node.op_type for node in nodes] == ["Add", fused, "Abs"]
