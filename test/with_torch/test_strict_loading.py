"""A network filled from a checkpoint: all of it, or an error that says what does not fit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_model import FAMILY, SmallArchitecture, small_network, small_tensors
from torch import Tensor

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import original_shapes
from sam3_ros.export.checkpoint.file import Checkpoint, open_checkpoint
from sam3_ros.export.families.sam3 import EFFICIENTSAM3
from sam3_ros.export.network import Network
from sam3_ros.export.weights.loading import load_strictly, original_tensors, write_checkpoint

Tensors = dict[str, Tensor]


def checkpoint_of(tensors: Tensors, folder: Path) -> Checkpoint:
    torch.save({"model": tensors}, folder / "model.pth")
    return open_checkpoint(folder / "model.pth")


def empty_network() -> Network:
    network = FAMILY.build(SmallArchitecture(8))
    for tensor in network.state_dict().values():
        tensor.zero_()
    return network


def refusal(tensors: Tensors, folder: Path) -> list[str]:
    """Return the lines of the error, and check that the network is unchanged."""
    network = empty_network()
    with pytest.raises(CheckpointError) as caught:
        load_strictly(network, checkpoint_of(tensors, folder), FAMILY)
    assert not any(tensor.any() for tensor in network.state_dict().values())
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.pth"])
def test_what_is_written_is_read_back_bit_by_bit(name: str, tmp_path: Path) -> None:
    network = small_network()
    write_checkpoint(network, tmp_path / name)
    again = empty_network()
    load_strictly(again, open_checkpoint(tmp_path / name), FAMILY)

    before, after = network.state_dict(), again.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_packed_and_split_tensors_have_the_names_of_the_original() -> None:
    network = small_network()
    tensors = dict(original_tensors(network))
    state = network.state_dict()

    assert tensors["text.attn.in_proj_weight"].shape == (24, 8)
    assert torch.equal(tensors["text.attn.in_proj_bias"][8:16], state["_stages.text.k_proj.bias"])
    assert torch.equal(tensors["text.kinds.1.weight"], state["_stages.text.kinds.weight"][1:])
    assert tensors["image.norm.num_batches_tracked"].shape == ()
    assert not [name for name in tensors if "q_proj" in name]


def test_the_answers_are_the_same_after_the_round_trip(tmp_path: Path) -> None:
    network = small_network()
    write_checkpoint(network, tmp_path / "model.safetensors")
    again = empty_network()
    load_strictly(again, open_checkpoint(tmp_path / "model.safetensors"), FAMILY)

    for name, stage in network.stages().items():
        inputs = stage.examples({"prompts": 2, "tokens": 5}, seed=3)
        with torch.no_grad():
            (expected,), (answer,) = stage(*inputs.values()), again.stages()[name](*inputs.values())
        assert torch.equal(expected, answer)


def test_tensors_that_the_family_does_not_need_are_allowed(tmp_path: Path) -> None:
    extra = {"image.teacher.weight": torch.ones(3), "text.end_token": torch.full((1,), torch.nan)}

    load_strictly(empty_network(), checkpoint_of(small_tensors() | extra, tmp_path), FAMILY)


def test_a_count_of_one_number_may_have_an_axis(tmp_path: Path) -> None:
    tensors = small_tensors()
    tensors["image.norm.num_batches_tracked"] = torch.tensor([9])
    network = empty_network()
    load_strictly(network, checkpoint_of(tensors, tmp_path), FAMILY)

    assert network.state_dict()["_stages.image_trunk.norm.num_batches_tracked"] == 9


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def renamed(name: str, new: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {new if key == name else key: t for key, t in tensors.items()}


def changed(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name])}


@pytest.mark.parametrize(
    ("plant", "lines"),
    [
        pytest.param(
            without("image.branch.weight"),
            ["1 missing.", "  image encoder / branch: 1 missing (image.branch.weight)"],
            id="missing",
        ),
        pytest.param(
            without("text.attn.in_proj_weight"),
            ["1 missing.", "  text encoder: 1 missing (text.attn.in_proj_weight)"],
            id="a packed one missing",
        ),
        pytest.param(
            without("text.kinds.1.weight"),
            ["1 missing.", "  text encoder: 1 missing (text.kinds.1.weight)"],
            id="one of two that we pack missing",
        ),
        pytest.param(
            renamed("text.norm.bias", "text.norm.beta"),
            [
                "1 missing, 1 unexpected.",
                "  text encoder: 1 missing (text.norm.bias); 1 unexpected (text.norm.beta [16])",
            ],
            id="renamed",
        ),
        pytest.param(
            renamed("image.up.bias", "extra.weight"),
            [
                "1 missing, 1 unexpected.",
                "  image encoder / stem: 1 missing (image.up.bias)",
                "  of no known component: 1 unexpected (extra.weight [8])",
            ],
            id="of no component",
        ),
        pytest.param(
            changed("text.widen.weight", lambda tensor: tensor.T.contiguous()),
            [
                "1 mis-shaped.",
                "  text encoder: 1 mis-shaped (text.widen.weight [16, 8] expected, [8, 16] came: "
                "it is transposed)",
            ],
            id="transposed",
        ),
        pytest.param(
            changed("text.attn.in_proj_weight", lambda tensor: tensor[:16].clone()),
            [
                "1 mis-shaped.",
                "  text encoder: 1 mis-shaped (text.attn.in_proj_weight [24, 8] expected, "
                "[16, 8] came)",
            ],
            id="a packed one too short",
        ),
        pytest.param(
            changed("text.kinds.0.weight", lambda tensor: tensor[:, :5].clone()),
            [
                "1 mis-shaped.",
                "  text encoder: 1 mis-shaped (text.kinds.0.weight + text.kinds.1.weight [2, 8] "
                "expected, [1, 5] and [1, 8] came)",
            ],
            id="one of two that we pack too narrow",
        ),
        pytest.param(
            changed("text.norm.weight", lambda tensor: tensor.to(torch.int64)),
            [
                "1 of another type.",
                "  text encoder: 1 of another type (text.norm.weight float32 expected, int64 came)",
            ],
            id="integers for numbers",
        ),
        pytest.param(
            changed("text.gamma", lambda tensor: tensor.to(torch.complex64)),
            [
                "1 of another type.",
                "  text encoder: 1 of another type (text.gamma float32 expected, complex64 came)",
            ],
            id="complex numbers",
        ),
        pytest.param(
            changed("image.norm.num_batches_tracked", lambda tensor: tensor.float()),
            [
                "1 of another type.",
                "  image encoder / stem: 1 of another type (image.norm.num_batches_tracked int64 "
                "expected, float32 came)",
            ],
            id="numbers for a count",
        ),
    ],
)
def test_a_planted_fault_is_named(
    plant: Callable[[Tensors], Tensors], lines: list[str], tmp_path: Path
) -> None:
    first, *components, last = refusal(plant(small_tensors()), tmp_path)

    assert first == f"{tmp_path / 'model.pth'} does not fit small: {lines[0]}"
    assert components == lines[1:]
    assert last.startswith(
        "Nothing was loaded: a checkpoint has to fit completely. `sam3-ros inspect"
    )


def test_many_faults_are_counted_and_the_first_named(tmp_path: Path) -> None:
    tensors = {f"other.{name}": tensor for name, tensor in small_tensors().items()}
    first, *components, _ = refusal(tensors, tmp_path)

    assert first.endswith(f"{len(tensors)} missing, {len(tensors)} unexpected.")
    names = [line.split(":")[0].strip() for line in components]
    assert set(names) == {
        "image encoder / stem",
        "image encoder / branch",
        "text encoder",
        "of no known component",
    }
    assert components[0].endswith("image.norm.running_mean, and 4 more)")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinite_numbers_are_refused(wrong: float, tmp_path: Path) -> None:
    tensors = small_tensors()
    tensors["text.words.weight"][3, 4] = wrong

    with pytest.raises(CheckpointError, match=r"text\.words\.weight holds NaN or infinite"):
        load_strictly(empty_network(), checkpoint_of(tensors, tmp_path), FAMILY)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_converted_with_a_warning(
    dtype: torch.dtype, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = small_tensors()
    tensors["text.start"] = tensors["text.start"].to(dtype)
    network = empty_network()
    with caplog.at_level(logging.WARNING):
        load_strictly(network, checkpoint_of(tensors, tmp_path), FAMILY)

    loaded = network.state_dict()["_stages.text.start"]
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, tensors["text.start"].float())
    (record,) = caplog.records
    assert f"1 tensors are {str(dtype)[6:]} and are converted to float32" in record.getMessage()


def test_a_file_is_not_replaced_without_a_request(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("mine")
    with pytest.raises(CheckpointError, match="exists; remove it"):
        write_checkpoint(small_network(), path)
    assert path.read_text() == "mine"

    write_checkpoint(small_network(), path, replace_existing=True)
    assert "image.norm.weight" in open_checkpoint(path).shapes
    with pytest.raises(CheckpointError, match="must end in"):
        write_checkpoint(small_network(), tmp_path / "model.onnx")


SHOWS_A_SIZE = (
    "detector.backbone.vision_backbone.convs.2.conv_1x1.weight",
    "detector.backbone.vision_backbone.trunk.model.head.0.weight",
    "detector.transformer.encoder.layers.0.linear1.weight",
    "detector.transformer.decoder.query_embed.weight",
    "tracker.maskmem_tpos_enc",
    "tracker.sam_mask_decoder.mask_tokens.weight",
)


def unread(name: str) -> Tensor:
    raise AssertionError(f"{name} was read, although the shapes do not fit")


@pytest.mark.parametrize("name", SHOWS_A_SIZE)
def test_a_damaged_tensor_that_shows_a_size_is_the_one_named(name: str) -> None:
    with torch.device("meta"):  # the real sizes, without the memory
        whole = EFFICIENTSAM3.build(EFFICIENTSAM3.architecture(EFFICIENTSAM3.variants[0]), 112)
    own = whole.state_dict()
    shapes, dtypes = {}, {}
    for binding in whole.bindings():
        targets = [own[target] for target in binding.targets]
        each = original_shapes(binding, targets)
        shapes.update(zip(binding.originals, each, strict=True))
        dtypes.update(dict.fromkeys(binding.originals, targets[0].dtype))

    for damaged, kind in (
        ({**shapes, name: shapes[name][::-1]}, "1 mis-shaped"),
        ({key: shape for key, shape in shapes.items() if key != name}, "1 missing"),
    ):
        checkpoint = Checkpoint(Path("damaged.pth"), damaged, dtypes, (), {}, unread)
        recognised = EFFICIENTSAM3.recognise(checkpoint.shapes)
        with torch.device("meta"):
            network = EFFICIENTSAM3.build(recognised, 112)
        with pytest.raises(CheckpointError) as caught:
            load_strictly(network, checkpoint, EFFICIENTSAM3)
        assert f"does not fit efficientsam3: {kind}." in str(caught.value)
        assert name in str(caught.value)
