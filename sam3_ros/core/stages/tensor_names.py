"""The canonical tensor names, which the segmenter uses whatever a file calls its tensors.

A manifest maps these to the names inside its files. Each entry is name: rank. Masks are True where
valid. Shapes: L text tokens, N boxes or points, T prompt tokens, Q queries, D channels.
"""

from __future__ import annotations

# Values that the segmenter makes itself; no stage computes them.
IMAGE_INPUTS = {"pixel_values": 4}  # f32[1,3,h,w]
# What a stage on a GPU computes the pixel values from, where a bundle has one.
RAW_IMAGE_INPUTS = {
    "image": 3,  # uint8[H,W,3] in RGB, the source image
    "row_weights": 2,  # f32[h,H] of each source row; rows of zeros are padding
    "column_weights": 2,  # f32[w,W]
}
CONCEPT_INPUTS = {
    "input_ids": 2,  # int64[1,L]
    "boxes": 3,  # f32[1,N,4] cxcywh in [0,1]
    "box_labels": 2,  # int64[1,N]
    "box_mask": 2,  # bool[1,N]
    "prompt": 3,  # f32[1,T,D] text ++ geometry
    "prompt_mask": 2,  # bool[1,T]
}
#: With a row for each of several concept prompts that are asked together.
OF_PROMPTS = frozenset({"prompt", "prompt_mask", "memory", "queries"})
INTERACTIVE_INPUTS = {
    "point_coords": 3,  # f32[1,N,2] in prompt space px
    "point_labels": 2,  # [1,N] -1 padding, 0 negative, 1 positive, 2 and 3 box corners
    "mask_input": 4,  # f32[1,1,h,w]
    "has_mask": 1,  # f32[1]
}

# Values that the stages must be able to compute for a capability.
CONCEPT_OUTPUTS = {
    "text_features": 3,  # f32[1,L,D]
    "text_mask": 2,  # bool[1,L]
    "geometry_features": 3,  # f32[1,N+1,D]
    "geometry_mask": 2,  # bool[1,N+1]
    "queries": 3,  # f32[1,Q,D]
    "pred_boxes": 3,  # f32[1,Q,4] cxcywh in [0,1]
    "presence": 2,  # f32[1,1] logit
    "logits": 2,  # f32[1,Q]
    "masks": 4,  # f32[1,Q,h,w] logits
}
INTERACTIVE_OUTPUTS = {
    "sam_masks": 4,  # f32[1,4,h,w] logits, mask 0 the single one
    "sam_iou": 2,  # f32[1,4]
}
OBJECT_SCORE = "object_score"  # f32[1,1] logit; needed where the manifest gates by it

# Following an object through a video, one object at a time: the capability `video`.
# M memories, m their channels, K object pointers, g the grid; sizes are those of SAM 3, and a
# manifest's `video` section says what a model's are. Ages are counted in frames.
VIDEO_INPUTS = {
    "memory_mask": 4,  # f32[1,1,16g,16g] in [0,1], of the mask that answered
    "memories": 4,  # f32[M,m,g,g], mask_memory of earlier frames
    "memory_ages": 1,  # int64[M], 0 for frames with clicks
    "object_pointers": 2,  # f32[K,D], one of the `pointers` of each earlier frame
    "pointer_ages": 1,  # f32[K], divided by the largest (15 in a stream)
    "object_mask": 4,  # f32[1,1,16g,16g] in [0,1]: an object that starts as a mask
}
VIDEO_OUTPUTS = {
    "frame_features": 4,  # f32[1,D,g,g], sam_embed of a frame without "no memory"
    "sam_tokens": 3,  # f32[1,4,D]
    "mask_memory": 4,  # f32[1,m,g,g]
    "pointers": 3,  # f32[1,4,D], one for each mask
    "tracked_embed": 4,  # f32[1,D,g,g], in place of sam_embed on a tracked frame
    "mask_prompt": 4,  # f32[1,1,4g,4g], for mask_input
}

RANKS = {
    **IMAGE_INPUTS,
    **RAW_IMAGE_INPUTS,
    **CONCEPT_INPUTS,
    **INTERACTIVE_INPUTS,
    **CONCEPT_OUTPUTS,
    **INTERACTIVE_OUTPUTS,
    **VIDEO_INPUTS,
    **VIDEO_OUTPUTS,
    OBJECT_SCORE: 2,
    "fpn0": 4,
    "fpn1": 4,
    "fpn2": 4,
    "places": 3,  # f32[1,g*g,D]: what the fusion computes from fpn2 before it reads a prompt
    "sam_s0": 4,
    "sam_s1": 4,
    "sam_embed": 4,
    "memory": 3,
}
