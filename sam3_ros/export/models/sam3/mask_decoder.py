"""The stage that predicts four masks, their quality, and whether an object is there."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers.models.sam3_tracker.configuration_sam3_tracker import (
    Sam3TrackerMaskDecoderConfig,
    Sam3TrackerPromptEncoderConfig,
)
from transformers.models.sam3_tracker.modeling_sam3_tracker import (
    Sam3TrackerMaskDecoder,
    Sam3TrackerPositionalEmbedding,
)

from sam3_ros.export.bindings import NameRules, Rule
from sam3_ros.export.fills import unit_features
from sam3_ros.export.models.sam3.prompt_encoder import POSITION_MATRIX
from sam3_ros.export.models.sam3.tracker_sizes import MASK_DECODER, MASKS, TrackerSizes
from sam3_ros.export.stage import StageModule, TensorInput

TRANSFORMER = MASK_DECODER + "transformer."


def feed_forward_rules(ours: str, originals: str) -> tuple[Rule, ...]:
    """Return rules of a three layer perceptron of the tracker. ours: a regular expression."""
    return (
        (ours + r"\.proj_in\.(?P<leaf>.*)", originals + r".layers.0.\g<leaf>"),
        (ours + r"\.layers\.0\.(?P<leaf>.*)", originals + r".layers.1.\g<leaf>"),
        (ours + r"\.proj_out\.(?P<leaf>.*)", originals + r".layers.2.\g<leaf>"),
    )


_NAMES: tuple[Rule, ...] = (
    (r"position\.positional_embedding", POSITION_MATRIX),
    (r"decoder\.transformer\.(layers\.\d+\.)layer_(norm\d\..*)", TRANSFORMER + r"\1\2"),
    (r"decoder\.transformer\.(layers\.\d+\.)mlp\.proj_in\.(.*)", TRANSFORMER + r"\1mlp.lin1.\2"),
    (r"decoder\.transformer\.(layers\.\d+\.)mlp\.proj_out\.(.*)", TRANSFORMER + r"\1mlp.lin2.\2"),
    (r"decoder\.transformer\.layer_(norm_final_attn\..*)", TRANSFORMER + r"\1"),
    (r"decoder\.transformer\.(.*\.)o_proj\.(.*)", TRANSFORMER + r"\1out_proj.\2"),
    (r"decoder\.transformer\.(.*)", TRANSFORMER + r"\1"),
    (r"decoder\.upscale_conv1\.(.*)", MASK_DECODER + r"output_upscaling.0.\1"),
    (r"decoder\.upscale_layer_norm\.(.*)", MASK_DECODER + r"output_upscaling.1.\1"),
    (r"decoder\.upscale_conv2\.(.*)", MASK_DECODER + r"output_upscaling.3.\1"),
    *feed_forward_rules(
        r"decoder\.(?P<head>output_hypernetworks_mlps\.\d|iou_prediction_head|pred_obj_score_head)",
        MASK_DECODER + r"\g<head>",
    ),
    (r"decoder\.(\w+_tokens?\.weight)", MASK_DECODER + r"\1"),
)


class MaskDecoder(StageModule):
    """The mask decoder: a prompt's tokens and the image -> four masks, of which the caller chooses.

    sam_embed f32[1,D,g,g], sam_s0 f32[1,D/8,4g,4g], sam_s1 f32[1,D/4,2g,2g] of one image; sparse
    f32[P,T,D], dense f32[P,D,g,g] -> sam_masks f32[P,4,4g,4g] logits, sam_iou f32[P,4] in [0,1],
    object_score f32[P,1] logit, sam_tokens f32[P,4,D] (for the object pointer). Mask 0 is for a
    clear prompt, 1:4 are the interpretations of an ambiguous one.

    Source: facebookresearch/sam3, sam3/sam/mask_decoder.py.
    """

    outputs = ("sam_masks", "sam_iou", "object_score", "sam_tokens")
    original_names = NameRules(_NAMES)

    def __init__(self, sizes: TrackerSizes, grid: int) -> None:
        super().__init__()
        self.position = Sam3TrackerPositionalEmbedding(
            Sam3TrackerPromptEncoderConfig(hidden_size=sizes.width)
        )
        self.decoder = _decoder(sizes)
        self._width = sizes.width
        self._grid = grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        d, g = self._width, self._grid
        return {
            "sam_embed": TensorInput((1, d, g, g), unit_features),
            "sam_s0": TensorInput((1, d // 8, 4 * g, 4 * g), unit_features),
            "sam_s1": TensorInput((1, d // 4, 2 * g, 2 * g), unit_features),
            "sparse": TensorInput(("prompts", "prompt_tokens", d), unit_features),
            "dense": TensorInput(("prompts", d, g, g), unit_features),
        }

    def forward(
        self, sam_embed: Tensor, sam_s0: Tensor, sam_s1: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, ...]:
        decoder = self.decoder
        tokens, image = decoder.transformer(
            point_embeddings=self._with_output_tokens(sparse)[:, None],
            image_embeddings=sam_embed + dense,
            image_positional_embeddings=self._image_position(),
            attention_similarity=None,
        )
        tokens, image = tokens[:, 0], image[:, 0]
        object_token, iou_token, mask_tokens = tokens[:, 0], tokens[:, 1], tokens[:, 2 : 2 + MASKS]
        return (
            self._masks(image, mask_tokens, sam_s0, sam_s1),
            decoder.iou_prediction_head(iou_token),
            decoder.pred_obj_score_head(object_token),
            mask_tokens,
        )

    def _with_output_tokens(self, sparse: Tensor) -> Tensor:
        embeddings = (
            self.decoder.obj_score_token,
            self.decoder.iou_token,
            self.decoder.mask_tokens,
        )
        learned = torch.cat([embedding.weight for embedding in embeddings])
        return torch.cat([learned.expand(sparse.shape[0], -1, -1), sparse], dim=1)

    def _image_position(self) -> Tensor:
        """Return f32[1,D,g,g]: the position of each cell, in the encoding of the clicks."""
        centres = (torch.arange(self._grid, device=self._matrix.device) + 0.5) / self._grid
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        return self.position(torch.stack([x, y], dim=-1)).permute(2, 0, 1)[None]

    @property
    def _matrix(self) -> Tensor:
        return self.position.positional_embedding

    def _masks(self, image: Tensor, mask_tokens: Tensor, s0: Tensor, s1: Tensor) -> Tensor:
        """Return f32[P,4,4g,4g] from image f32[P,g*g,D] and mask_tokens f32[P,4,D]."""
        decoder, side = self.decoder, 4 * self._grid
        cells = image.transpose(1, 2).unflatten(2, (self._grid, self._grid))
        middle = decoder.upscale_layer_norm(decoder.upscale_conv1(cells) + s1)
        fine = decoder.upscale_conv2(decoder.activation(middle)) + s0
        pixels = decoder.activation(fine).flatten(2)
        perceptrons = decoder.output_hypernetworks_mlps
        filters = [perceptron(mask_tokens[:, n]) for n, perceptron in enumerate(perceptrons)]
        return (torch.stack(filters, dim=1) @ pixels).unflatten(2, (side, side))


def _decoder(sizes: TrackerSizes) -> nn.Module:
    """Return transformers' decoder without the two convolutions that the tracker's neck applies."""
    config = Sam3TrackerMaskDecoderConfig(
        hidden_size=sizes.width,
        mlp_dim=sizes.decoder_feedforward,
        num_hidden_layers=sizes.decoder_layers,
        num_attention_heads=sizes.heads,
        iou_head_hidden_dim=sizes.iou_hidden,
        attn_implementation="eager",
    )
    decoder = Sam3TrackerMaskDecoder(config)
    del decoder.conv_s0, decoder.conv_s1
    return decoder
