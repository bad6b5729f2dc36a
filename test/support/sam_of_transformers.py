"""transformers' SamModel with the weights of SAM's own files: the judgement of others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor
from transformers.models.sam.configuration_sam import (
    SamConfig,
    SamMaskDecoderConfig,
    SamVisionConfig,
)
from transformers.models.sam.modeling_sam import SamModel

from sam3_ros.core.bundle.bundle import Bundle

#: SAM's own, in its decoder; transformers' is 1e-6.
EPS = 1e-5
#: Width, blocks, heads, blocks that see the whole picture.
SIZES = {
    "vit_b": (768, 12, 12, [2, 5, 8, 11]),
    "vit_l": (1024, 24, 16, [5, 11, 17, 23]),
    "vit_h": (1280, 32, 16, [7, 15, 23, 31]),
}
_REPLACED = (
    (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.", "vision_encoder."),
    (r"\.norm(\d|_final_attn)\.", r".layer_norm\1."),
    (r"point_embeddings\.", "point_embed."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"(mlps\.\d|iou_prediction_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|iou_prediction_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|iou_prediction_head)\.layers\.2\.", r"\1.proj_out."),
)
_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"


@dataclass(frozen=True)
class Differences:
    """The largest between a bundle and transformers, in absolute numbers, and what they are of."""

    embedding: float
    largest_embedding: float
    mask_logits: float
    largest_mask_logit: float
    #: Share of pixels on the same side of 0.
    same_pixels: float
    iou: float


def name_of_transformers(name: str) -> str:
    """Return what transformers calls a tensor of SAM's own files."""
    for pattern, replacement in _REPLACED:
        name = re.sub(pattern, replacement, name)
    return name


def model_of_transformers(variant: str, tensors: Mapping[str, Tensor]) -> SamModel:
    """Return the model with every weight; an error where one is missing or left over."""
    width, depth, heads, everywhere = SIZES[variant]
    vision = SamVisionConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        global_attn_indexes=everywhere,
        mlp_dim=4 * width,
    )
    decoder = SamMaskDecoderConfig(layer_norm_eps=EPS)
    with torch.device("meta"):
        model = SamModel(SamConfig(vision_config=vision, mask_decoder_config=decoder))
    own = {name_of_transformers(name): tensor for name, tensor in tensors.items()}
    positions = own.pop(_POSITIONS)
    own["shared_image_embedding.positional_embedding"] = positions
    own["prompt_encoder.shared_embedding.positional_embedding"] = positions
    model.load_state_dict(own, strict=True, assign=True)
    model.mask_decoder.transformer.layer_norm_final_attn.eps = EPS
    return model.eval().requires_grad_(False)


def differences(bundle: Bundle, checkpoint: Path, pixels: Tensor) -> Differences:
    """Ask a bundle of family `sam` and transformers two clicks each on f32[1,3,1024,1024]."""
    tensors = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)["model"]
    theirs = model_of_transformers(bundle.manifest.source["variant"], tensors)
    points = torch.tensor([[[300.0, 420.0], [700.0, 200.0]], [[512.0, 512.0], [90.0, 900.0]]])
    labels = torch.tensor([[1, 0], [1, 1]])
    with torch.inference_mode():
        embedding = theirs.get_image_embeddings(pixels)
        answers = [
            theirs(
                image_embeddings=embedding,
                input_points=points[None],
                input_labels=labels[None],
                multimask_output=several,
            )
            for several in (False, True)
        ]
    wanted = [
        embedding,
        torch.cat([answer.pred_masks[0] for answer in answers], dim=1),
        torch.cat([answer.iou_scores[0] for answer in answers], dim=1),
    ]
    del theirs, tensors
    embed, masks, iou = _of_bundle(bundle, pixels.numpy(), points.numpy(), labels.numpy())
    return Differences(
        _largest(embed - wanted[0].numpy()),
        _largest(embed),
        _largest(masks - wanted[1].numpy()),
        _largest(masks),
        float(((masks > 0) == (wanted[1].numpy() > 0)).mean()),
        _largest(iou - wanted[2].numpy()),
    )


def _of_bundle(
    bundle: Bundle, pixels: np.ndarray, points: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return embedding, masks and IoU; a point of padding stands behind those of a prompt."""
    prompts = len(points)
    feeds = {
        "point_coords": np.concatenate([points, np.zeros((prompts, 1, 2), np.float32)], axis=1),
        "point_labels": np.concatenate([labels, np.full((prompts, 1), -1)], axis=1),
        "mask_input": np.zeros((prompts, 1, 256, 256), np.float32),
        "has_mask": np.zeros(prompts, np.float32),
    }
    (embed,) = _run(bundle, "image", {"pixel_values": pixels})
    sparse, dense = _run(bundle, "prompt_encoder", feeds)
    asked = {"sam_embed": embed, "sparse": sparse, "dense": dense}
    masks, iou = _run(bundle, "mask_decoder", asked)
    return embed, masks, iou


def _run(bundle: Bundle, stage: str, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(bundle.stage_file(stage, "fp32"))
    found: list[np.ndarray] = session.run(None, dict(feeds))
    return found


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array).max())
