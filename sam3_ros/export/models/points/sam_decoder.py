"""SAM 1's prompt encoder and mask decoder, on transformers' modules.

Kirillov et al., arXiv 2304.02643. The modules with weights are transformers' (models/sam), the
forward pass is ours: all four masks are returned, prompts form a batch, a mask prompt may be
absent. transformers norms the decoder's tokens with an eps of 1e-6; SAM itself, and so MobileSAM,
with 1e-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam.configuration_sam import (
    SamConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from transformers.models.sam.modeling_sam import (
    SamMaskDecoder,
    SamPositionalEmbedding,
    SamPromptEncoder,
)

from sam3_ros.export import fills
from sam3_ros.export.bindings import NameRules
from sam3_ros.export.stage import StageModule, TensorInput

#: Points are given in this frame, px, whatever the size of the encoder's input.
PROMPT_SPACE = 1024
MASKS = 4
#: Side of a mask, input or output, relative to the grid of the image embedding.
MASK_SCALE = 4

_POSITIONS = (
    r"shared_embedding\.positional_embedding",
    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
)
#: From the names of transformers, whose modules these are, to those of the original.
PROMPT_ENCODER_NAMES = NameRules(
    (
        (r"prompt_encoder\." + _POSITIONS[0], _POSITIONS[1]),
        (r"prompt_encoder\.point_embed\.(.*)", r"prompt_encoder.point_embeddings.\1"),
        (r"(prompt_encoder)\.mask_embed\.conv1\.(.*)", r"\1.mask_downscaling.0.\2"),
        (r"(prompt_encoder)\.mask_embed\.layer_norm1\.(.*)", r"\1.mask_downscaling.1.\2"),
        (r"(prompt_encoder)\.mask_embed\.conv2\.(.*)", r"\1.mask_downscaling.3.\2"),
        (r"(prompt_encoder)\.mask_embed\.layer_norm2\.(.*)", r"\1.mask_downscaling.4.\2"),
        (r"(prompt_encoder)\.mask_embed\.conv3\.(.*)", r"\1.mask_downscaling.6.\2"),
        (r"(prompt_encoder\.(no_mask|not_a_point)_embed\.weight)", r"\1"),
    )
)
MASK_DECODER_NAMES = NameRules(
    (
        _POSITIONS,
        (r"(mask_decoder\.transformer\..*)layer_norm(\d|_final_attn)(\..*)", r"\1norm\2\3"),
        (r"(mask_decoder)\.upscale_conv1\.(.*)", r"\1.output_upscaling.0.\2"),
        (r"(mask_decoder)\.upscale_layer_norm\.(.*)", r"\1.output_upscaling.1.\2"),
        (r"(mask_decoder)\.upscale_conv2\.(.*)", r"\1.output_upscaling.3.\2"),
        (r"(mask_decoder\..*)\.proj_in\.(.*)", r"\1.layers.0.\2"),
        (r"(mask_decoder\.[a-su-z].*)\.layers\.0\.(.*)", r"\1.layers.1.\2"),
        (r"(mask_decoder\..*)\.proj_out\.(.*)", r"\1.layers.2.\2"),
        (r"(mask_decoder\..*)", r"\1"),
    )
)


@dataclass(frozen=True)
class SamDecoderSizes:
    """Sizes of the decoder."""

    channels: int = 256
    heads: int = 8
    layers: int = 2
    mlp: int = 2048
    mask_channels: int = 16
    #: Of the token transformer's layer norms, 1e-5 in SAM.
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.channels % (2 * self.heads) or self.channels % 8:
            raise ValueError(f"{self.channels} channels cannot be divided among {self.heads} heads")

    def vision(self) -> SamVisionConfig:
        """Return the configuration of transformers' position embedding."""
        return SamVisionConfig(num_pos_feats=self.channels // 2)

    def prompts(self) -> SamConfig:
        """Return the configuration of transformers' prompt encoder."""
        prompts = SamPromptEncoderConfig(
            hidden_size=self.channels, mask_input_channels=self.mask_channels
        )
        return SamConfig(vision_config=self.vision(), prompt_encoder_config=prompts)

    def decoder(self) -> SamMaskDecoderConfig:
        """Return the configuration of transformers' mask decoder."""
        config = SamMaskDecoderConfig(
            hidden_size=self.channels,
            mlp_dim=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_multimask_outputs=MASKS - 1,
            iou_head_hidden_dim=self.channels,
            layer_norm_eps=self.norm_eps,
        )
        config._attn_implementation = "eager"
        return config


class PromptEncoderStage(StageModule):
    """The prompt encoder: points as tokens, a mask as a feature map.

    point_coords f32[P,N,2] px of the prompt space, point_labels int64[P,N] (-1 padding, 0, 1, 2 and
    3 box corners), mask_input f32[P,1,4g,4g] logits, has_mask f32[P] 0 or 1 -> sparse f32[P,N,C],
    dense f32[P,C,g,g].
    """

    outputs: ClassVar[tuple[str, ...]] = ("sparse", "dense")
    original_names = PROMPT_ENCODER_NAMES

    def __init__(self, sizes: SamDecoderSizes, grid: int) -> None:
        super().__init__()
        self.prompt_encoder = SamPromptEncoder(sizes.prompts())
        self._grid = grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        side = MASK_SCALE * self._grid
        points = fills.points_within(PROMPT_SPACE, PROMPT_SPACE)
        return {
            "point_coords": TensorInput(("prompts", "points", 2), points),
            "point_labels": TensorInput(("prompts", "points"), fills.click_labels),
            "mask_input": TensorInput(("prompts", 1, side, side), fills.mask_logits),
            "has_mask": TensorInput(("prompts",), fills.flags),
        }

    def forward(
        self, point_coords: Tensor, point_labels: Tensor, mask_input: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        encoder = self.prompt_encoder
        centres = (point_coords + 0.5) / PROMPT_SPACE
        places = encoder.shared_embedding(centres)
        kinds = [encoder.not_a_point_embed, *encoder.point_embed]
        table = torch.cat([kind.weight for kind in kinds])
        is_padding = (point_labels == -1)[..., None]
        sparse = torch.where(is_padding, 0.0, places) + F.embedding(point_labels + 1, table)
        without_mask = encoder.no_mask_embed.weight[..., None, None]
        given = has_mask[:, None, None, None] > 0.5
        return sparse, torch.where(given, encoder.mask_embed(mask_input), without_mask)


class MaskDecoderStage(StageModule):
    """The mask decoder: four masks and their quality, for every prompt about one image.

    sam_embed f32[1,C,g,g], sparse f32[P,T,C], dense f32[P,C,g,g] -> sam_masks f32[P,4,4g,4g] logits
    (mask 0 is the single one), sam_iou f32[P,4].
    """

    outputs: ClassVar[tuple[str, ...]] = ("sam_masks", "sam_iou")
    original_names = MASK_DECODER_NAMES

    def __init__(self, sizes: SamDecoderSizes, grid: int) -> None:
        super().__init__()
        self.shared_embedding = SamPositionalEmbedding(sizes.vision())
        self.mask_decoder = SamMaskDecoder(sizes.decoder())
        self.mask_decoder.transformer.layer_norm_final_attn.eps = sizes.norm_eps
        self._channels, self._grid = sizes.channels, grid
        centres = (torch.arange(grid) + 0.5) / grid
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        self.register_buffer("cell_centres", torch.stack([x, y], dim=-1), persistent=False)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        picture = (self._channels, self._grid, self._grid)
        return {
            "sam_embed": TensorInput((1, *picture), fills.unit_features),
            "sparse": TensorInput(("prompts", "tokens", self._channels), fills.unit_features),
            "dense": TensorInput(("prompts", *picture), fills.unit_features),
        }

    def forward(self, sam_embed: Tensor, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        decoder = self.mask_decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        tokens = torch.cat([own.expand(sparse.shape[0], -1, -1), sparse], dim=1)
        read, pixels = decoder.transformer(
            point_embeddings=tokens[:, None],
            image_embeddings=sam_embed + dense,
            image_positional_embeddings=self._positions(),
            attention_similarity=None,
        )
        masks = self._masks(read[:, 0, 1 : 1 + MASKS], pixels[:, 0])
        return masks, decoder.iou_prediction_head(read[:, 0, 0])

    def _positions(self) -> Tensor:
        """Return f32[1,C,g,g], the embedding of every cell's centre."""
        return self.shared_embedding(self.cell_centres).permute(2, 0, 1)[None]

    def _masks(self, mask_tokens: Tensor, pixels: Tensor) -> Tensor:
        decoder: nn.Module = self.mask_decoder
        side = MASK_SCALE * self._grid
        picture = pixels.transpose(1, 2).unflatten(2, (self._grid, self._grid))
        fine = decoder.activation(decoder.upscale_layer_norm(decoder.upscale_conv1(picture)))
        fine = decoder.activation(decoder.upscale_conv2(fine)).flatten(2)
        networks = decoder.output_hypernetworks_mlps
        filters = [mlp(mask_tokens[:, index]) for index, mlp in enumerate(networks)]
        return (torch.stack(filters, dim=1) @ fine).unflatten(2, (side, side))
