"""transformers' names of SAM 3's detector behind its encoders, for those of Sam3VideoModel."""

from __future__ import annotations

from sam3_ros.export.forms.rewriting import Rewrite
from sam3_ros.export.forms.transformers_layers import below, packed, perceptron


def _detr_layer(ours: str, original: str) -> tuple[Rewrite, ...]:
    """Return rules of the layers of the geometry encoder and of the fusion."""
    return (
        *packed(ours + r"\.self_attn", original + ".self_attn"),
        *packed(ours + r"\.cross_attn", original + ".cross_attn_image"),
        Rewrite(ours + r"\.mlp\.fc([12])\.(.*)", original + r".linear\2.\3"),
        Rewrite(ours + r"\.layer_norm([123])\.(.*)", original + r".norm\2.\3"),
    )


_DECODER_LAYER, _ORIGINAL_LAYER = r"detr_decoder\.layers\.(\d+)", r"transformer.decoder.layers.\1"
DETECTOR: tuple[Rewrite, ...] = below(
    r"detector_model\.",
    "detector.",
    *_detr_layer(r"geometry_encoder\.layers\.(\d+)", r"geometry_encoder.encode.\1"),
    Rewrite(r"geometry_encoder\.vision_layer_norm\.(.*)", r"geometry_encoder.img_pre_norm.\1"),
    Rewrite(r"geometry_encoder\.prompt_layer_norm\.(.*)", r"geometry_encoder.norm.\1"),
    Rewrite(r"geometry_encoder\.output_layer_norm\.(.*)", r"geometry_encoder.encode_norm.\1"),
    Rewrite(
        r"(geometry_encoder\.(?:label_embed|cls_embed|boxes_\w+_project|final_proj)\..*)", r"\1"
    ),
    *_detr_layer(r"detr_encoder\.layers\.(\d+)", r"transformer.encoder.layers.\1"),
    *packed(_DECODER_LAYER + r"\.self_attn", _ORIGINAL_LAYER + ".self_attn"),
    *packed(_DECODER_LAYER + r"\.text_cross_attn", _ORIGINAL_LAYER + ".ca_text"),
    *packed(_DECODER_LAYER + r"\.vision_cross_attn", _ORIGINAL_LAYER + ".cross_attn"),
    Rewrite(_DECODER_LAYER + r"\.mlp\.fc([12])\.(.*)", _ORIGINAL_LAYER + r".linear\2.\3"),
    Rewrite(_DECODER_LAYER + r"\.self_attn_layer_norm\.(.*)", _ORIGINAL_LAYER + r".norm2.\2"),
    Rewrite(
        _DECODER_LAYER + r"\.text_cross_attn_layer_norm\.(.*)", _ORIGINAL_LAYER + r".catext_norm.\2"
    ),
    Rewrite(
        _DECODER_LAYER + r"\.vision_cross_attn_layer_norm\.(.*)", _ORIGINAL_LAYER + r".norm1.\2"
    ),
    Rewrite(_DECODER_LAYER + r"\.mlp_layer_norm\.(.*)", _ORIGINAL_LAYER + r".norm3.\2"),
    *perceptron(r"detr_decoder\.box_head", "transformer.decoder.bbox_embed"),
    *perceptron(r"detr_decoder\.presence_head", "transformer.decoder.presence_token_head"),
    *perceptron(r"detr_decoder\.ref_point_head", "transformer.decoder.ref_point_head"),
    *perceptron(r"detr_decoder\.box_rpb_embed_x", "transformer.decoder.boxRPB_embed_x"),
    *perceptron(r"detr_decoder\.box_rpb_embed_y", "transformer.decoder.boxRPB_embed_y"),
    Rewrite(r"detr_decoder\.output_layer_norm\.(.*)", r"transformer.decoder.norm.\1"),
    Rewrite(
        r"detr_decoder\.presence_layer_norm\.(.*)",
        r"transformer.decoder.presence_token_out_norm.\1",
    ),
    Rewrite(
        r"detr_decoder\.(query_embed|reference_points|presence_token)\.weight",
        r"transformer.decoder.\1.weight",
    ),
    *perceptron(r"dot_product_scoring\.text_mlp", "dot_prod_scoring.prompt_mlp"),
    Rewrite(
        r"dot_product_scoring\.text_mlp_out_norm\.(.*)", r"dot_prod_scoring.prompt_mlp.out_norm.\1"
    ),
    Rewrite(r"dot_product_scoring\.text_proj\.(.*)", r"dot_prod_scoring.prompt_proj.\1"),
    Rewrite(r"dot_product_scoring\.query_proj\.(.*)", r"dot_prod_scoring.hs_proj.\1"),
    *packed(r"mask_decoder\.prompt_cross_attn", "segmentation_head.cross_attend_prompt"),
    Rewrite(r"mask_decoder\.prompt_cross_attn_norm\.(.*)", r"segmentation_head.cross_attn_norm.\1"),
    Rewrite(r"mask_decoder\.(pixel_decoder\..*)", r"segmentation_head.\1"),
    Rewrite(
        r"mask_decoder\.mask_embedder\.(.*)", r"segmentation_head.mask_predictor.mask_embed.\1"
    ),
    Rewrite(r"mask_decoder\.instance_projection\.(.*)", r"segmentation_head.instance_seg_head.\1"),
    Rewrite(r"mask_decoder\.semantic_projection\.(.*)", r"segmentation_head.semantic_seg_head.\1"),
)
