"""transformers' names of SAM 3's text encoder, which is CLIP's, and of LiteText's, MobileCLIP's."""

from __future__ import annotations

from sam3_ros.export.forms.rewriting import Rewrite
from sam3_ros.export.forms.transformers_layers import below, packed

_LANGUAGE = "detector.backbone.language_backbone."
_TEXT = r"detector_model\.text_encoder\."
#: CLIPTextModelWithProjection; later versions may leave its `text_model.` out.
_CLIP = _TEXT + r"(?:text_model\.)?"
_CLIP_LAYER, _RESBLOCK = (
    _CLIP + r"encoder\.layers\.(\d+)",
    _LANGUAGE + r"encoder.transformer.resblocks.\1",
)
CLIP_TEXT: tuple[Rewrite, ...] = (
    Rewrite(
        _CLIP + r"embeddings\.token_embedding\.(.*)", _LANGUAGE + r"encoder.token_embedding.\1"
    ),
    Rewrite(
        _CLIP + r"embeddings\.position_embedding\.weight",
        _LANGUAGE + "encoder.positional_embedding",
    ),
    Rewrite(_CLIP + r"final_layer_norm\.(.*)", _LANGUAGE + r"encoder.ln_final.\1"),
    Rewrite(
        _TEXT + r"text_projection\.weight", _LANGUAGE + "encoder.text_projection", "transposed"
    ),
    Rewrite(r"detector_model\.text_projection\.(.*)", _LANGUAGE + r"resizer.\1"),
    *packed(_CLIP_LAYER + r"\.self_attn", _RESBLOCK + ".attn", out="out_proj"),
    Rewrite(_CLIP_LAYER + r"\.layer_norm([12])\.(.*)", _RESBLOCK + r".ln_\2.\3"),
    Rewrite(_CLIP_LAYER + r"\.mlp\.fc1\.(.*)", _RESBLOCK + r".mlp.c_fc.\2"),
    Rewrite(_CLIP_LAYER + r"\.mlp\.fc2\.(.*)", _RESBLOCK + r".mlp.c_proj.\2"),
)

_LITE_LAYER = r"layers\.(\d+)\."
LITE_TEXT: tuple[Rewrite, ...] = (
    Rewrite(r"detector_model\.text_projection\.(.*)", _LANGUAGE + r"projector.\1"),
    *below(
        _TEXT,
        _LANGUAGE + "encoder.",
        Rewrite(r"embeddings\.token_embedding\.weight", "embedding_layer.weight"),
        Rewrite(
            r"embeddings\.position_embedding\.position_embedding",
            "positional_embedding.pos_embed.pos_embed",
        ),
        Rewrite(r"final_layer_norm\.(.*)", r"final_layer_norm.\1"),
        Rewrite(r"projection\.weight", "projection_layer", "transposed"),
        *(
            Rewrite(
                _LITE_LAYER + rf"self_attn\.{each}_proj\.(.*)",
                rf"transformer.\1.pre_norm_mha.1.qkv_proj.\2#{part}",
            )
            for part, each in enumerate("qkv")
        ),
        *below(
            _LITE_LAYER,
            r"transformer.\1.",
            Rewrite(r"self_attn\.out_proj\.(.*)", r"pre_norm_mha.1.out_proj.\2"),
            Rewrite(r"layer_norm1\.(.*)", r"pre_norm_mha.0.\2"),
            Rewrite(r"layer_norm2\.(.*)", r"pre_norm_ffn.0.\2"),
            Rewrite(r"mlp\.fc1\.(.*)", r"pre_norm_ffn.1.\2"),
            Rewrite(r"mlp\.fc2\.(.*)", r"pre_norm_ffn.4.\2"),
            Rewrite(r"layer_scale", "layer_scale"),
            Rewrite(r"token_mixer\.layer_scale", "token_mixer.layer_scale"),
            Rewrite(r"token_mixer\.reference_batchnorm\.(.*)", r"token_mixer.norm.rbr_skip.\2"),
            Rewrite(r"token_mixer\.mixer\.batchnorm_skip\.(.*)", r"token_mixer.mixer.rbr_skip.\2"),
            Rewrite(r"token_mixer\.mixer\.conv\.(.*)", r"token_mixer.mixer.rbr_conv.0.conv.\2"),
            Rewrite(
                r"token_mixer\.mixer\.batchnorm_conv\.(.*)", r"token_mixer.mixer.rbr_conv.0.bn.\2"
            ),
            Rewrite(r"conv_feed_forward\.depthwise_conv\.(.*)", r"convffn.conv.conv.\2"),
            Rewrite(r"conv_feed_forward\.depthwise_batchnorm\.(.*)", r"convffn.conv.bn.\2"),
            Rewrite(r"conv_feed_forward\.mlp\.(fc[12]\..*)", r"convffn.\2"),
        ),
    ),
)
