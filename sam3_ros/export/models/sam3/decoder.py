"""The stage that finds objects: DETR's decoder, its boxes refined layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers.models.sam3.configuration_sam3 import Sam3DETRDecoderConfig
from transformers.models.sam3.modeling_sam3 import Sam3DetrDecoder, inverse_sigmoid

from sam3_ros.export.bindings import NameRules, Rule
from sam3_ros.export.fills import leading_mask, unit_features
from sam3_ros.export.models.sam3.attention import (
    additive_mask,
    grid_positions,
    sine_periods,
    sines,
)
from sam3_ros.export.models.sam3.layer_names import attention_rules, perceptron_rules
from sam3_ros.export.models.sam3.sizes import DECODER, DetectorSizes
from sam3_ros.export.stage import StageModule, TensorInput

#: Distances to a box's sides are taken in eighths of the image, then as logarithms to this base.
EIGHTHS = 8


def _rules() -> tuple[Rule, ...]:
    layer, original = r"decoder\.layers\.(\d+)", DECODER + r"layers.\1"
    return (
        *attention_rules(layer + r"\.self_attn", original + ".self_attn"),
        *attention_rules(layer + r"\.text_cross_attn", original + ".ca_text"),
        *attention_rules(layer + r"\.vision_cross_attn", original + ".cross_attn"),
        (layer + r"\.mlp\.fc([12])\.(.*)", original + r".linear\2.\3"),
        (layer + r"\.self_attn_layer_norm\.(.*)", original + r".norm2.\2"),
        (layer + r"\.text_cross_attn_layer_norm\.(.*)", original + r".catext_norm.\2"),
        (layer + r"\.vision_cross_attn_layer_norm\.(.*)", original + r".norm1.\2"),
        (layer + r"\.mlp_layer_norm\.(.*)", original + r".norm3.\2"),
        *perceptron_rules(r"decoder\.box_head", DECODER + "bbox_embed"),
        *perceptron_rules(r"decoder\.presence_head", DECODER + "presence_token_head"),
        *perceptron_rules(r"decoder\.ref_point_head", DECODER + "ref_point_head"),
        *perceptron_rules(r"decoder\.box_rpb_embed_x", DECODER + "boxRPB_embed_x"),
        *perceptron_rules(r"decoder\.box_rpb_embed_y", DECODER + "boxRPB_embed_y"),
        (r"decoder\.output_layer_norm\.(.*)", DECODER + r"norm.\1"),
        (r"decoder\.presence_layer_norm\.(.*)", DECODER + r"presence_token_out_norm.\1"),
        (
            r"decoder\.(query_embed|reference_points|presence_token)\.weight",
            DECODER + r"\1.weight",
        ),
    )


class Decoder(StageModule):
    """The decoder: queries with their boxes, and the presence of the prompt.

    memory f32[P,g*g,D], prompt f32[P,T,D], prompt_mask bool[P,T] -> queries f32[P,Q,D], pred_boxes
    f32[P,Q,4] cxcywh in [0, 1], presence f32[P,1] logit.

    transformers clamps the presence to +-10; the original's code intends to and does not, and
    neither does this stage. Source: facebookresearch/sam3, sam3/model/decoder.py.
    """

    outputs = ("queries", "pred_boxes", "presence")
    original_names = NameRules(_rules())
    positions: Tensor
    ticks: Tensor
    periods: Tensor

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        self.decoder = Sam3DetrDecoder(
            Sam3DETRDecoderConfig(
                hidden_size=sizes.width,
                num_layers=sizes.decoder_layers,
                num_queries=sizes.queries,
                num_attention_heads=sizes.heads,
                intermediate_size=sizes.feedforward,
                attn_implementation="eager",
            )
        )
        self.register_buffer("positions", grid_positions(grid, sizes.width), persistent=False)
        self.register_buffer("ticks", torch.arange(grid) / grid, persistent=False)
        self.register_buffer("periods", sine_periods(sizes.width // 2), persistent=False)
        self._width, self._places = sizes.width, grid * grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {
            "memory": TensorInput(("prompts", self._places, self._width), unit_features),
            "prompt": TensorInput(("prompts", "tokens", self._width), unit_features),
            "prompt_mask": TensorInput(("prompts", "tokens"), leading_mask),
        }

    def forward(self, memory: Tensor, prompt: Tensor, prompt_mask: Tensor) -> tuple[Tensor, ...]:
        net, prompts, mask = self.decoder, prompt.shape[0], additive_mask(prompt_mask)
        tokens = torch.cat([net.presence_token.weight, net.query_embed.weight])
        tokens = tokens.expand(prompts, -1, -1)
        boxes = net.reference_points.weight.sigmoid().expand(prompts, -1, -1)
        for layer in net.layers:
            tokens = layer(
                tokens,
                query_pos=net.ref_point_head(self._encoded(boxes)),
                text_features=prompt,
                vision_features=memory,
                vision_pos_encoding=self.positions,
                text_cross_attn_mask=mask,
                vision_cross_attn_mask=self._box_bias(boxes),
            )
            queries = net.output_layer_norm(tokens[:, 1:])
            boxes = (net.box_head(queries) + inverse_sigmoid(boxes)).sigmoid()
        presence = net.presence_head(net.presence_layer_norm(tokens[:, 0]))
        return queries, boxes, presence

    def _encoded(self, boxes: Tensor) -> Tensor:
        """Return [P,Q,2*D]: the sines of y, x, width and height."""
        x, y, size = boxes[..., :1], boxes[..., 1:2], boxes[..., 2:]
        return sines(torch.cat([y, x, size], dim=-1), self.periods)

    def _box_bias(self, boxes: Tensor) -> Tensor:
        """Return [P,heads,1+Q,g*g], which attention adds for a cell's position relative to a box.

        The presence token, first, has no box and gets zeros.
        """
        distances = self._distances(boxes)
        across = _by_head(self.decoder.box_rpb_embed_x(distances[:, :, 0]))
        down = _by_head(self.decoder.box_rpb_embed_y(distances[:, :, 1]))
        return (down[..., None] + across[..., None, :]).flatten(3)

    def _distances(self, boxes: Tensor) -> Tensor:
        """Return signed logarithms of the distances of the grid's ticks to a box's sides.

        [P,Q,2,g,2]: across and down; to the side where the box begins and where it ends.
        """
        centre, half = boxes[..., :2], 0.5 * boxes[..., 2:]
        sides = torch.stack([centre - half, centre + half], dim=-1)
        eighths = (self.ticks[:, None] - sides[..., None, :]) * EIGHTHS
        return eighths.sign() * torch.log2(eighths.abs() + 1) / math.log2(EIGHTHS)


def _by_head(bias: Tensor) -> Tensor:
    """Reorder [P,Q,g,heads] to [P,heads,1+Q,g], with zeros first.

    Done on one line of the grid, so that the full grid's bias, g times as large, needs neither.
    """
    return torch.nn.functional.pad(bias.permute(0, 3, 1, 2), (0, 0, 1, 0))
