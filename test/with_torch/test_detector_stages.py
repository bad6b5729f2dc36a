"""SAM 3's detector at small sizes: its contract, what it must not depend on, and the ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from small_detector import GRID, SIZES, answers, combinations, longest, small_detector
from torch import nn
from transformers.models.sam3.configuration_sam3 import Sam3DETREncoderConfig
from transformers.models.sam3.modeling_sam3 import Sam3DetrEncoder

from sam3_ros.core.stages.tensor_names import RANKS
from sam3_ros.export.models.sam3 import fusion as fusion_module
from sam3_ros.export.models.sam3.segmentation import RowwiseGroupNorm
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.stage import StageModule

pytestmark = pytest.mark.long

STAGES = (
    "detector_neck",
    "detector_pyramid",
    "fusion_image",
    "geometry",
    "fusion",
    "decoder",
    "scoring",
    "segmentation",
)
ON_IMAGES = 3  # of these know no prompt
READERS = ("fusion", "decoder", "scoring", "segmentation")  # of the prompt


@pytest.fixture(scope="module")
def stages() -> dict[str, StageModule]:
    return small_detector()


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
            np.testing.assert_allclose(
                ours, expected.numpy(), atol=2e-5, rtol=1e-5, err_msg=str(lengths)
            )


@pytest.mark.parametrize("name", STAGES)
def test_the_ranks_are_those_of_the_canonical_names(
    stages: dict[str, StageModule], name: str
) -> None:
    stage = stages[name]
    inputs = stage.examples(longest(stage), seed=0)
    ranks = {name: tensor.ndim for name, tensor in {**inputs, **answers(stage, inputs)}.items()}
    known = {name: RANKS.get(name, ranks[name]) for name in ranks}
    assert ranks == known


def test_the_shapes_are_those_of_the_contract(stages: dict[str, StageModule]) -> None:
    lengths = {"prompts": 2, "boxes": 3, "tokens": 5, "queries": 10, "kept": 4}
    shapes = {
        name: tuple(tensor.shape)
        for stage in stages.values()
        for name, tensor in answers(stage, stage.examples(lengths, seed=0)).items()
    }
    assert shapes == {
        "fpn0": (1, 64, 24, 24),
        "fpn1": (1, 64, 12, 12),
        "fpn2": (1, 64, 6, 6),
        "places": (1, 36, 64),
        "geometry_features": (2, 4, 64),
        "geometry_mask": (2, 4),
        "memory": (2, 36, 64),
        "queries": (2, 10, 64),
        "pred_boxes": (2, 10, 4),
        "presence": (2, 1),
        "logits": (2, 10),
        "masks": (2, 4, 24, 24),
        "semantic": (2, 1, 24, 24),
    }


@pytest.mark.parametrize("name", STAGES[ON_IMAGES:])
def test_a_batch_of_prompts_gives_what_single_prompts_give(
    stages: dict[str, StageModule], name: str
) -> None:
    stage = stages[name]
    inputs = stage.examples(longest(stage), seed=3)
    summed = answers(stage, inputs)
    for row in range(2):
        single = {
            name: tensor[row : row + 1] if 0 in stage.inputs[name].growing else tensor
            for name, tensor in inputs.items()
        }
        for output, alone in answers(stage, single).items():
            torch.testing.assert_close(summed[output][row : row + 1], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", READERS)
def test_content_and_number_of_padding_tokens_do_not_matter(
    stages: dict[str, StageModule], name: str
) -> None:
    stage = stages[name]
    inputs = stage.examples({**longest(stage), "tokens": 9}, seed=4)
    valid = torch.arange(9).expand(2, -1) < 5
    padded = {**inputs, "prompt_mask": valid}
    padded["prompt"] = torch.where(valid[..., None], inputs["prompt"], torch.tensor(7.0))
    cut = {**inputs, "prompt": inputs["prompt"][:, :5], "prompt_mask": valid[:, :5]}
    for output, expected in answers(stage, cut).items():
        torch.testing.assert_close(answers(stage, padded)[output], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", READERS)
def test_every_valid_token_counts(stages: dict[str, StageModule], name: str) -> None:
    stage = stages[name]
    inputs = stage.examples({**longest(stage), "prompts": 1, "tokens": 4}, seed=5)
    inputs["prompt_mask"] = torch.ones(1, 4, dtype=torch.bool)
    before = answers(stage, inputs)[stage.outputs[0]]
    inputs["prompt"][0, 3] *= -1
    assert (answers(stage, inputs)[stage.outputs[0]] - before).abs().max() > 1e-3


def test_chunked_attention_gives_the_same_numbers(
    stages: dict[str, StageModule], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stages["fusion"]
    inputs = stage.examples(longest(stage), seed=7)
    at_once = answers(stage, inputs)["memory"]
    monkeypatch.setattr(fusion_module, "QUERIES_AT_A_TIME", 7)
    torch.testing.assert_close(answers(stage, inputs)["memory"], at_once, atol=1e-5, rtol=1e-5)


def test_fusion_computes_what_transformers_does(stages: dict[str, StageModule]) -> None:
    image, stage = stages["fusion_image"], stages["fusion"]
    fpn2 = image.examples({}, seed=8)["fpn2"]
    inputs = stage.examples({"prompts": 1, "tokens": 5}, seed=8)
    inputs["places"] = answers(image, {"fpn2": fpn2})["places"]
    table = stage.positions.transpose(1, 2).unflatten(2, (GRID, GRID))
    theirs = whole_encoder(image, stage)(
        [fpn2], inputs["prompt"], [table], inputs["prompt_mask"]
    ).last_hidden_state
    torch.testing.assert_close(answers(stage, inputs)["memory"], theirs, atol=1e-5, rtol=1e-5)


def whole_encoder(image: StageModule, stage: StageModule) -> Sam3DetrEncoder:
    """Return transformers' own encoder with the weights of both stages."""
    config = Sam3DETREncoderConfig(
        hidden_size=SIZES.width,
        num_layers=SIZES.fusion_layers,
        num_attention_heads=SIZES.heads,
        intermediate_size=SIZES.feedforward,
        attn_implementation="eager",
    )
    encoder = Sam3DetrEncoder(config).eval()
    encoder.load_state_dict({**image.state_dict(), **stage.state_dict()})
    return encoder


def test_decoder_computes_what_transformers_does(stages: dict[str, StageModule]) -> None:
    stage = stages["decoder"]
    inputs = stage.examples({"prompts": 2, "tokens": 5}, seed=9)
    theirs = stage.decoder(
        inputs["memory"],
        inputs["prompt"],
        stage.positions.expand(2, -1, -1),
        inputs["prompt_mask"],
        torch.tensor([[GRID, GRID]]),
    )
    found = answers(stage, inputs)
    last = theirs.intermediate_hidden_states[-1]
    torch.testing.assert_close(found["queries"], last, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found["presence"], theirs.presence_logits[-1], atol=1e-5, rtol=1e-5)
    assert ((found["pred_boxes"] >= 0) & (found["pred_boxes"] <= 1)).all()


def test_the_presence_is_not_clamped(stages: dict[str, StageModule]) -> None:
    stage = stages["decoder"]
    inputs = stage.examples({"prompts": 1, "tokens": 2}, seed=10)
    before = answers(stage, inputs)["presence"]
    bias = stage.decoder.presence_head.layer3.bias
    bias += 40
    try:
        raised = answers(stage, inputs)["presence"]
    finally:
        bias -= 40
    torch.testing.assert_close(raised, before + 40)


def test_segmentation_computes_what_transformers_does(stages: dict[str, StageModule]) -> None:
    stage = stages["segmentation"]
    inputs = stage.examples({"prompts": 1, "tokens": 5, "kept": 3}, seed=11)
    coarse = torch.zeros(1, 64, GRID, GRID)  # its size is read, nothing else
    theirs = stage.head(
        inputs["queries"],
        [inputs["fpn0"], inputs["fpn1"], coarse],
        inputs["memory"],
        inputs["prompt"],
        inputs["prompt_mask"],
    )
    found = answers(stage, inputs)
    torch.testing.assert_close(found["masks"], theirs.pred_masks, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found["semantic"], theirs.semantic_seg, atol=1e-4, rtol=1e-5)


def test_the_group_norm_is_the_usual_one() -> None:
    torch.manual_seed(13)
    ours, usual = RowwiseGroupNorm(8, 64), nn.GroupNorm(8, 64)
    usual.load_state_dict({name: torch.randn(64) for name in ("weight", "bias")})
    ours.load_state_dict(usual.state_dict())
    pixels = 3 * torch.randn(2, 64, 5, 7) + 20
    torch.testing.assert_close(ours(pixels), usual(pixels), atol=1e-5, rtol=1e-5)


def test_logits_stay_within_twelve(stages: dict[str, StageModule]) -> None:
    stage = stages["scoring"]
    inputs = stage.examples({"prompts": 1, "queries": 10, "tokens": 3}, seed=12)
    inputs["queries"] *= 1e4
    assert answers(stage, inputs)["logits"].abs().max() == 12
