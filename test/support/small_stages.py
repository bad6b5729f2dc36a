"""Stages of a few hundred weights that behave as real ones; and faults planted in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from sam3_ros.export import fills
from sam3_ros.export.bindings import SAME_NAMES
from sam3_ros.export.stage import StageModule, TensorInput

D = 8


class TokenReader(StageModule):
    """Attention over prompt tokens with a mask, and boxes, of which there may be none."""

    outputs = ("queries", "box_tokens")
    original_names = SAME_NAMES
    shortest: ClassVar = {"boxes": 0}

    def __init__(self, width: int = D) -> None:
        super().__init__()
        self.width = width
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.query = nn.Parameter(torch.randn(6, width))
        self.box = nn.Linear(4, width)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        tokens = ("prompts", "tokens")
        return {
            "prompt": TensorInput((*tokens, self.width), fills.unit_features),
            "prompt_mask": TensorInput(tokens, fills.leading_mask),
            "boxes": TensorInput(("prompts", "boxes", 4), fills.unit_boxes),
        }

    def forward(self, prompt: Tensor, prompt_mask: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
        query = self.query.expand(prompt.shape[0], -1, -1)
        read, _ = self.attention(
            query, prompt, prompt, key_padding_mask=~prompt_mask, need_weights=False
        )
        return read, torch.cat([self.box(boxes), read[:, :1]], dim=1)


class FixedLength(TokenReader):
    """Adds a table of three rows to its tokens, so it takes three tokens and no other number."""

    def forward(self, prompt: Tensor, prompt_mask: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
        table = torch.ones(3, self.width)
        return super().forward(prompt + table, prompt_mask, boxes)


def change_weights(path: Path, by: float) -> None:
    """Plant a fault: add a number to the largest float tensor of an ONNX file."""
    model = onnx.load(path)
    floats = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    tensor = max(floats, key=lambda t: numpy_helper.to_array(t).size)
    changed = numpy_helper.to_array(tensor) + np.float32(by)
    tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
    onnx.save(model, path)
