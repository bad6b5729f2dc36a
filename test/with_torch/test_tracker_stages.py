"""The tracker of SAM 3 at small sizes: what clicks mean, what memories do, and the ONNX files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam3_tracker_video.configuration_sam3_tracker_video import (
    Sam3TrackerVideoConfig,
)
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoMemoryAttention,
)

from sam3_ros.core.bundle.manifest import SingleMask
from sam3_ros.core.errors import CheckpointError
from sam3_ros.core.segmenter.interactive import choose_mask
from sam3_ros.core.stages.tensor_names import RANKS
from sam3_ros.export.models.sam3.mask_decoder import MaskDecoder
from sam3_ros.export.models.sam3.mask_prompt import MaskDownsampling
from sam3_ros.export.models.sam3.memory_attention import MemoryAttention, axial_rotation
from sam3_ros.export.models.sam3.memory_encoder import MemoryEncoder
from sam3_ros.export.models.sam3.object_pointer import ObjectPointer
from sam3_ros.export.models.sam3.prompt_encoder import PromptEncoder
from sam3_ros.export.models.sam3.tracker_neck import TrackerNeck
from sam3_ros.export.models.sam3.tracker_sizes import TrackerSizes
from sam3_ros.export.network import Network
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.stage import StageModule

pytestmark = pytest.mark.long

GRID = 6
SIZES = TrackerSizes(
    trunk_channels=32,
    width=64,
    decoder_layers=1,
    decoder_feedforward=96,
    iou_hidden=48,
    mask_prompt_channels=8,
    memory_width=16,
    memory_frames=5,
    memory_layers=2,
    memory_feedforward=80,
    fuser_layers=1,
    fuser_hidden=72,
    heads=8,
)
LENGTHS = {
    "prompts": (1, 2),
    "points": (1, 2, 9),
    "prompt_tokens": (2, 10),
    "memories": (1, 3, 7),
    "pointers": (0, 1, 16),
}


@pytest.fixture(scope="module")
def stages() -> dict[str, StageModule]:
    torch.manual_seed(0)
    made: dict[str, StageModule] = {
        "tracker_neck": TrackerNeck(SIZES, GRID),
        "prompt_encoder": PromptEncoder(SIZES, GRID),
        "mask_decoder": MaskDecoder(SIZES, GRID),
        "memory_encoder": MemoryEncoder(SIZES, GRID),
        "memory_attention": MemoryAttention(SIZES, GRID),
        "object_pointer": ObjectPointer(SIZES),
        "mask_prompt": MaskDownsampling(GRID),
    }
    for stage in made.values():
        for parameter in stage.eval().requires_grad_(False).parameters():
            nn.init.normal_(
                parameter, std=parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 1
            )
    return made


STAGES = (
    "tracker_neck",
    "prompt_encoder",
    "mask_decoder",
    "memory_encoder",
    "memory_attention",
    "object_pointer",
    "mask_prompt",
)


def combinations(stage: StageModule) -> Iterator[dict[str, int]]:
    names = stage.lengths()
    for lengths in itertools.product(*(LENGTHS[name] for name in names)):
        yield dict(zip(names, lengths, strict=True))


def answers(stage: StageModule, lengths: dict[str, int], **changed: Tensor) -> dict[str, Tensor]:
    inputs = {**stage.examples(lengths, seed=1), **changed}
    return dict(zip(stage.outputs, stage(*inputs.values()), strict=True))


@pytest.mark.parametrize("name", STAGES)
def test_the_onnx_file_computes_as_pytorch_at_every_length(
    stages: dict[str, StageModule], name: str, tmp_path: Path
) -> None:
    stage = stages[name]
    session = onnxruntime.InferenceSession(write_onnx(stage, tmp_path / "stage.onnx").path)
    for lengths in combinations(stage):
        inputs = stage.examples(lengths, seed=sum(lengths.values()))
        found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        for ours, expected in zip(found, stage(*inputs.values()), strict=True):
            np.testing.assert_allclose(ours, expected.numpy(), atol=2e-5, err_msg=str(lengths))


@pytest.mark.parametrize("name", STAGES)
def test_the_ranks_are_those_of_the_canonical_names(
    stages: dict[str, StageModule], name: str
) -> None:
    stage = stages[name]
    lengths = {length: LENGTHS[length][-1] for length in stage.lengths()}
    tensors = {**stage.examples(lengths, seed=0), **answers(stage, lengths)}
    known = {name: tensor.ndim for name, tensor in tensors.items() if name in RANKS}
    assert known == {name: RANKS[name] for name in known}
    assert set(tensors) - set(known) <= {"trunk", "sparse", "dense"}


@pytest.fixture(scope="module")
def original_shapes(stages: dict[str, StageModule]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the checkpoint that would fill the stages."""
    network = Network(stages, dict.fromkeys(stages, ("video",)))
    ours = network.state_dict()
    shapes = {}
    for binding in network.bindings():
        rows = [ours[target].shape for target in binding.targets]
        share = sum(shape[0] for shape in rows) // len(binding.originals)
        shapes.update(dict.fromkeys(binding.originals, (share, *rows[0][1:])))
    return shapes


def test_sizes_come_from_the_shapes(original_shapes: dict[str, tuple[int, ...]]) -> None:
    assert TrackerSizes.from_shapes(original_shapes) == SIZES
    assert original_shapes["tracker.sam_prompt_encoder.point_embeddings.3.weight"] == (1, 64)
    assert original_shapes["tracker.maskmem_backbone.mask_downsampler.encoder.12.bias"] == (64,)


def test_another_models_file_is_refused(original_shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(CheckpointError, match=r"sam2_convs.2.conv_1x1.weight is missing"):
        TrackerSizes.from_shapes({})
    holed = {n: s for n, s in original_shapes.items() if ".encoder.layers.0." not in n}
    with pytest.raises(CheckpointError, match=r"transformer.encoder.layers has the layers \[1\]"):
        TrackerSizes.from_shapes(holed)
    masks = {**original_shapes, "tracker.sam_mask_decoder.mask_tokens.weight": (3, 64)}
    with pytest.raises(CheckpointError, match="makes 3 masks, expected 4"):
        TrackerSizes.from_shapes(masks)


def test_sizes_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="a width of 40 is not divisible"):
        TrackerSizes(width=40, memory_width=8)
    with pytest.raises(ValueError, match="memory_layers must be at least 1, got 0"):
        TrackerSizes(memory_layers=0)


def test_single_images_get_the_embedding_of_no_memory(stages: dict[str, StageModule]) -> None:
    found = answers(stages["tracker_neck"], {})
    added = (found["sam_embed"] - found["frame_features"])[0, :, 2, 3]
    torch.testing.assert_close(added, stages["tracker_neck"].no_mem_embed[0, 0])


def clicks(stage: StageModule, coords: list[list[float]], labels: list[int]) -> Tensor:
    """Return the tokens of one prompt, f32[N+1,D]."""
    given = {"point_coords": torch.tensor([coords]), "point_labels": torch.tensor([labels])}
    return answers(stage, {"prompts": 1, "points": len(labels)}, **given)["sparse"][0]


def test_clicks_are_encoded_as_in_transformers(stages: dict[str, StageModule]) -> None:
    stage = stages["prompt_encoder"]
    coords, labels = [[3.0, 80.0], [40.0, 7.5], [70.0, 70.0]], [1, 0, -1]
    expected, _ = stage.encoder(torch.tensor([[coords]]), torch.tensor([[labels]]), None, None)
    torch.testing.assert_close(clicks(stage, coords, labels), expected[0, 0])


def test_a_box_is_its_two_corners(stages: dict[str, StageModule]) -> None:
    stage = stages["prompt_encoder"]
    expected, _ = stage.encoder(None, None, torch.tensor([[[10.0, 20.0, 70.0, 60.0]]]), None)
    found = clicks(stage, [[10.0, 20.0], [70.0, 60.0]], [2, 3])
    torch.testing.assert_close(found, expected[0, 0])


def test_padding_points_give_the_same_token_at_every_position(
    stages: dict[str, StageModule],
) -> None:
    found = clicks(stages["prompt_encoder"], [[0.0, 0.0], [50.0, 9.0]], [-1, -1])
    for token in found:
        torch.testing.assert_close(
            token, stages["prompt_encoder"].encoder.not_a_point_embed.weight[0]
        )


def test_a_mask_counts_only_where_has_mask_is_set(stages: dict[str, StageModule]) -> None:
    stage = stages["prompt_encoder"]
    lengths, none = {"prompts": 2, "points": 1}, stage.encoder.no_mask_embed.weight[0]
    mask = stage.examples(lengths, seed=3)["mask_input"]
    dense = answers(stage, lengths, mask_input=mask, has_mask=torch.tensor([0.0, 1.0]))["dense"]
    torch.testing.assert_close(dense[0], none[:, None, None].expand(-1, GRID, GRID))
    torch.testing.assert_close(dense[1], stage.encoder.mask_embed(mask[1:])[0])


def test_a_batch_of_prompts_gives_what_single_prompts_give(stages: dict[str, StageModule]) -> None:
    stage = stages["mask_decoder"]
    inputs = stage.examples({"prompts": 3, "prompt_tokens": 4}, seed=2)
    summed = stage(*inputs.values())
    for index in range(3):
        single = {n: t if n.startswith("sam") else t[index : index + 1] for n, t in inputs.items()}
        for one, several in zip(stage(*single.values()), summed, strict=True):
            torch.testing.assert_close(one[0], several[index], atol=1e-5, rtol=1e-5)


def test_masks_are_those_of_transformers_with_the_single_one_first(
    stages: dict[str, StageModule],
) -> None:
    stage = stages["mask_decoder"]
    inputs = stage.examples({"prompts": 1, "prompt_tokens": 4}, seed=2)
    found = dict(zip(stage.outputs, stage(*inputs.values()), strict=True))
    masks, iou, tokens, score = stage.decoder(
        image_embeddings=inputs["sam_embed"],
        image_positional_embeddings=stage._image_position(),
        sparse_prompt_embeddings=inputs["sparse"][:, None],
        dense_prompt_embeddings=inputs["dense"],
        multimask_output=True,
        high_resolution_features=[inputs["sam_s0"], inputs["sam_s1"]],
    )
    torch.testing.assert_close(found["sam_masks"][:, 1:], masks[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found["sam_iou"][:, 1:], iou[:, 0])
    torch.testing.assert_close(found["sam_tokens"][:, 1:], tokens[:, 0])
    torch.testing.assert_close(found["object_score"], score[:, 0])


@pytest.mark.parametrize("sharpness", [0.1, 100.0])
def test_the_core_chooses_the_mask_that_the_decoder_would(
    stages: dict[str, StageModule], sharpness: float
) -> None:
    stage = stages["mask_decoder"]
    found = answers(stage, {"prompts": 1, "prompt_tokens": 3})
    masks, iou = sharpness * found["sam_masks"], found["sam_iou"]
    (expected,), _ = stage.decoder._dynamic_multimask_via_stability(masks[None], iou[None])
    chosen = choose_mask(masks[0].numpy(), iou[0].numpy(), ambiguous=False, rule=SingleMask())
    assert (chosen == 0) is (sharpness > 1)
    torch.testing.assert_close(masks[0, chosen], expected[0, 0])


def test_the_memory_of_a_frame_without_the_object_is_marked(stages: dict[str, StageModule]) -> None:
    stage = stages["memory_encoder"]
    score = torch.tensor([[0.1], [0.0]])
    mask = stage.examples({"prompts": 1}, seed=4)["memory_mask"].expand(2, -1, -1, -1)
    seen, missed = answers(stage, {"prompts": 2}, memory_mask=mask, object_score=score).popitem()[1]
    torch.testing.assert_close((missed - seen)[:, 1, 2], stage.no_obj_embed_spatial[0])


def test_memories_are_encoded_as_in_transformers(stages: dict[str, StageModule]) -> None:
    stage = stages["memory_encoder"]
    inputs = stage.examples({"prompts": 1}, seed=5)
    present = answers(stage, {"prompts": 1}, **{**inputs, "object_score": torch.ones(1, 1)})
    expected, _ = stage.encoder(inputs["frame_features"], 20 * inputs["memory_mask"] - 10)
    torch.testing.assert_close(present["mask_memory"], expected)


@pytest.mark.parametrize("size", [(6 * GRID, 11 * GRID), (40 * GRID, 23 * GRID)])
def test_a_given_mask_becomes_a_prompt_of_four_pixels_a_cell(
    stages: dict[str, StageModule], size: tuple[int, int]
) -> None:
    stage = stages["mask_prompt"]
    (shape,) = (each.shape for each in stage.inputs.values())
    assert shape == ("prompts", 1, 16 * GRID, 16 * GRID)
    rows, columns = np.mgrid[: size[0], : size[1]]
    inside = np.hypot(rows - size[0] / 2, columns - size[1] / 3) < size[0] / 4
    given = torch.from_numpy(inside).float()[None, None]
    side = (16 * GRID, 16 * GRID)
    mask = F.interpolate(given, side, mode="bilinear", align_corners=False, antialias=True)
    assert ((mask > 0) & (mask < 1)).any(), "the edge is not cut again"

    (found,) = stage(mask)

    blocks = mask.reshape(
        4 * GRID, 4, 4 * GRID, 4
    ).double()  # rows, in a block, columns, in a block
    layer = stage.mask_downsample
    expected = torch.einsum("ricj,ij->rc", blocks, layer.weight[0, 0].double()) + layer.bias
    torch.testing.assert_close(found[0, 0].double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("memories", [1, 2, 5])
@pytest.mark.parametrize("pointers", [1, 3])
def test_memories_are_attended_to_as_in_transformers(
    stages: dict[str, StageModule], memories: int, pointers: int
) -> None:
    stage = stages["memory_attention"]
    inputs = stage.examples({"memories": memories, "pointers": pointers}, seed=6)
    places = torch.cat(
        [
            stage._memory_positions(inputs["memory_ages"]).flatten(0, 1),
            stage._pointer_positions(inputs["pointer_ages"]),
        ]
    )
    tokens = torch.cat(
        [
            inputs["memories"].flatten(2).transpose(1, 2).flatten(0, 1),
            inputs["object_pointers"].reshape(-1, SIZES.memory_width),
        ]
    )
    expected = their_attention(stage)(
        current_vision_features=inputs["frame_features"].flatten(2).permute(2, 0, 1),
        current_vision_position_embeddings=stage.frame_position.transpose(0, 1),
        memory=tokens[:, None],
        memory_posision_embeddings=places[:, None],
        num_object_pointer_tokens=pointers * SIZES.width // SIZES.memory_width,
    )
    (found,) = stage(*inputs.values())
    torch.testing.assert_close(
        found.flatten(2).transpose(1, 2), expected[:, 0], atol=2e-5, rtol=1e-5
    )


def their_attention(stage: StageModule) -> nn.Module:
    """Return transformers' memory attention with the same weights."""
    config = Sam3TrackerVideoConfig(image_size=14 * GRID, memory_attention_hidden_size=SIZES.width)
    theirs = Sam3TrackerVideoMemoryAttention(config).eval()
    theirs.layers, theirs.layer_norm = stage.layers, stage.norm
    return theirs


def test_the_order_of_memories_and_pointers_does_not_matter(stages: dict[str, StageModule]) -> None:
    stage = stages["memory_attention"]
    lengths = {"memories": 4, "pointers": 3}
    inputs = stage.examples(lengths, seed=7)
    swapped = {n: t if n == "frame_features" else t.flip(0) for n, t in inputs.items()}
    torch.testing.assert_close(
        stage(*inputs.values())[0], stage(*swapped.values())[0], atol=2e-5, rtol=1e-5
    )


def test_frames_with_clicks_take_the_last_row_of_the_table(stages: dict[str, StageModule]) -> None:
    stage = stages["memory_attention"]
    rows = stage._memory_positions(torch.tensor([0, 1, 4])) - stage.memory_position
    table = stage.maskmem_tpos_enc[[4, 0, 3], 0]
    torch.testing.assert_close(rows, table.expand(-1, GRID * GRID, -1), atol=1e-6, rtol=1e-5)


def test_rotation_is_the_product_with_a_complex_number() -> None:
    width, grid = 16, 3
    cosine, sine = axial_rotation(width, grid)
    cell = torch.arange(grid * grid)
    frequencies = 10000.0 ** -(torch.arange(width // 4) * 4 / width)
    angle = torch.cat(
        [(cell % grid)[:, None] * frequencies, (cell // grid)[:, None] * frequencies], dim=1
    )
    torch.testing.assert_close(torch.complex(cosine, sine)[:, ::2], torch.exp(1j * angle))
    torch.testing.assert_close(torch.complex(cosine, sine)[:, 1::2], torch.exp(1j * angle))


def test_an_absent_object_has_the_pointer_of_no_object(
    stages: dict[str, StageModule],
) -> None:
    stage = stages["object_pointer"]
    score = torch.tensor([[0.1], [0.0]])
    found = answers(stage, {"prompts": 2}, object_score=score)["pointers"]
    torch.testing.assert_close(found[1], stage.no_obj_ptr.expand(4, -1))
    assert not torch.allclose(found[0, 1], found[0, 2])
