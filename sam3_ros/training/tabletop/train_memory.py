"""Trains the stages that remember, with all others frozen: AdamW in two phases, and an average.

First they learn to look back: one frame, true memories of earlier ones, a rough mask. Then they
follow objects through stretches of clips by the memories of their own answers, as they will at run
time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam3_ros.training.tabletop.clip_features import ClipFeatures
from sam3_ros.training.tabletop.losses import bounds, mask_loss
from sam3_ros.training.tabletop.memory import (
    MEMORIES,
    POINTER_DIVISOR,
    TabletopMemory,
)
from sam3_ros.training.tabletop.memory_batches import (
    LookingBack,
    PastBatches,
    Stretch,
    Stretches,
    halved,
)
from sam3_ros.training.tabletop.network import D, TabletopNetwork
from sam3_ros.training.tabletop.sequences import ClipFiles
from sam3_ros.training.tabletop.steps import PhasedRecipe, RatedPhase, TrainingSteps

_LARGEST_GRADIENT = 1.0

#: A frame's features and fpn2 -> the memories of the objects in it.
Remember: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class MemoryPhase(RatedPhase):
    """Steps that look back, or that follow."""

    follows: bool


@dataclass(frozen=True)
class MemoryRecipe(PhasedRecipe[MemoryPhase]):
    """Everything that this training depends on, beside the clips and the image stages."""

    phases: tuple[MemoryPhase, ...] = (
        MemoryPhase(3000, 2e-3, 2e-4, follows=False),
        MemoryPhase(1000, 1e-3, 1e-5, follows=True),
    )
    #: Objects of a step that looks back.
    objects: int = 8
    #: Clips, objects of each and frames of a step that follows.
    clips: int = 1
    objects_of_clip: int = 4
    length: int = 5
    warm_up: int = 50
    weight_decay: float = 0.02
    average: float = 0.99
    seed: int = 0
    save_every: int = 100


class MemoryObjective(nn.Module):
    """The losses of both phases, by name."""

    def __init__(self, memory: TabletopMemory, network: TabletopNetwork) -> None:
        super().__init__()
        self.memory = memory
        self.frozen = [network.eval().requires_grad_(False)]  # in a list: not among its parameters

    def look_back(self, batch: LookingBack) -> dict[str, Tensor]:
        """Return the loss of rough masks from true memories."""
        memory, (count, past) = self.memory, batch.masks.shape[:2]
        memories = memory.memory_encoder(
            batch.past.flatten(0, 1),
            batch.past_look.flatten(0, 1),
            batch.masks.flatten(0, 1),
            batch.there.reshape(-1, 1),
        ).unflatten(0, (count, past))
        none = batch.coarse.new_zeros(count, 0, D)
        attention = memory.memory_attention
        found = attention.found(batch.coarse, batch.look, memories, batch.ages, none, none[..., 0])
        rough = attention.rough(found)
        wanted = halved(batch.wanted)
        return {"rough": mask_loss(rough[:, 0], wanted, bounds(wanted))}

    def follow(self, batch: Stretch) -> dict[str, Tensor]:
        """Return the losses of following by own memories, averaged over the frames."""
        losses: dict[str, list[Tensor]] = {"rough": [], "mask": [], "object": []}
        memories: list[Tensor] = []
        pointers: list[Tensor] = []
        for frame in range(batch.wanted.shape[1]):
            seen = batch.coarse[batch.clip, frame], batch.look[batch.clip, frame]
            if frame == 0:
                memory, pointer = self._prompted(batch)
            else:
                memory, pointer = self._tracked(batch, frame, memories, pointers, losses)
            memories.append(memory(*seen))
            pointers.append(pointer)
        return {name: torch.stack(values).mean() for name, values in losses.items() if values}

    def _prompted(self, batch: Stretch) -> tuple[Remember, Tensor]:
        wanted = batch.wanted[:, 0, None]
        with torch.no_grad():
            given = self.memory.mask_prompt(wanted)
            features = batch.coarse[batch.clip, 0]
            _, iou, objects, tokens = self._decoded(batch, 0, features, given)
        there = torch.ones_like(objects)
        pointer = self._pointer(tokens, there, iou)
        cut = (wanted > 0.5).float()
        return lambda *seen: self.memory.memory_encoder(*seen, cut, there), pointer

    def _tracked(
        self,
        batch: Stretch,
        frame: int,
        memories: list[Tensor],
        pointers: list[Tensor],
        losses: dict[str, list[Tensor]],
    ) -> tuple[Remember, Tensor]:
        features = batch.coarse[batch.clip, frame]
        kept = list(range(max(1, frame - MEMORIES), frame))
        ages = [0, *(frame - other for other in kept)]
        count = len(batch.clip)
        since = torch.arange(frame, 0, -1).float()[None].expand(count, -1) / POINTER_DIVISOR
        attention = self.memory.memory_attention
        found = attention.found(
            features,
            batch.look[batch.clip, frame],
            torch.stack([memories[0], *(memories[other] for other in kept)], 1),
            torch.tensor(ages)[None].expand(count, -1),
            torch.stack(pointers, 1),
            since,
        )
        rough, embed = attention.rough(found), attention.marked(features, found)
        masks, iou, objects, tokens = self._decoded(batch, frame, embed)
        wanted, seen = batch.wanted[:, frame], batch.seen[:, frame]
        known = seen >= 0
        small = halved(wanted)
        if known.any():
            losses["rough"].append(
                0.5 * mask_loss(rough[known, 0], small[known], bounds(small[known]))
            )
            losses["object"].append(
                F.binary_cross_entropy_with_logits(objects[known, 0], seen[known])
            )
        there = seen > 0
        if there.any():
            one = int(torch.randint(0, 3, ()))
            losses["mask"].append(
                mask_loss(masks[there, one], wanted[there], bounds(wanted[there]))
            )
        best = iou[:, 1:].argmax(1)
        answer = masks[torch.arange(count), best].detach().sigmoid()[:, None]
        score = objects.detach()
        answer = answer * (score > 0)[:, :, None, None]
        pointer = self._pointer(tokens.detach(), score, iou)
        return lambda *seen: self.memory.memory_encoder(*seen, answer, score), pointer

    def _decoded(
        self, batch: Stretch, frame: int, embed: Tensor, given: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return masks 1 to 3, IoU and token of all, and the object score, of no point."""
        network, count = self.frozen[0], len(batch.clip)
        points = torch.zeros(count, 1, 2)
        labels = torch.full((count, 1), -1)
        if given is None:
            given, has = torch.zeros(1, 1, *batch.wanted.shape[2:]), torch.zeros(1)
        else:
            has = torch.ones(count)
        sparse, dense = network.prompt_encoder(points, labels, given, has)
        fine, middle = batch.fine[batch.clip, frame], batch.middle[batch.clip, frame]
        masks, iou, objects, _, tokens = network.mask_decoder.detail(
            embed, fine, middle, sparse, dense, (1, 2, 3)
        )
        return masks, iou, objects, tokens

    def _pointer(self, tokens: Tensor, score: Tensor, iou: Tensor) -> Tensor:
        best = iou[:, 1:].argmax(1) + 1
        pointers = self.memory.object_pointer(tokens, score)
        return pointers[torch.arange(len(best)), best]


def train_memory(
    files: ClipFiles,
    features: ClipFeatures,
    network: TabletopNetwork,
    recipe: MemoryRecipe,
    checkpoint: Path,
    until: int | None = None,
) -> TabletopMemory:
    """Train and return the averaged stages. Resume from `checkpoint` where there is one.

    until: stop at this step, where a phase ends. To look back takes only the image stages of
    `network`, to follow the click stages too.

    Raises RuntimeError for a checkpoint of another recipe.
    """
    torch.manual_seed(recipe.seed)
    objective = MemoryObjective(TabletopMemory(), network)
    objective.memory.look_from(torch.from_numpy(np.array(features.look[::20, 0])))
    training = TrainingSteps(objective, objective.memory, recipe, checkpoint, _LARGEST_GRADIENT)
    until = recipe.steps if until is None else until
    while training.step < until:
        start, phase = recipe.phase_of(training.step)
        steps, seed = range(training.step, start + phase.steps), recipe.seed + 1
        if phase.follows:
            if training.step == start:
                for memory in (objective.memory, training.average):
                    memory.memory_attention.draw_as(network.prompt_encoder)
            sizes = recipe.clips, recipe.objects_of_clip, recipe.length
            stretches = Stretches(files, features, *sizes, steps, seed)
            training.run(stretches, objective.follow, log_every=5)
        else:
            past = PastBatches(files, features, recipe.objects, steps, seed)
            training.run(past, objective.look_back, log_every=25)
    average = training.average.eval()
    assert isinstance(average, TabletopMemory)
    return average
