"""The stage that turns a frame and an object's mask in it into a memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers.models.sam3_tracker_video.configuration_sam3_tracker_video import (
    Sam3TrackerVideoConfig,
)
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoMemoryEncoder,
)

from sam3_ros.export.bindings import NameRules, Rule
from sam3_ros.export.fills import mask_probabilities, unit_features
from sam3_ros.export.models.sam3.tracker_sizes import (
    MEMORY_ENCODER,
    MEMORY_MASK_SCALE,
    PATCH,
    TRACKER,
    TrackerSizes,
)
from sam3_ros.export.stage import StageModule, TensorInput

MASK_GAIN, MASK_OFFSET = 20.0, -10.0
HALVINGS = 4
_DOWN = MEMORY_ENCODER + "mask_downsampler.encoder."
_LAYERS: tuple[Rule, ...] = tuple(
    (rf"encoder\.mask_downsampler\.layers\.{layer}\.{ours}\.(.*)", rf"{_DOWN}{3 * layer + n}.\1")
    for layer in range(HALVINGS)
    for n, ours in enumerate(("conv", "layer_norm"))
)
_BLOCK = MEMORY_ENCODER + r"fuser.\1"
_FUSER = r"encoder\.memory_fuser\.(layers\.\d+\.)"


class MemoryEncoder(StageModule):
    """The memory encoder: a frame and P objects' masks in it -> mask_memory f32[P,m,g,g].

    frame_features f32[1,D,g,g] of the frame. object_score f32[P,1] logit: at 0 or below, the memory
    is marked as one of a frame without the object.

    memory_mask f32[P,1,16g,16g] in [0,1] comes from the mask logits that were chosen: resized
    bilinearly to the input size (14g), then their sigmoid or, on a frame with clicks or a given
    mask, 1 where they are above 0 and 0 elsewhere; then resized bilinearly to 16g. Where
    object_score is 0 or below, the original takes -1024 for every logit, so the mask is 0.
    (transformers resizes to 16g at once, before the sigmoid.) A given mask's logits are +-1024 in
    the video's size, resized bilinearly with antialiasing to 4g first.

    On a prompted frame of several objects, each pixel of the input size belongs to the object with
    the highest logit there; the others' logits are cut to at most -10 before the threshold. Tracked
    frames have no such rule.

    The features are those without memory, positions and no_mem_embed. The memory of every tracked
    frame is made, of a prompted one when tracking starts; which of them a later frame attends to,
    with memory selection and without, is said at MemoryAttention. The selection needs beside each
    memory the object score and the highest IoU of that frame.

    The original keeps memories as bfloat16; float32 is more precise. Source: facebookresearch/sam3,
    sam3/model/memory.py and sam3_tracker_base.py.
    """

    outputs = ("mask_memory",)
    original_names = NameRules(
        (
            *_LAYERS,
            (r"encoder\.mask_downsampler\.final_conv\.(.*)", rf"{_DOWN}{3 * HALVINGS}.\1"),
            (r"encoder\.feature_projection\.(.*)", MEMORY_ENCODER + r"pix_feat_proj.\1"),
            (r"encoder\.projection\.(.*)", MEMORY_ENCODER + r"out_proj.\1"),
            (_FUSER + r"depthwise_conv\.(.*)", _BLOCK + r"dwconv.\2"),
            (_FUSER + r"layer_norm\.(.*)", _BLOCK + r"norm.\2"),
            (_FUSER + r"pointwise_conv(\d)\.(.*)", _BLOCK + r"pwconv\2.\3"),
            (_FUSER + r"scale", _BLOCK + "gamma"),
            (r"no_obj_embed_spatial", TRACKER + "no_obj_embed_spatial"),
        )
    )

    def __init__(self, sizes: TrackerSizes, grid: int) -> None:
        super().__init__()
        config = Sam3TrackerVideoConfig(
            image_size=grid * PATCH,
            memory_encoder_hidden_size=sizes.width,
            memory_encoder_output_channels=sizes.memory_width,
            mask_downsampler_embed_dim=sizes.width,
            memory_fuser_embed_dim=sizes.width,
            memory_fuser_intermediate_dim=sizes.fuser_hidden,
            memory_fuser_num_layers=sizes.fuser_layers,
        )
        self.encoder = Sam3TrackerVideoMemoryEncoder(config)
        self.no_obj_embed_spatial = nn.Parameter(torch.zeros(1, sizes.memory_width))
        self._features = (1, sizes.width, grid, grid)
        self._mask_side = MEMORY_MASK_SCALE * grid

    def folded(self) -> StageModule:
        folded = copy.deepcopy(self)
        fuser = folded.encoder.memory_fuser
        fuser.layers = nn.ModuleList(_FuserBlock(block) for block in fuser.layers)
        return folded

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        mask = ("prompts", 1, self._mask_side, self._mask_side)
        return {
            "frame_features": TensorInput(self._features, unit_features),
            "memory_mask": TensorInput(mask, mask_probabilities),
            "object_score": TensorInput(("prompts", 1), unit_features),
        }

    def forward(
        self, frame_features: Tensor, memory_mask: Tensor, object_score: Tensor
    ) -> tuple[Tensor, ...]:
        encoder = self.encoder
        mask = encoder.mask_downsampler(memory_mask * MASK_GAIN + MASK_OFFSET)
        fused = encoder.memory_fuser(encoder.feature_projection(frame_features) + mask)
        memory = encoder.projection(fused)
        absent = (object_score <= 0).to(memory.dtype)
        return (memory + (absent * self.no_obj_embed_spatial)[:, :, None, None],)


class _FuserBlock(nn.Module):
    """A block of the fuser whose last scale is in the weights before it.

    The scale may be as small as 1e-6, too small for half precision by itself.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.depthwise_conv, self.layer_norm = block.depthwise_conv, block.layer_norm
        self.widen, self.activation = block.pointwise_conv1, block.activation
        self.narrow = copy.deepcopy(block.pointwise_conv2)
        self.narrow.weight.data.mul_(block.scale[:, None])
        self.narrow.bias.data.mul_(block.scale)

    def forward(self, features: Tensor) -> Tensor:
        places = self.layer_norm(self.depthwise_conv(features)).permute(0, 2, 3, 1)
        added = self.narrow(self.activation(self.widen(places)))
        return features + added.permute(0, 3, 1, 2)
