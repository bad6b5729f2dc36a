"""The stage that predicts the masks of queries, and one of everything that the prompt means."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers.models.sam3.configuration_sam3 import Sam3MaskDecoderConfig
from transformers.models.sam3.modeling_sam3 import Sam3MaskDecoder

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.family import Unneeded
from sam3_ros.export.fills import leading_mask, unit_features
from sam3_ros.export.models.sam3.attention import additive_mask
from sam3_ros.export.models.sam3.layer_names import attention_rules
from sam3_ros.export.models.sam3.sizes import SEGMENTATION, DetectorSizes
from sam3_ros.export.stage import StageModule, TensorInput

#: From fpn2 to fpn1 to fpn0.
UPSAMPLINGS = 2
UNNEEDED = (
    Unneeded(
        r"detector\.segmentation_head\.pixel_decoder\.(conv_layers|norms)\.2\..*",
        "the pixel decoder's third upsampling: the original has three and uses two",
    ),
)


class RowwiseGroupNorm(nn.GroupNorm):
    """nn.GroupNorm, with the same parameters and numbers, computed row by row.

    It maps f32[P,C,h,w] to the same and stays exact in ONNX Runtime. PyTorch exports nn.GroupNorm
    as InstanceNormalization, for which ONNX Runtime adds the millions of numbers of a group in one
    float32: at 288x288 it was off by 6e-4, this by 2e-6.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the base's name
        prompts, width = input.shape[0], input.shape[3]
        by_group = (prompts, self.num_groups, -1)
        by_channel = (prompts, self.num_channels, 1, 1)
        mean = input.mean(-1).view(by_group).mean(-1, keepdim=True)
        each = mean.expand(-1, -1, self.num_channels // self.num_groups)
        centred = input - each.reshape(by_channel)
        lengths = torch.linalg.vector_norm(centred, dim=-1)  # of rows
        variance = lengths.square().view(by_group).mean(-1, keepdim=True) / width
        scale = self.weight.view(1, self.num_groups, -1) * (variance + self.eps).rsqrt()
        return centred * scale.reshape(by_channel) + self.bias.view(1, -1, 1, 1)


class Segmentation(StageModule):
    """The segmentation head: masks of the queries, which may be only those that were kept.

    fpn0 f32[1,D,4g,4g], fpn1 f32[1,D,2g,2g], memory f32[P,g*g,D], queries f32[P,K,D], prompt
    f32[P,T,D], prompt_mask bool[P,T] -> masks f32[P,K,4g,4g], semantic f32[P,1,4g,4g], both logits.

    Source: facebookresearch/sam3, sam3/model/maskformer_segmentation.py.
    """

    outputs = ("masks", "semantic")
    original_names = NameRules(
        (
            *attention_rules(r"head\.prompt_cross_attn", SEGMENTATION + "cross_attend_prompt"),
            (r"head\.prompt_cross_attn_norm\.(.*)", SEGMENTATION + r"cross_attn_norm.\1"),
            (r"head\.(pixel_decoder\..*)", SEGMENTATION + r"\1"),
            (r"head\.mask_embedder\.(.*)", SEGMENTATION + r"mask_predictor.mask_embed.\1"),
            (r"head\.instance_projection\.(.*)", SEGMENTATION + r"instance_seg_head.\1"),
            (r"head\.semantic_projection\.(.*)", SEGMENTATION + r"semantic_seg_head.\1"),
        )
    )

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        self.head = Sam3MaskDecoder(
            Sam3MaskDecoderConfig(
                hidden_size=sizes.width,
                num_attention_heads=sizes.heads,
                num_upsampling_stages=UPSAMPLINGS,
                attn_implementation="eager",
            )
        )
        norms = self.head.pixel_decoder.norms
        for index, norm in enumerate(norms):
            norms[index] = RowwiseGroupNorm(norm.num_groups, norm.num_channels)
        self._width, self._grid = sizes.width, grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        width, grid = self._width, self._grid
        return {
            "fpn0": TensorInput((1, width, 4 * grid, 4 * grid), unit_features),
            "fpn1": TensorInput((1, width, 2 * grid, 2 * grid), unit_features),
            "memory": TensorInput(("prompts", grid * grid, width), unit_features),
            "queries": TensorInput(("prompts", "kept", width), unit_features),
            "prompt": TensorInput(("prompts", "tokens", width), unit_features),
            "prompt_mask": TensorInput(("prompts", "tokens"), leading_mask),
        }

    def forward(
        self,
        fpn0: Tensor,
        fpn1: Tensor,
        memory: Tensor,
        queries: Tensor,
        prompt: Tensor,
        prompt_mask: Tensor,
    ) -> tuple[Tensor, ...]:
        normed = self.head.prompt_cross_attn_norm(memory)
        read, _ = self.head.prompt_cross_attn(normed, prompt, prompt, additive_mask(prompt_mask))
        coarse = (memory + read).transpose(1, 2).unflatten(2, (self._grid, self._grid))
        pixels = self.head.pixel_decoder([fpn0, fpn1, coarse])
        logits = self._logits(queries, pixels)
        return logits[:, :-1], logits[:, -1:]

    def _logits(self, queries: Tensor, pixels: Tensor) -> Tensor:
        """Return f32[P,K+1,4g,4g]: queries times projected pixels, last the semantic projection.

        The queries are projected instead of the pixels: they are fewer. The semantic projection is
        one more query, because every product reads all pixels again.
        """
        projection, semantic = self.head.instance_projection, self.head.semantic_projection
        embedded = self.head.mask_embedder(queries)
        prompts = (queries.shape[0], -1, -1)
        weights = embedded @ projection.weight.flatten(1)
        weights = torch.cat([weights, semantic.weight.flatten(1).expand(prompts)], dim=1)
        bias = embedded @ projection.bias[:, None]
        bias = torch.cat([bias, semantic.bias[:, None].expand(prompts)], dim=1)
        return (weights @ pixels.flatten(2) + bias).unflatten(2, pixels.shape[-2:])
