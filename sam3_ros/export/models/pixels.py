"""The stage that resizes and normalises an image, for engines on a GPU."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sam3_ros.export.bindings import SAME_NAMES
from sam3_ros.export.fills import levels, thirds
from sam3_ros.export.stage import StageModule, TensorInput

Triple = tuple[float, float, float]


class Pixels(StageModule):
    """Preprocessing: image uint8[H,W,3] in RGB -> pixel_values f32[1,3,h,w].

    row_weights f32[h,H] and column_weights f32[w,W] say how much each source row and column counts
    for each target one, so the resize is two matrix products (core/segmenter/resize_weights.py). A
    row of theirs sums to 1, or is zero where the target is padding; pixel_values are 0 there.

    The levels are rounded where Pillow and OpenCV round them. Unrounded, they are closer to the
    picture, but move a model's features by nearly 1 %, ten times as much as fp32 on a GPU does.
    """

    outputs = ("pixel_values",)
    original_names = SAME_NAMES
    scale: Tensor
    offset: Tensor

    def __init__(
        self, height: int, width: int, mean: Triple, std: Triple, rounds_between: bool = False
    ) -> None:
        """height, width: of pixel_values. mean, std: of levels in [0, 1], by channel.

        rounds_between: round after the columns as well as at the end, as Pillow does; OpenCV does
        not.
        """
        super().__init__()
        means_of_levels = torch.tensor(mean, dtype=torch.float64)[:, None, None]
        spread = torch.tensor(std, dtype=torch.float64)[:, None, None]
        self.register_buffer("scale", (1 / (255 * spread)).float(), persistent=False)
        self.register_buffer("offset", (means_of_levels / spread).float(), persistent=False)
        self._height, self._width = height, width
        self._rounds_between = rounds_between

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {
            "image": TensorInput(("rows", "columns", 3), levels),
            "row_weights": TensorInput((self._height, "rows"), thirds),
            "column_weights": TensorInput((self._width, "columns"), thirds),
        }

    def forward(
        self, image: Tensor, row_weights: Tensor, column_weights: Tensor
    ) -> tuple[Tensor, ...]:
        planes = image.permute(2, 0, 1).to(row_weights.dtype) @ column_weights.T
        if self._rounds_between:
            planes = (planes + 0.5).floor()
        planes = (row_weights @ planes + 0.5).floor()
        # 1 in the picture and 0 in the padding, so that the padding is exactly 0.
        content = row_weights.sum(1)[:, None] * column_weights.sum(1)
        return ((planes * self.scale - content * self.offset)[None],)
