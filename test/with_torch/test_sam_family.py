"""SAM itself: its image encoder, files in other forms, and transformers' SamModel as the judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from sam_of_transformers import SIZES, name_of_transformers
from torch import nn
from transformers.models.sam.configuration_sam import (
    SamConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from transformers.models.sam.modeling_sam import SamModel, SamVisionEncoder

from sam3_ros.cli.main import main
from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.families.mobilesam import MOBILESAM
from sam3_ros.export.families.sam import SAM
from sam3_ros.export.forms.in_original_names import in_original_names
from sam3_ros.export.models.points.sam_decoder import PROMPT_SPACE
from sam3_ros.export.models.points.sam_vit import SamVitSizes
from sam3_ros.export.network import Network
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.rendition import RENDITIONS
from sam3_ros.export.weights.filled_network import from_checkpoint
from sam3_ros.export.weights.loading import original_tensors, write_checkpoint
from sam3_ros.export.weights.random_weights import fill_randomly

pytestmark = pytest.mark.long

SMALL = SamVitSizes(32, 2, 2, (1,), mlp=48, window=3, channels=16, cells=8)


def network_of(sizes: SamVitSizes, size: int) -> Network:
    stages = {"image": sizes.build(size)}
    network = Network(stages, {"image": ("interactive",)}).eval().requires_grad_(False)
    fill_randomly(network, seed=1)
    return network


def encoder_of_transformers(network: Network, sizes: SamVitSizes, size: int) -> SamVisionEncoder:
    """Return transformers' encoder with the same weights, given tensor by tensor."""
    config = SamVisionConfig(
        hidden_size=sizes.width, output_channels=sizes.channels, mlp_dim=sizes.mlp,
        num_hidden_layers=sizes.depth, num_attention_heads=sizes.heads, image_size=size,
        window_size=sizes.window, global_attn_indexes=list(sizes.global_blocks),
    )  # fmt: skip
    encoder = SamVisionEncoder(config).eval().requires_grad_(False)
    for name, tensor in original_tensors(network):
        where = name_of_transformers(name).removeprefix("vision_encoder.")
        owner, _, leaf = where.rpartition(".")
        if where == "pos_embed" and tensor.shape[1] != size // sizes.patch:
            cells = tensor.permute(0, 3, 1, 2)
            cells = F.interpolate(cells, size=(size // sizes.patch,) * 2, mode="bicubic")
            tensor = cells.permute(0, 2, 3, 1)
        setattr(encoder.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
    return encoder


@pytest.mark.parametrize("size", [128, 64, 160], ids=["as trained", "smaller", "larger"])
def test_the_encoder_computes_what_transformers_does(size: int) -> None:
    network = network_of(SMALL, size)
    image = network.stages()["image"]
    pixels = image.examples({}, seed=0)["pixel_values"]
    (ours,) = image(pixels)
    theirs = encoder_of_transformers(network, SMALL, size)(pixels).last_hidden_state
    assert ours.std() > 0.5
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("rendition", "size"), [("portable", 80), ("cuda", 80), ("tensorrt", 128)])
def test_every_rendition_of_the_encoder_computes_the_same(
    rendition: str, size: int, tmp_path: Path
) -> None:
    image = network_of(SMALL, size).stages()["image"]
    pixels = image.examples({}, seed=3)["pixel_values"]
    file = write_onnx(image, tmp_path / "image.onnx", RENDITIONS[rendition]).path
    (found,) = onnxruntime.InferenceSession(file).run(None, {"pixel_values": pixels.numpy()})
    np.testing.assert_allclose(found, image(pixels)[0].numpy(), atol=1e-4, rtol=0)
    nodes = onnx.load(file).graph.node
    kinds = [node.op_type for node in nodes]
    assert not {"If", "Loop", "Scan", "Gather", "Einsum", "Resize", "Expand"}.intersection(kinds)
    attentions = [node for node in nodes if node.op_type == "MultiHeadAttention"]
    assert len(attentions) == (SMALL.depth if rendition == "cuda" else 0)
    assert all(len(node.input) == 3 for node in attentions), "no bias as large as the scores"


@pytest.fixture(scope="module")
def theirs() -> SamModel:
    """Return transformers' whole SAM, small, with SAM's own eps in its decoder."""
    torch.manual_seed(5)
    vision = SamVisionConfig(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=2, mlp_dim=40, patch_size=128,
        window_size=3, global_attn_indexes=[2], use_rel_pos=True,
    )  # fmt: skip
    decoder = SamMaskDecoderConfig(layer_norm_eps=1e-5)
    prompts = SamPromptEncoderConfig(patch_size=128)
    config = SamConfig(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )
    model = SamModel(config).eval()
    model.mask_decoder.transformer.layer_norm_final_attn.eps = 1e-5
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "pos" in name or "embed" in name or "token" in name:
                parameter.normal_(std=0.3)
    return model.requires_grad_(False)


def saved(model: SamModel, folder: Path, kind: str) -> Path:
    if kind == "torch":  # the positions then are one tensor under two names
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        return folder / "pytorch_model.bin"
    model.save_pretrained(folder)
    return folder if kind == "folder" else folder / "model.safetensors"


@pytest.mark.parametrize("kind", ["safetensors", "folder", "torch"])
def test_transformers_files_give_transformers_answers(
    theirs: SamModel, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(theirs, tmp_path, kind)
    filled = from_checkpoint(SAM, path, None)
    assert filled.architecture.variant == "vit-24x3"
    stages = filled.network.requires_grad_(False).stages()
    pixels = stages["image"].examples({}, seed=1)["pixel_values"]
    points = torch.rand(1, 2, 2, 2) * PROMPT_SPACE
    labels = torch.tensor([[[1, 0], [1, 1]]])
    wanted = [
        theirs(pixels, input_points=points, input_labels=labels, multimask_output=several)
        for several in (False, True)
    ]

    (embed,) = stages["image"](pixels)
    torch.testing.assert_close(embed, theirs.get_image_embeddings(pixels), atol=1e-5, rtol=0)
    padded = torch.cat([points[0], torch.zeros(2, 1, 2)], dim=1)
    kinds = torch.cat([labels[0], torch.full((2, 1), -1)], dim=1)
    no_mask = torch.zeros(2, 1, 32, 32)
    tokens = stages["prompt_encoder"](padded, kinds, no_mask, torch.zeros(2))
    masks, iou = stages["mask_decoder"](embed, *tokens)
    expected = torch.cat([answer.pred_masks[0] for answer in wanted], dim=1)
    torch.testing.assert_close(masks, expected, atol=1e-4, rtol=1e-4)
    expected = torch.cat([answer.iou_scores[0] for answer in wanted], dim=1)
    torch.testing.assert_close(iou, expected, atol=1e-5, rtol=1e-4)

    assert main(["inspect", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["family"], document["variant"]) == ("sam", "vit-24x3")


def test_the_official_form_is_read_back(theirs: SamModel, tmp_path: Path) -> None:
    path = saved(theirs, tmp_path, "safetensors")
    network = from_checkpoint(SAM, path, None).network
    write_checkpoint(network, tmp_path / "sam_vit_b_01ec64.pth")
    again = from_checkpoint(SAM, tmp_path / "sam_vit_b_01ec64.pth", None).network
    expected = network.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state_dict().items())


def test_two_positions_that_differ_are_refused(theirs: SamModel, tmp_path: Path) -> None:
    tensors = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    tensors["prompt_encoder.shared_embedding.positional_embedding"] += 1
    torch.save(tensors, tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match="hold different numbers"):
        from_checkpoint(SAM, tmp_path / "model.bin", None)


def published(variant: str) -> dict[str, tuple[int, ...]]:
    architecture = SAM.architecture(variant)
    with torch.device("meta"):
        network = SAM.build(architecture, architecture.input_size)
    own = network.state_dict()
    return {b.originals[0]: tuple(own[b.targets[0]].shape) for b in network.bindings()}


@pytest.mark.parametrize("variant", SIZES)
def test_the_published_models_are_known_in_both_namings(variant: str) -> None:
    width, depth, heads, everywhere = SIZES[variant]
    vision = SamVisionConfig(
        hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads,
        global_attn_indexes=everywhere, mlp_dim=4 * width,
    )  # fmt: skip
    with torch.device("meta"):
        model = SamModel(SamConfig(vision_config=vision))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = in_original_names(in_memory(shapes))
    assert found.shapes == published(variant)
    assert SAM.recognise(found.shapes).variant == variant


def test_a_model_trained_at_another_size_is_refused() -> None:
    shapes = published("vit_b")
    shapes["image_encoder.pos_embed"] = (1, 16, 16, 768)
    for block in (2, 5, 8, 11):
        for axis in "hw":
            shapes[f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"] = (31, 64)
    assert SAM.recognise(shapes).variant == "vit_b", "the tables are named as mis-shaped"


def in_memory(shapes: Mapping[str, tuple[int, ...]]) -> Checkpoint:
    dtypes = dict.fromkeys(shapes, torch.float32)
    return Checkpoint(Path("x.pth"), shapes, dtypes, (), {}, lambda name: torch.ones(shapes[name]))


def timms_name(name: str) -> str:
    """Return timm's name of a tensor of MobileSAM."""
    if not name.startswith("image_encoder.") or ".neck." in name:
        return name
    for finer, coarser in enumerate((1, 2, 3)):
        name = name.replace(f"layers.{finer}.downsample", f"stages.{coarser}.downsample")
    name = name.replace("patch_embed.seq.0", "patch_embed.conv1")
    name = name.replace("patch_embed.seq.2", "patch_embed.conv2")
    return name.replace("layers.", "stages.").replace(".c.", ".conv.")


def test_mobilesam_with_timms_names_is_read() -> None:
    architecture = MOBILESAM.architecture("vit_t")
    with torch.device("meta"):
        network = MOBILESAM.build(architecture, 1024)
    own = network.state_dict()
    shapes = {b.originals[0]: tuple(own[b.targets[0]].shape) for b in network.bindings()}
    renamed = {timms_name(name): shape for name, shape in shapes.items()}
    assert not renamed.keys() >= shapes.keys()
    assert in_original_names(in_memory(renamed)).shapes == shapes
