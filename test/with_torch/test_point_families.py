"""SAM and models like it: names, sizes, numbers, and the path from an image to a mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers.models.sam.configuration_sam import (
    SamConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from transformers.models.sam.modeling_sam import SamModel

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter
from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.export.families.efficientvit_sam import EFFICIENTVIT_SAM
from sam3_ros.export.families.mobilesam import MOBILESAM
from sam3_ros.export.families.point_family import PointArchitecture, PointFamily
from sam3_ros.export.families.sam import SAM
from sam3_ros.export.models.points.efficientvit_large import EfficientVitSamSizes, Resolution
from sam3_ros.export.models.points.sam_decoder import (
    PROMPT_SPACE,
    MaskDecoderStage,
    PromptEncoderStage,
    SamDecoderSizes,
)
from sam3_ros.export.models.points.sam_vit import SamVitSizes
from sam3_ros.export.models.points.tiny_vit_sam import TinyVitSamSizes
from sam3_ros.export.models.trunks.tinyvit import TinyVitSizes
from sam3_ros.export.network import Network
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.stage import StageModule
from sam3_ros.export.weights.batch_norms import calibrate_batch_norms
from sam3_ros.export.weights.random_weights import fill_randomly

pytestmark = pytest.mark.long

REAL = [(family, v) for family in (EFFICIENTVIT_SAM, MOBILESAM, SAM) for v in family.variants]
DECODER = SamDecoderSizes(channels=32, heads=4, mlp=48)
LARGE = EfficientVitSamSizes(
    (
        Resolution(8, 1, "res", 1),
        Resolution(8, 1, "fmb", 2),
        Resolution(8, 1, "fmb", 2),
        Resolution(16, 1, "mb", 2),
        Resolution(16, 1, "att", 2),
    ),
    kernel=5,
    neck_depth=1,
    neck_expand=1,
    head=8,
    neck_width=16,
    channels=32,
    cells=8,
)
EXTRA_LARGE = replace(
    LARGE,
    resolutions=(*LARGE.resolutions[:3], Resolution(8, 1, "att", 2), *LARGE.resolutions[4:]),
    kernel=3,
    neck_expand=2,
)
TINY = TinyVitSamSizes(
    TinyVitSizes((8, 16, 16, 32), (1, 1, 1, 1), (2, 2, 4), (3, 4, 3), last_stride=1), channels=32
)
VIT = SamVitSizes(16, 3, 2, (1,), mlp=24, window=4, channels=32, cells=6)
SMALL = {
    "large": replace(
        EFFICIENTVIT_SAM,
        architectures=(PointArchitecture("l", LARGE, replace(DECODER, norm_eps=1e-6), 64),),
    ),
    "extra large": replace(
        EFFICIENTVIT_SAM,
        architectures=(PointArchitecture("xl", EXTRA_LARGE, replace(DECODER, norm_eps=1e-6), 96),),
    ),
    "sam": replace(SAM, architectures=(PointArchitecture("v", VIT, DECODER, 96),), read=None),
    "mobile": replace(MOBILESAM, architectures=(PointArchitecture("t", TINY, DECODER, 96),)),
}


def original_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    own = network.state_dict()
    return {b.originals[0]: tuple(own[b.targets[0]].shape) for b in network.bindings()}


def shapes_of(family: PointFamily, variant: str) -> dict[str, tuple[int, ...]]:
    architecture = family.architecture(variant)
    with torch.device("meta"):
        return original_shapes(family.build(architecture, architecture.input_size))


@pytest.fixture(scope="module")
def real_shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    return {variant: shapes_of(family, variant) for family, variant in REAL}


@pytest.mark.parametrize(
    ("variant", "parameters", "tensors"),
    [
        ("l0", 34_792_784, 409),  # 34.8M as published, and so on
        ("l1", 47_650_128, 515),
        ("l2", 61_328_592, 645),
        ("xl0", 116_957_904, 455),
        ("xl1", 203_346_128, 701),
        ("vit_t", 10_130_092 - 321_640, 435),  # without the classifier
        ("vit_b", 93_735_472, 314),
        ("vit_l", 312_342_832, 482),
        ("vit_h", 641_090_608, 594),
    ],
)
def test_sizes_are_the_published_ones(
    real_shapes: dict[str, dict[str, tuple[int, ...]]], variant: str, parameters: int, tensors: int
) -> None:
    shapes = real_shapes[variant]
    buffers = ("running_mean", "running_var", "num_batches_tracked", "gaussian_matrix")
    counted = sum(prod(shape) for name, shape in shapes.items() if not name.endswith(buffers))
    assert (counted, len(shapes)) == (parameters, tensors)


@pytest.mark.parametrize(
    ("variant", "name", "shape"),
    [
        ("l0", "image_encoder.backbone.stages.0.op_list.1.main.conv2.norm.running_var", (32,)),
        ("l0", "image_encoder.backbone.stages.3.op_list.0.main.depth_conv.conv.bias", (2048,)),
        (
            "l0",
            "image_encoder.backbone.stages.4.op_list.4.context_module.main.aggreg.0.0.weight",
            (1536, 1, 5, 5),
        ),
        ("l0", "image_encoder.neck.input_ops.2.op_list.0.conv.weight", (256, 128, 1, 1)),
        ("l0", "image_encoder.neck.output_ops.0.op_list.0.conv.bias", (256,)),
        (
            "xl0",
            "image_encoder.neck.middle.op_list.5.main.spatial_conv.conv.weight",
            (1024, 256, 3, 3),
        ),
        ("vit_t", "image_encoder.patch_embed.seq.2.bn.weight", (64,)),
        ("vit_t", "image_encoder.layers.2.blocks.5.attn.attention_biases", (5, 196)),
        ("vit_t", "image_encoder.layers.2.downsample.conv2.c.weight", (320, 1, 3, 3)),
        ("vit_t", "image_encoder.neck.3.weight", (256,)),
        ("vit_b", "image_encoder.pos_embed", (1, 64, 64, 768)),
        ("vit_b", "image_encoder.patch_embed.proj.weight", (768, 3, 16, 16)),
        ("vit_b", "image_encoder.blocks.0.attn.rel_pos_h", (27, 64)),
        ("vit_b", "image_encoder.blocks.2.attn.rel_pos_w", (127, 64)),
        ("vit_l", "image_encoder.blocks.23.attn.rel_pos_w", (127, 64)),
        ("vit_l", "image_encoder.neck.2.weight", (256, 256, 3, 3)),
        ("vit_h", "image_encoder.blocks.7.attn.rel_pos_h", (127, 80)),
        ("vit_h", "image_encoder.blocks.31.attn.qkv.bias", (3840,)),
        ("vit_h", "image_encoder.blocks.31.mlp.lin1.weight", (5120, 1280)),
        ("vit_h", "mask_decoder.mask_tokens.weight", (4, 256)),
        ("vit_t", "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", (2, 128)),
        ("vit_t", "prompt_encoder.mask_downscaling.6.weight", (256, 16, 1, 1)),
        ("vit_t", "mask_decoder.transformer.layers.1.norm4.bias", (256,)),
        ("vit_t", "mask_decoder.transformer.norm_final_attn.weight", (256,)),
        ("vit_t", "mask_decoder.output_upscaling.3.weight", (64, 32, 2, 2)),
        ("vit_t", "mask_decoder.output_hypernetworks_mlps.3.layers.1.weight", (256, 256)),
        ("vit_t", "mask_decoder.iou_prediction_head.layers.2.weight", (4, 256)),
    ],
)
def test_tensors_have_the_names_of_the_checkpoints(
    real_shapes: dict[str, dict[str, tuple[int, ...]]],
    variant: str,
    name: str,
    shape: tuple[int, ...],
) -> None:
    assert real_shapes[variant][name] == shape


def test_a_variant_is_recognised_even_with_a_damaged_tensor(
    real_shapes: dict[str, dict[str, tuple[int, ...]]],
) -> None:
    shapes = dict(real_shapes["l1"])
    shapes["renamed"] = shapes.pop(
        "image_encoder.backbone.stages.4.op_list.6.local_module.main.point_conv.conv.weight"
    )
    shapes["image_encoder.neck.output_ops.0.op_list.0.conv.weight"] = (1, 256, 256, 1)
    assert EFFICIENTVIT_SAM.recognise(shapes).variant == "l1"


def test_mobilesam_is_recognised_with_its_classifier(
    real_shapes: dict[str, dict[str, tuple[int, ...]]],
) -> None:
    classifier = {"image_encoder.norm_head.bias": (320,), "image_encoder.head.weight": (1000, 320)}
    assert MOBILESAM.recognise({**real_shapes["vit_t"], **classifier}).variant == "vit_t"


def test_another_models_checkpoint_is_refused(
    real_shapes: dict[str, dict[str, tuple[int, ...]]],
) -> None:
    with pytest.raises(
        CheckpointError, match=r"not a checkpoint of EfficientViT-SAM.*137 of its 409"
    ):
        EFFICIENTVIT_SAM.recognise(real_shapes["vit_t"])


@pytest.mark.parametrize(
    ("family", "variant", "size"),
    [
        (EFFICIENTVIT_SAM, "l0", 500),
        (EFFICIENTVIT_SAM, "xl0", 544),
        (MOBILESAM, "vit_t", 1000),
        (SAM, "vit_b", 1000),
    ],
)
def test_an_input_size_that_is_not_divisible_is_refused(
    family: PointFamily, variant: str, size: int
) -> None:
    with pytest.raises(ExportError, match=f"input size of {size} px: {variant} takes multiples"):
        family.build(family.architecture(variant), size)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ExportError, match=r"EfficientViT-SAM has no variant 'l9': l0, l1"):
        EFFICIENTVIT_SAM.architecture("l9")


def test_settings_are_those_of_sam() -> None:
    settings = MOBILESAM.settings(MOBILESAM.architecture("vit_t"), 512)
    assert settings.interactive is not None
    assert settings.preprocessing.fit == "longest_side"
    assert settings.interactive.prompt_space.width == PROMPT_SPACE
    assert settings.interactive.mask_input.height == 128
    large = EFFICIENTVIT_SAM.settings(EFFICIENTVIT_SAM.architecture("l0"), 256)
    assert large.interactive.mask_input.height == 256


def filled(family: PointFamily) -> Network:
    (architecture,) = family.architectures
    network = family.build(architecture, architecture.input_size)
    fill_randomly(network, seed=0)
    calibrate_batch_norms(network, seed=0)
    return network


@pytest.fixture(scope="module", params=["large", "mobile", "sam"])
def small(request: pytest.FixtureRequest) -> tuple[PointFamily, Network]:
    family = SMALL[request.param]
    return family, filled(family)


def stages(network: Network) -> tuple[PromptEncoderStage, MaskDecoderStage]:
    prompts, masks = network.stages()["prompt_encoder"], network.stages()["mask_decoder"]
    assert isinstance(prompts, PromptEncoderStage)
    assert isinstance(masks, MaskDecoderStage)
    return prompts, masks


def transformers_model(network: Network, grid: int, norm_eps: float) -> SamModel:
    """Return transformers' own SAM with the same decoder, for embeddings of grid x grid."""
    patch = PROMPT_SPACE // grid
    vision = SamVisionConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, patch_size=patch,
        global_attn_indexes=[0], num_pos_feats=DECODER.channels // 2,
        output_channels=DECODER.channels,
    )  # fmt: skip
    decoder = SamMaskDecoderConfig(
        hidden_size=DECODER.channels, mlp_dim=DECODER.mlp, num_attention_heads=DECODER.heads,
        iou_head_hidden_dim=DECODER.channels, layer_norm_eps=norm_eps,
    )  # fmt: skip
    prompts = SamPromptEncoderConfig(hidden_size=DECODER.channels, patch_size=patch)
    config = SamConfig(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )
    model = SamModel(config).eval()
    prompt_encoder, mask_decoder = stages(network)
    model.prompt_encoder.load_state_dict(prompt_encoder.prompt_encoder.state_dict())
    model.mask_decoder.load_state_dict(mask_decoder.mask_decoder.state_dict())
    model.shared_image_embedding.load_state_dict(mask_decoder.shared_embedding.state_dict())
    model.mask_decoder.transformer.layer_norm_final_attn.eps = norm_eps
    return model


def reference(family: PointFamily, network: Network) -> SamModel:
    (architecture,) = family.architectures
    grid = architecture.image.grid(architecture.input_size)
    return transformers_model(network, grid, architecture.decoder.norm_eps)


def test_the_decoder_computes_what_transformers_does(small: tuple[PointFamily, Network]) -> None:
    family, network = small
    model = reference(family, network)
    prompt_encoder, mask_decoder = stages(network)
    grid = model.prompt_encoder.image_embedding_size[0]
    embed = torch.randn(1, DECODER.channels, grid, grid)
    points, labels = torch.rand(1, 2, 3, 2) * PROMPT_SPACE, torch.tensor([[[1, 0, 1], [1, 1, 0]]])
    padded = torch.cat([points[0], torch.zeros(2, 1, 2)], dim=1)
    padded_labels = torch.cat([labels[0], torch.full((2, 1), -1)], dim=1)
    with torch.no_grad():
        theirs = [
            model(image_embeddings=embed, input_points=points, input_labels=labels,
                  multimask_output=several)
            for several in (False, True)
        ]  # fmt: skip
        no_mask = torch.zeros(2, 1, 4 * grid, 4 * grid)
        masks, iou = mask_decoder(
            embed, *prompt_encoder(padded, padded_labels, no_mask, torch.zeros(2))
        )
    wanted = torch.cat([answer.pred_masks[0] for answer in theirs], dim=1)
    torch.testing.assert_close(masks, wanted, atol=1e-5, rtol=1e-5)
    wanted = torch.cat([answer.iou_scores[0] for answer in theirs], dim=1)
    torch.testing.assert_close(iou, wanted, atol=1e-5, rtol=1e-5)


def test_a_box_and_a_mask_are_encoded_as_in_transformers(
    small: tuple[PointFamily, Network],
) -> None:
    family, network = small
    model = reference(family, network)
    prompt_encoder, mask_decoder = stages(network)
    grid = model.prompt_encoder.image_embedding_size[0]
    embed = torch.randn(1, DECODER.channels, grid, grid)
    box, point = torch.tensor([[100.0, 200.0, 500.0, 700.0]]), torch.tensor([[300.0, 400.0]])
    mask = torch.randn(1, 1, 4 * grid, 4 * grid)
    corners = torch.cat([point[None], box.reshape(1, 2, 2)], dim=1)
    with torch.no_grad():
        theirs = model(
            image_embeddings=embed,
            input_points=point[None, None],
            input_labels=torch.ones(1, 1, 1, dtype=torch.int64),
            input_boxes=box[None],
            input_masks=mask,
        )
        tokens = prompt_encoder(corners, torch.tensor([[1, 2, 3]]), mask, torch.ones(1))
        masks, _ = mask_decoder(embed, *tokens)
    torch.testing.assert_close(masks[:, 1:], theirs.pred_masks[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grid", [3, 4, 7])
def test_a_click_has_the_position_of_its_cell_at_every_grid(grid: int) -> None:
    prompts, masks = PromptEncoderStage(DECODER, grid), MaskDecoderStage(DECODER, grid)
    masks.shared_embedding.load_state_dict(prompts.prompt_encoder.shared_embedding.state_dict())
    torch.nn.init.zeros_(prompts.prompt_encoder.point_embed[1].weight)
    cell = (torch.arange(grid) + 0.5) * PROMPT_SPACE / grid - 0.5
    y, x = torch.meshgrid(cell, cell, indexing="ij")
    clicks = torch.stack([x, y], dim=-1).reshape(1, -1, 2)
    labels = torch.ones(1, grid * grid, dtype=torch.int64)
    with torch.no_grad():
        sparse, _ = prompts(clicks, labels, torch.zeros(1, 1, 4 * grid, 4 * grid), torch.zeros(1))
        cells = masks._positions().flatten(2).transpose(1, 2)
    torch.testing.assert_close(sparse, cells, atol=1e-4, rtol=0)


def test_features_depend_on_the_image(small: tuple[PointFamily, Network]) -> None:
    _, network = small
    image = network.stages()["image"]
    with torch.no_grad():
        first, second = (image(*image.examples({}, seed).values())[0] for seed in (1, 2))
    assert (first - second).abs().mean() > 0.1 * first.std()


@pytest.mark.parametrize("size", [64, 128])
def test_the_grid_follows_the_input_size_where_the_neck_does_not_fix_it(size: int) -> None:
    grids = {"large": 8, "mobile": size // 16, "sam": size // 16}
    for family, grid in ((SMALL[name], grid) for name, grid in grids.items()):
        network = family.build(family.architectures[0], size)
        image, masks = network.stages()["image"], network.stages()["mask_decoder"]
        with torch.no_grad():
            (embed,) = image(*image.examples({}, 0).values())
        assert embed.shape == (1, DECODER.channels, grid, grid)
        assert masks.inputs["sam_embed"].shape == embed.shape


@pytest.fixture(scope="module")
def bundle(small: tuple[PointFamily, Network], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    family, network = small
    (architecture,) = family.architectures
    folder = tmp_path_factory.mktemp("points")
    settings = family.settings(architecture, architecture.input_size)
    with BundleWriter(folder / "bundle") as writer:
        for name, stage in network.stages().items():
            file = write_onnx(stage, folder / f"{name}.onnx")
            own = {tensor: tensor for tensor in stage.inputs}
            writer.add_stage(name, own, {o: o for o in stage.outputs}, {"fp32": file.path})
        return writer.finish(
            BundleDescription(
                name=family.name,
                description=family.title,
                licence=family.licence,
                source={},
                preprocessing=settings.preprocessing,
                interactive=settings.interactive,
            )
        )


def assert_answers_as(stage: StageModule, file: Path, lengths: dict[str, int]) -> None:
    session = onnxruntime.InferenceSession(file)
    inputs = stage.examples(lengths, seed=sum(lengths.values()))
    feeds = {name: tensor.numpy() for name, tensor in inputs.items()}
    with torch.no_grad():
        wanted = stage(*inputs.values())
    for ours, theirs in zip(session.run(list(stage.outputs), feeds), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("prompts", "count"), [(1, 1), (1, 9), (2, 1), (2, 4), (3, 2)])
def test_onnx_computes_what_pytorch_does(
    small: tuple[PointFamily, Network], bundle: Bundle, prompts: int, count: int
) -> None:
    _, network = small
    lengths = {"prompts": prompts, "points": count, "tokens": count}
    for name, stage in network.stages().items():
        assert_answers_as(stage, bundle.stage_file(name, "fp32"), lengths)


def test_a_head_that_attends_to_nothing_computes_as_in_pytorch(tmp_path: Path) -> None:
    image = filled(SMALL["extra large"]).stages()["image"]
    qkv = image.backbone.stages[4].op_list[1].context_module.main.qkv.conv
    torch.nn.init.zeros_(qkv.weight)
    assert_answers_as(image, write_onnx(image, tmp_path / "image.onnx").path, {})


def test_the_decoders_onnx_has_no_branches(bundle: Bundle) -> None:
    for stage in ("prompt_encoder", "mask_decoder"):
        nodes = onnx.load(bundle.stage_file(stage, "fp32")).graph.node
        assert not {"If", "Loop", "Scan", "NonZero"}.intersection(node.op_type for node in nodes)


def picture(height: int, width: int) -> npt.NDArray[np.uint8]:
    coarse = np.random.default_rng(height).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


class SamPredictor:
    """SAM's predictor, from an image and a prompt to mask logits, without our core."""

    def __init__(self, family: PointFamily, network: Network) -> None:
        (architecture,) = family.architectures
        self.size = architecture.input_size
        self.image = network.stages()["image"]
        self.model = reference(family, network)

    def logits(
        self,
        image: npt.NDArray[np.uint8],
        points: list[tuple[float, float]],
        box: tuple[float, ...] | None,
        several: bool,
    ) -> tuple[Tensor, Tensor]:
        """Return mask logits f32[masks, H, W] and IoU scores f32[masks]."""
        height, width = image.shape[:2]
        inner = _content(height, width, PROMPT_SPACE)
        scale = torch.tensor([inner[1] / width, inner[0] / height])
        prompt: dict[str, Tensor] = {}
        if points:
            prompt["input_points"] = (torch.tensor(points) * scale)[None, None]
            prompt["input_labels"] = torch.ones(1, 1, len(points), dtype=torch.int64)
        if box is not None:
            prompt["input_boxes"] = (torch.tensor(box).reshape(2, 2) * scale).reshape(1, 1, 4)
        with torch.no_grad():
            (embed,) = self.image(self._pixels(image))
            answer = self.model(image_embeddings=embed, multimask_output=several, **prompt)
        frame = (PROMPT_SPACE, PROMPT_SPACE)
        padded = F.interpolate(answer.pred_masks[0], frame, mode="bilinear", align_corners=False)
        cropped = padded[..., : inner[0], : inner[1]]
        masks = F.interpolate(cropped, (height, width), mode="bilinear", align_corners=False)
        return masks[0], answer.iou_scores[0, 0]

    def _pixels(self, image: npt.NDArray[np.uint8]) -> Tensor:
        height, width = _content(*image.shape[:2], self.size)
        small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        mean = torch.tensor([123.675, 116.28, 103.53])
        std = torch.tensor([58.395, 57.12, 57.375])
        normal = ((torch.tensor(np.array(small)) - mean) / std).permute(2, 0, 1)
        return F.pad(normal, (0, self.size - width, 0, self.size - height))[None]


def _content(height: int, width: int, frame: int) -> tuple[int, int]:
    scale = frame / max(height, width)
    return int(height * scale + 0.5), int(width * scale + 0.5)


@pytest.fixture(scope="module")
def segmenter(bundle: Bundle) -> Iterator[Segmenter]:
    with Segmenter.load(bundle, threads=1) as opened:
        yield opened


@pytest.mark.parametrize(
    ("points", "box"),
    [
        ([(20.0, 15.0)], None),
        ([], (10.0, 20.0, 50.0, 44.0)),
        ([(20.0, 15.0), (60.0, 40.0), (5.0, 5.0)], None),
        ([(30.0, 30.0)], (10.0, 20.0, 50.0, 44.0)),
    ],
    ids=["click", "box", "three points", "box and point"],
)
@pytest.mark.parametrize("size", [(60, 100), (90, 64)], ids=["wide", "tall"])
def test_masks_of_a_prompt_are_those_of_sams_predictor(
    small: tuple[PointFamily, Network],
    segmenter: Segmenter,
    size: tuple[int, int],
    points: list[tuple[float, float]],
    box: tuple[float, ...] | None,
) -> None:
    image = picture(*size)
    click = len(points) == 1 and box is None
    logits, iou = SamPredictor(*small).logits(image, points, box, several=click)
    best = int(iou.argmax())
    prompt = InteractivePrompt(tuple(points), box=None if box is None else Box(*box))
    (segment,) = segmenter.segment(image, prompt)
    assert segment.score == pytest.approx(float(iou[best]), abs=1e-4)
    clear = logits[best].abs().numpy() > 1e-3
    assert clear.mean() > 0.98
    assert 0.02 < segment.mask.mean() < 0.98
    np.testing.assert_array_equal(segment.mask[clear], logits[best].numpy()[clear] > 0)
