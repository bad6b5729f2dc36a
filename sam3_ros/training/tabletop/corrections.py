"""What a correction says to the mask decoder: the part of the prompt encoder for several marks.

The decoder was taught single clicks, boxes, and points drawn without regard to what it had
answered. A second click into its error, or a former mask beside a click, made its answer worse.
These layers learn what to tell it then, with all others frozen. To a single click, to a box and to
no point at all, as where an object is followed by memory, they add exactly nothing; they are
computed all the same, since a bundle's graphs have no branches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam3_ros.training.tabletop.layers import Block
from sam3_ros.training.tabletop.network import (
    GRID,
    MASK_GRID,
    D,
    DrawnMarks,
    TabletopPromptEncoder,
)

#: Cells of a former mask along a cell of the coarse map.
_FINER = MASK_GRID[0] // GRID[0]


class Corrections(nn.Module):
    """Clicks, with the tokens and the former mask beside them -> what to add to tokens and map."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.token = Block(D), nn.Linear(D, D)
        self.marks = DrawnMarks()
        self.draw = nn.Sequential(
            nn.Conv2d(DrawnMarks.CLICKS + DrawnMarks.BOX + _FINER**2 + 1, 48, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(48, 64, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, D, 1),
        )
        for last in (self.token, self.draw[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(
        self,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask: Tensor,
        sparse: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Map what TabletopPromptEncoder takes, and its tokens [B,N+1,D], to what is added to the
        tokens and to the map, [B,N+1,D] and [B,D,30,40]: 0 for what is no correction."""
        applies = is_correction(point_labels, has_mask).to(sparse.dtype)
        has = has_mask.reshape(-1, 1, 1, 1)
        the_last = point_labels.new_ones((len(point_labels), 1), dtype=torch.bool)
        given = torch.cat([point_labels >= 0, the_last], dim=1)
        told = self.token(self.mix(sparse, mask=given))
        former = F.pixel_unshuffle(torch.tanh(mask_input / 4) * has, _FINER)
        seen = [self.marks(point_coords, point_labels), former, has.expand(-1, 1, *GRID)]
        drawn = self.draw(torch.cat(seen, dim=1))
        return applies[:, None, None] * told, applies[:, None, None, None] * drawn


def is_correction(point_labels: Tensor, has_mask: Tensor) -> Tensor:
    """Return bool [B]: there is a click, and another, a box or a former mask with it."""
    clicks = ((point_labels == 0) | (point_labels == 1)).sum(1)
    beside = (point_labels > 1).any(1) | (has_mask > 0)
    return (clicks > 1) | ((clicks == 1) & beside)


class CorrectedPrompts(nn.Module):
    """The stage `prompt_encoder` of the bundle: prompts, and what corrections add to them."""

    def __init__(self, prompts: TabletopPromptEncoder, corrections: Corrections) -> None:
        super().__init__()
        self.prompts, self.corrections = prompts, corrections

    def forward(
        self, point_coords: Tensor, point_labels: Tensor, mask_input: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        given = (point_coords, point_labels, mask_input, has_mask)
        sparse, dense = self.prompts(*given)
        told, drawn = self.corrections(*given, sparse)
        return sparse + told, dense + drawn
