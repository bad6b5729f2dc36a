"""SAM 3 as transformers builds it, with random weights, and its answers beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn
from transformers import (
    PreTrainedModel,
    Sam3Config,
    Sam3LiteTextConfig,
    Sam3LiteTextModel,
    Sam3Model,
    Sam3TrackerConfig,
    Sam3TrackerModel,
    Sam3TrackerVideoConfig,
    Sam3TrackerVideoModel,
    Sam3VideoConfig,
    Sam3VideoModel,
)

from sam3_ros.export.network import Network

#: The original's, see sam3_vit.py; transformers' default is another.
VIT_NORM_EPS = 1e-5
SMALL_INPUT, WIDTH = 112, 64
_GRID = SMALL_INPUT // 14
_VISION = {
    "fpn_hidden_size": WIDTH,
    "backbone_feature_sizes": [[4 * _GRID] * 2, [2 * _GRID] * 2, [_GRID] * 2],
    "backbone_config": {
        "model_type": "sam3_vit_model",
        "hidden_size": 128,
        "intermediate_size": 96,
        "num_hidden_layers": 8,
        "num_attention_heads": 2,
        "image_size": SMALL_INPUT,
        "pretrain_image_size": 56,
        "window_size": 4,
        "global_attn_indexes": [1, 3, 5, 7],
        "layer_norm_eps": VIT_NORM_EPS,
    },
}
_LAYERS = {"hidden_size": WIDTH, "intermediate_size": 96, "num_layers": 1}
_DETECTOR = {
    "vision_config": _VISION,
    "geometry_encoder_config": {**_LAYERS, "roi_size": 3},
    "detr_encoder_config": _LAYERS,
    "detr_decoder_config": {**_LAYERS, "num_queries": 12},
    "mask_decoder_config": {"hidden_size": WIDTH},
}
_TEXT = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 80,
    "projection_dim": 24,
    "num_attention_heads": 1,
    "max_position_embeddings": 16,
}
_CLICKS = {
    "vision_config": _VISION,
    "prompt_encoder_config": {
        "hidden_size": WIDTH,
        "image_size": SMALL_INPUT,
        "mask_input_channels": 8,
    },
    "mask_decoder_config": {
        "hidden_size": WIDTH,
        "mlp_dim": 96,
        "num_hidden_layers": 1,
        "iou_head_hidden_dim": 48,
    },
}
_TRACKER = {
    **_CLICKS,
    "image_size": SMALL_INPUT,
    "num_maskmem": 5,
    "memory_attention_hidden_size": WIDTH,
    "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 96,
    "memory_encoder_hidden_size": WIDTH,
    "mask_downsampler_embed_dim": WIDTH,
    "memory_fuser_num_layers": 1,
    "memory_fuser_embed_dim": WIDTH,
    "memory_fuser_intermediate_dim": 80,
}
_CLIP = {"model_type": "clip_text_model", **_TEXT, "num_hidden_layers": 2, "hidden_act": "gelu"}
#: Classes and small configurations by the class's name.
SMALL: Mapping[str, tuple[type[PreTrainedModel], Any, Mapping[str, Any]]] = {
    "Sam3Model": (Sam3Model, Sam3Config, {**_DETECTOR, "text_config": _CLIP}),
    "Sam3LiteTextModel": (
        Sam3LiteTextModel,
        Sam3LiteTextConfig,
        {**_DETECTOR, "text_config": {**_TEXT, "num_hidden_layers": 3}},
    ),
    "Sam3TrackerModel": (Sam3TrackerModel, Sam3TrackerConfig, _CLICKS),
    "Sam3TrackerVideoModel": (Sam3TrackerVideoModel, Sam3TrackerVideoConfig, _TRACKER),
    "Sam3VideoModel": (
        Sam3VideoModel,
        Sam3VideoConfig,
        {
            "detector_config": {"model_type": "sam3", **_DETECTOR, "text_config": _CLIP},
            "tracker_config": {"model_type": "sam3_tracker_video", **_TRACKER},
        },
    ),
}


def small_model(name: str, seed: int = 1) -> PreTrainedModel:
    """Return a small model of that class with random weights."""
    kind, config, sizes = SMALL[name]
    return filled(kind(config(**sizes)), seed)


def filled(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """Give a model weights at the scales of a trained one, so that its answers depend on them."""
    generator = Generator().manual_seed(seed)
    model.eval().requires_grad_(False)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.copy_(1 + 0.05 * noise.abs())
        elif tensor.ndim > 1 and name.endswith("weight") and "embed" not in name:
            tensor.copy_(noise / math.sqrt(tensor[0].numel()))
        else:
            tensor.copy_(0.2 * noise)
    for embedding in _twins(model):
        embedding.prompt_encoder.shared_embedding.positional_embedding.data.copy_(
            embedding.shared_image_embedding.positional_embedding
        )
    return model


def _twins(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if hasattr(module, "shared_image_embedding")]


def questions(model_input: int, vocabulary: int, tokens: int) -> dict[str, Tensor]:
    """Return an image, and a text without padding."""
    generator = Generator().manual_seed(7)
    return {
        "pixel_values": torch.randn(1, 3, model_input, model_input, generator=generator),
        "input_ids": torch.randint(1, vocabulary, (1, tokens), generator=generator),
    }


def detections(model: PreTrainedModel, asked: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what Sam3Model or Sam3LiteTextModel answers to a text."""
    with torch.no_grad():
        answer = model(
            pixel_values=asked["pixel_values"],
            input_ids=asked["input_ids"],
            attention_mask=torch.ones_like(asked["input_ids"]),
        )
    return {
        "logits": answer.pred_logits,
        "boxes": answer.pred_boxes,
        "presence": answer.presence_logits,
        "masks": answer.pred_masks,
        "semantic": answer.semantic_seg,
    }


def our_detections(network: Network, asked: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what our stages answer to the same.

    transformers leaves the geometry encoder's token out where there are no boxes.
    """
    run = _Stages(network)
    with torch.no_grad():
        (trunk,) = run("image_trunk", asked["pixel_values"])
        (fpn2,) = run("detector_neck", trunk)
        prompt = run("text", asked["input_ids"])
        (memory,) = run("fusion", *run("fusion_image", fpn2), *prompt)
        queries, found, presence = run("decoder", memory, *prompt)
        masks, semantic = run(
            "segmentation", *run("detector_pyramid", trunk), memory, queries, *prompt
        )
        (logits,) = run("scoring", queries, *prompt)
    centre, half = found[..., :2], found[..., 2:] / 2
    corners = torch.cat([centre - half, centre + half], dim=-1)
    return {
        "logits": logits,
        "boxes": corners,
        "presence": presence,
        "masks": masks,
        "semantic": semantic,
    }


def clicked(model: PreTrainedModel, pixel_values: Tensor) -> dict[str, Tensor]:
    """Return what Sam3TrackerModel answers to two clicks.

    It adds the embedding of "no memory" to the neck's fourth level, which it then drops; the
    original adds it to the third, and so does this.
    """
    points, labels = _clicks(pixel_values)
    with torch.no_grad():
        levels = model.get_image_embeddings(pixel_values)
        levels[-1] = levels[-1] + model.no_memory_embedding.reshape(1, -1, 1, 1)
        answer = model(
            image_embeddings=levels, input_points=points[None], input_labels=labels[None]
        )
    return {
        "masks": answer.pred_masks[0],
        "iou": answer.iou_scores[0],
        "score": answer.object_score_logits[0],
    }


def our_clicked(network: Network, pixel_values: Tensor) -> dict[str, Tensor]:
    """Return what our stages answer to the same."""
    run, side = _Stages(network), 4 * pixel_values.shape[-1] // 14
    points, labels = _clicks(pixel_values)
    with torch.no_grad():
        embed, fine, middle, _ = run("tracker_neck", *run("image_trunk", pixel_values))
        no_mask = torch.zeros(1, 1, side, side), torch.zeros(1)
        prompt = run("prompt_encoder", points, labels, *no_mask)
        masks, iou, score, _ = run("mask_decoder", embed, fine, middle, *prompt)
    return {"masks": masks[:, 1:], "iou": iou[:, 1:], "score": score}


def _clicks(pixel_values: Tensor) -> tuple[Tensor, Tensor]:
    side = pixel_values.shape[-1]
    return torch.tensor([[[0.3, 0.4], [0.7, 0.2]]]) * side, torch.tensor([[1, 0]])


class _Stages:
    def __init__(self, network: Network) -> None:
        self._stages = network.stages()

    def __call__(self, name: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self._stages[name](*inputs)
