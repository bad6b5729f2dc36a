"""transformers' names of SAM 3's tracker, for those of Sam3VideoModel."""

from __future__ import annotations

from sam3_ros.export.forms.rewriting import ROW, Rewrite
from sam3_ros.export.forms.transformers_layers import below, feed_forward

_MASK_LAYER, _TWO_WAY = (
    r"mask_decoder\.transformer\.layers\.(\d+)\.",
    r"sam_mask_decoder.transformer.layers.\1.",
)
_MEMORY, _FUSER = (
    r"memory_attention\.layers\.(\d+)\.",
    r"memory_encoder\.memory_fuser\.layers\.(\d+)\.",
)
#: Steps of halving a mask, each a convolution and a norm, and after them one more convolution.
_HALVINGS = 4
TRACKER: tuple[Rewrite, ...] = below(
    r"tracker_model\.",
    "tracker.",
    Rewrite(r"no_memory_embedding", "no_mem_embed"),
    Rewrite(r"no_memory_positional_encoding", "no_mem_pos_enc"),
    Rewrite(r"memory_temporal_positional_encoding", "maskmem_tpos_enc"),
    Rewrite(r"no_object_pointer", "no_obj_ptr"),
    Rewrite(r"occlusion_spatial_embedding_parameter", "no_obj_embed_spatial"),
    Rewrite(r"mask_downsample\.(.*)", r"mask_downsample.\1"),
    Rewrite(r"temporal_positional_encoding_projection_layer\.(.*)", r"obj_ptr_tpos_proj.\1"),
    *feed_forward("object_pointer_proj", "obj_ptr_proj"),
    Rewrite(  # twice in these files
        r"(?:shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding",
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    Rewrite(
        r"prompt_encoder\.point_embed\.weight",
        f"sam_prompt_encoder.point_embeddings.{ROW}.weight",
        "rows",
    ),
    Rewrite(
        r"prompt_encoder\.(not_a_point_embed|no_mask_embed)\.weight",
        r"sam_prompt_encoder.\1.weight",
    ),
    *(
        Rewrite(
            rf"prompt_encoder\.mask_embed\.{each}\.(.*)",
            rf"sam_prompt_encoder.mask_downscaling.{layer}.\1",
        )
        for layer, each in enumerate(
            ("conv1", "layer_norm1", "", "conv2", "layer_norm2", "", "conv3")
        )
        if each
    ),
    Rewrite(
        r"mask_decoder\.(iou_token|mask_tokens|obj_score_token|conv_s0|conv_s1)\.(.*)",
        r"sam_mask_decoder.\1.\2",
    ),
    Rewrite(_MASK_LAYER + r"(\w+)\.o_proj\.(.*)", _TWO_WAY + r"\2.out_proj.\3"),
    Rewrite(_MASK_LAYER + r"(\w+\.[qkv]_proj\..*)", _TWO_WAY + r"\2"),
    Rewrite(_MASK_LAYER + r"layer_norm([1-4])\.(.*)", _TWO_WAY + r"norm\2.\3"),
    Rewrite(_MASK_LAYER + r"mlp\.proj_in\.(.*)", _TWO_WAY + r"mlp.lin1.\2"),
    Rewrite(_MASK_LAYER + r"mlp\.proj_out\.(.*)", _TWO_WAY + r"mlp.lin2.\2"),
    Rewrite(
        r"mask_decoder\.transformer\.final_attn_token_to_image\.o_proj\.(.*)",
        r"sam_mask_decoder.transformer.final_attn_token_to_image.out_proj.\1",
    ),
    Rewrite(
        r"mask_decoder\.(transformer\.final_attn_token_to_image\.[qkv]_proj\..*)",
        r"sam_mask_decoder.\1",
    ),
    Rewrite(
        r"mask_decoder\.transformer\.layer_norm_final_attn\.(.*)",
        r"sam_mask_decoder.transformer.norm_final_attn.\1",
    ),
    Rewrite(r"mask_decoder\.upscale_conv1\.(.*)", r"sam_mask_decoder.output_upscaling.0.\1"),
    Rewrite(r"mask_decoder\.upscale_layer_norm\.(.*)", r"sam_mask_decoder.output_upscaling.1.\1"),
    Rewrite(r"mask_decoder\.upscale_conv2\.(.*)", r"sam_mask_decoder.output_upscaling.3.\1"),
    *feed_forward(
        r"mask_decoder\.output_hypernetworks_mlps\.(\d+)",
        r"sam_mask_decoder.output_hypernetworks_mlps.\1",
    ),
    *feed_forward(r"mask_decoder\.iou_prediction_head", "sam_mask_decoder.iou_prediction_head"),
    *feed_forward(r"mask_decoder\.pred_obj_score_head", "sam_mask_decoder.pred_obj_score_head"),
    Rewrite(_MEMORY + r"(\w+)\.o_proj\.(.*)", r"transformer.encoder.layers.\1.\2.out_proj.\3"),
    Rewrite(_MEMORY + r"(\w+\.[qkv]_proj\..*)", r"transformer.encoder.layers.\1.\2"),
    Rewrite(_MEMORY + r"(linear[12]\..*)", r"transformer.encoder.layers.\1.\2"),
    Rewrite(_MEMORY + r"layer_norm([123])\.(.*)", r"transformer.encoder.layers.\1.norm\2.\3"),
    Rewrite(r"memory_attention\.layer_norm\.(.*)", r"transformer.encoder.norm.\1"),
    *(
        Rewrite(
            rf"memory_encoder\.mask_downsampler\.layers\.{layer}\.{each}\.(.*)",
            rf"maskmem_backbone.mask_downsampler.encoder.{3 * layer + offset}.\1",
        )
        for layer in range(_HALVINGS)
        for offset, each in enumerate(("conv", "layer_norm"))
    ),
    Rewrite(
        r"memory_encoder\.mask_downsampler\.final_conv\.(.*)",
        rf"maskmem_backbone.mask_downsampler.encoder.{3 * _HALVINGS}.\1",
    ),
    Rewrite(r"memory_encoder\.feature_projection\.(.*)", r"maskmem_backbone.pix_feat_proj.\1"),
    Rewrite(r"memory_encoder\.projection\.(.*)", r"maskmem_backbone.out_proj.\1"),
    Rewrite(_FUSER + r"scale", r"maskmem_backbone.fuser.layers.\1.gamma"),
    Rewrite(_FUSER + r"depthwise_conv\.(.*)", r"maskmem_backbone.fuser.layers.\1.dwconv.\2"),
    Rewrite(_FUSER + r"layer_norm\.(.*)", r"maskmem_backbone.fuser.layers.\1.norm.\2"),
    Rewrite(
        _FUSER + r"pointwise_conv([12])\.(.*)", r"maskmem_backbone.fuser.layers.\1.pwconv\2.\3"
    ),
)
