"""MobileCLIP's text encoders (arXiv 2311.17049) as EfficientSAM3 and SAM3-LiteText use them.

They differ from the encoder that Apple published in two ways: every token's feature is returned,
not only that of the end, and EfficientSAM3's own projector follows. Token embeddings are not
scaled, and no mask is used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.family import Unneeded
from sam3_ros.export.folding import (
    Foldable,
    factor_and_offset,
    kernel_of,
    normed,
    with_kernel,
    with_norm,
)
from sam3_ros.export.models.text.encoder import LANGUAGE_BACKBONE, TextArchitecture, TextStage

UNNEEDED: tuple[Unneeded, ...] = (
    Unneeded(
        r"detector\.backbone\.language_backbone\.encoder\.projection_layer",
        "projects the end token into CLIP's space, which SAM 3 does not use",
    ),
)
_BLOCK = r"blocks\.(\d+)\."
_ORIGINAL_BLOCK = r"encoder.transformer.\1."
_NAMES = NameRules(
    (
        (r"embedding\.weight", "encoder.embedding_layer.weight"),
        (r"positions", "encoder.positional_embedding.pos_embed.pos_embed"),
        (r"norm\.(.*)", r"encoder.final_layer_norm.\1"),
        (r"projector\.(.*)", r"projector.\1"),
        (_BLOCK + r"attention_norm\.(.*)", _ORIGINAL_BLOCK + r"pre_norm_mha.0.\2"),
        (_BLOCK + r"qkv\.(.*)", _ORIGINAL_BLOCK + r"pre_norm_mha.1.qkv_proj.\2"),
        (_BLOCK + r"attended\.(.*)", _ORIGINAL_BLOCK + r"pre_norm_mha.1.out_proj.\2"),
        (_BLOCK + r"feed_forward_norm\.(.*)", _ORIGINAL_BLOCK + r"pre_norm_ffn.0.\2"),
        (_BLOCK + r"widen\.(.*)", _ORIGINAL_BLOCK + r"pre_norm_ffn.1.\2"),
        (_BLOCK + r"narrow\.(.*)", _ORIGINAL_BLOCK + r"pre_norm_ffn.4.\2"),
        (_BLOCK + r"scale", _ORIGINAL_BLOCK + "layer_scale"),
        (_BLOCK + r"expand\.(.*)", _ORIGINAL_BLOCK + r"convffn.fc1.\2"),
        (_BLOCK + r"contract\.(.*)", _ORIGINAL_BLOCK + r"convffn.fc2.\2"),
        (_BLOCK + r"convolution\.convolution\.(.*)", _ORIGINAL_BLOCK + r"convffn.conv.conv.\2"),
        (_BLOCK + r"convolution\.norm\.(.*)", _ORIGINAL_BLOCK + r"convffn.conv.bn.\2"),
        (_BLOCK + r"mixer\.scale", _ORIGINAL_BLOCK + "token_mixer.layer_scale"),
        (_BLOCK + r"mixer\.plain_norm\.(.*)", _ORIGINAL_BLOCK + r"token_mixer.norm.rbr_skip.\2"),
        (_BLOCK + r"mixer\.skip_norm\.(.*)", _ORIGINAL_BLOCK + r"token_mixer.mixer.rbr_skip.\2"),
        (
            _BLOCK + r"mixer\.mixing\.convolution\.(.*)",
            _ORIGINAL_BLOCK + r"token_mixer.mixer.rbr_conv.0.conv.\2",
        ),
        (
            _BLOCK + r"mixer\.mixing\.norm\.(.*)",
            _ORIGINAL_BLOCK + r"token_mixer.mixer.rbr_conv.0.bn.\2",
        ),
    )
)


class TokenConvolution(Foldable):
    """A depthwise convolution along the tokens, and its batch norm."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            width, width, (1, kernel), padding=(0, kernel // 2), groups=width, bias=False
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map f32[P, width, 1, L] to the same."""
        return self.norm(self.convolution(tokens))

    def folded(self) -> nn.Module:
        """Return one convolution."""
        return with_norm(self.convolution, self.norm)


class TokenMixer(Foldable):
    """Mixes each token with its neighbours.

    The scaled difference of the convolution and the plain norm is added. Nothing of it depends on
    another channel, and there is no activation: all of it is one depthwise convolution.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.plain_norm = nn.BatchNorm2d(width)
        self.skip_norm = nn.BatchNorm2d(width)
        self.mixing = TokenConvolution(width, kernel)
        self.scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map f32[P, width, 1, L] to the same."""
        mixed = self.skip_norm(tokens) + self.mixing(tokens)
        return tokens + self.scale * (mixed - self.plain_norm(tokens))

    def folded(self) -> nn.Module:
        """Return one convolution."""
        weight, bias = normed(kernel_of(self.mixing.convolution), self.mixing.norm)
        skip, skip_offset = factor_and_offset(self.skip_norm)
        plain, plain_offset = factor_and_offset(self.plain_norm)
        own = weight.shape[-1] // 2  # the tap at the token itself
        scale = self.scale.detach().double().flatten()
        weight[:, 0, 0, own] += skip - plain
        weight = weight * scale[:, None, None, None]
        weight[:, 0, 0, own] += 1
        bias = scale * (bias + skip_offset - plain_offset)
        return with_kernel(self.mixing.convolution, (weight, bias))


class ConvolutionalBlock(nn.Module):
    """A token mixer, then a feed-forward network that begins with a convolution.

    It begins and ends MobileCLIP-S0's text encoder. Source: RepMixer in MobileCLIP (arXiv
    2311.17049), there applied to a row of tokens.
    """

    def __init__(self, width: int, feed_forward: int, kernel: int) -> None:
        super().__init__()
        self.mixer = TokenMixer(width, kernel)
        self.convolution = TokenConvolution(width, kernel)
        self.expand = nn.Conv2d(width, feed_forward, 1)
        self.contract = nn.Conv2d(feed_forward, width, 1)
        self.scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map f32[P, L, width] to the same."""
        mixed = self.mixer(tokens.transpose(1, 2).unsqueeze(2))
        hidden = nn.functional.gelu(self.expand(self.convolution(mixed)))
        mixed = mixed + self.scale * self.contract(hidden)
        return mixed.squeeze(2).transpose(1, 2)


class TextAttentionBlock(nn.Module):
    """Self-attention of all tokens, then a feed-forward network, each after its layer norm."""

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, feed_forward)
        self.narrow = nn.Linear(feed_forward, width)
        self._heads = heads

    def forward(self, tokens: Tensor) -> Tensor:
        """Map f32[P, L, width] to the same."""
        tokens = tokens + self.attended(self._attention(self.attention_norm(tokens)))
        hidden = nn.functional.gelu(self.widen(self.feed_forward_norm(tokens)))
        return tokens + self.narrow(hidden)

    def _attention(self, tokens: Tensor) -> Tensor:
        by_head = self.qkv(tokens).unflatten(-1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        answers = nn.functional.scaled_dot_product_attention(*by_head.unbind())
        return answers.transpose(1, 2).flatten(2)


class MobileClipText(TextStage):
    """The encoder: tokens see each other and the padding in both directions."""

    original_names = _NAMES.under(LANGUAGE_BACKBONE)

    def __init__(self, architecture: TextArchitecture) -> None:
        super().__init__(architecture)
        width, feed_forward = architecture.width, architecture.feed_forward
        self.embedding = nn.Embedding(architecture.vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(1, 1, architecture.positions, width))
        blocks: list[nn.Module] = [
            TextAttentionBlock(width, architecture.heads, feed_forward)
            for _ in range(architecture.layers)
        ]
        if (kernel := architecture.convolution) is not None:
            first, last = (ConvolutionalBlock(width, feed_forward, kernel) for _ in range(2))
            blocks = [first, *blocks, last]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)
        self.projector = nn.Linear(width, architecture.d_model)

    def features(self, input_ids: Tensor) -> Tensor:
        """Return f32[P, L, d_model]."""
        tokens = self.embedding(input_ids) + self.positions[0, :, : self._context_length]
        return self.projector(self.norm(self.blocks(tokens)))
