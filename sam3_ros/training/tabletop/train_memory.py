"""Trains the stages that remember, with all others frozen: AdamW in two phases, and an average.

First they learn to look back: one frame, true memories of earlier ones, a rough mask. Then they
follow objects through stretches of clips by the memories of their own answers, as they will at run
time.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

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

log = logging.getLogger(__name__)

#: A frame's features and fpn2 -> the memories of the objects in it.
Remember: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class MemoryPhase:
    """Steps that look back, or that follow."""

    steps: int
    #: The learning rate falls from `first` to `last` by a cosine.
    first: float
    last: float
    follows: bool


@dataclass(frozen=True)
class MemoryRecipe:
    """Everything that this training depends on, beside the clips and the image stages."""

    phases: tuple[MemoryPhase, ...] = (
        MemoryPhase(4500, 2e-3, 2e-4, follows=False),
        MemoryPhase(700, 1e-3, 1e-5, follows=True),
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

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def phase_of(self, step: int) -> tuple[int, MemoryPhase]:
        """Return the first step of the phase that a step is in, and the phase."""
        start = 0
        for phase in self.phases:
            if step < start + phase.steps:
                return start, phase
            start += phase.steps
        raise IndexError(f"step {step}: the recipe has {start} steps")

    def learning_rate(self, step: int) -> float:
        """Return the rate of step 0, 1, ..."""
        start, phase = self.phase_of(step)
        share = (step - start) / phase.steps
        rate = phase.last + (phase.first - phase.last) * (1 + math.cos(math.pi * share)) / 2
        return rate * min(1.0, (step - start + 1) / self.warm_up)


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
                0.5 * F.binary_cross_entropy_with_logits(objects[known, 0], seen[known])
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
        masks, iou, objects, _, tokens = network.mask_decoder.all_details(
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
) -> TabletopMemory:
    """Train and return the averaged stages. Resume from `checkpoint` where there is one.

    Raises RuntimeError for a checkpoint of another recipe.
    """
    torch.manual_seed(recipe.seed)
    objective = MemoryObjective(TabletopMemory(), network)
    looks = torch.from_numpy(np.array(features.look[::20, 0]))
    objective.memory.start_from(network.prompt_encoder, looks)
    average = copy.deepcopy(objective.memory).requires_grad_(False)
    optimizer = torch.optim.AdamW(
        _groups(objective.memory, recipe), lr=recipe.phases[0].first, betas=(0.9, 0.98)
    )
    step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["recipe"] != repr(recipe):
            raise RuntimeError(
                f"{checkpoint} was trained by another recipe, {state['recipe']}, than {recipe}; "
                "remove it to train anew"
            )
        objective.memory.load_state_dict(state["memory"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]

    def save() -> None:
        temporary = checkpoint.with_suffix(".tmp")
        parts = {"memory": objective.memory, "average": average, "optimizer": optimizer}
        states = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**states, "step": step, "recipe": repr(recipe)}, temporary)
        temporary.replace(checkpoint)

    while step < recipe.steps:
        start, phase = recipe.phase_of(step)
        steps = range(step, start + phase.steps)
        batches = (
            Stretches(
                files,
                features,
                recipe.clips,
                recipe.objects_of_clip,
                recipe.length,
                steps,
                recipe.seed + 1,
            )
            if phase.follows
            else PastBatches(files, features, recipe.objects, steps, recipe.seed + 1)
        )
        ask = objective.follow if phase.follows else objective.look_back
        began, sums = time.monotonic(), dict[str, float]()
        for batch in DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=2):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate(step)
            losses = ask(batch)
            optimizer.zero_grad(set_to_none=True)
            sum(losses.values()).backward()
            nn.utils.clip_grad_norm_(objective.memory.parameters(), 1.0)
            optimizer.step()
            step += 1
            _follow(average, objective.memory, min(recipe.average, step / (step + 20)))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            every = 5 if phase.follows else 25
            if step % every == 0:
                shown = " ".join(f"{name} {value / every:.3f}" for name, value in sums.items())
                log.info("memory step %d, %.0f s: %s", step, time.monotonic() - began, shown)
                sums.clear()
            if step % recipe.save_every == 0:
                save()
        save()
    return average.eval()


def _groups(memory: TabletopMemory, recipe: MemoryRecipe) -> list[dict[str, object]]:
    wide = [p for p in memory.parameters() if p.ndim >= 2]
    others = [p for p in memory.parameters() if p.ndim < 2]
    return [
        {"params": wide, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


@torch.no_grad()
def _follow(average: nn.Module, current: nn.Module, keep: float) -> None:
    values = current.state_dict()
    for name, mean in average.state_dict().items():
        mean.lerp_(values[name], 1 - keep)
