"""What the trainings share: phases with a falling rate, steps, an average, checkpoints."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from sam3_ros.training.tabletop.muon import Muon
from sam3_ros.training.tabletop.shares import is_first

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RatedPhase:
    """Steps whose learning rate falls from `first` to `last` by a cosine."""

    steps: int
    first: float
    last: float


P = TypeVar("P", bound=RatedPhase)


class PhasedRecipe(Generic[P]):
    """The part of a recipe that says how many steps there are, and how large each is."""

    phases: tuple[P, ...]
    #: Steps at the start of each phase in which the rate grows from nothing.
    warm_up: int
    weight_decay: float
    #: The share of its past that the average keeps at each step.
    average: float
    save_every: int

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def phase_of(self, step: int) -> tuple[int, P]:
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


class TrainingSteps(Generic[P]):
    """A learner on its way through a recipe; goes on from `checkpoint` where there is one."""

    def __init__(
        self,
        learner: nn.Module,
        averaged: nn.Module,
        recipe: PhasedRecipe[P],
        checkpoint: Path,
        largest_gradient: float,
        by_muon: Collection[nn.Parameter] = (),
    ) -> None:
        """averaged: the part of the learner whose average is wanted in the end.

        by_muon: matrices that learn by Muon; all else does by AdamW.

        Raises RuntimeError for a checkpoint of another recipe.
        """
        self.learner = learner
        self.average = copy.deepcopy(averaged).requires_grad_(False)
        self.step = 0
        self._averaged = averaged
        self._recipe = recipe
        self._checkpoint = checkpoint
        self._largest_gradient = largest_gradient
        self._optimizers = _optimizers(learner, recipe, by_muon)
        if checkpoint.exists():
            self._load()

    def run(
        self,
        batches: IterableDataset[Any],
        losses_of: Callable[[Any], Mapping[str, Tensor]],
        log_every: int,
    ) -> None:
        """Make a step with each batch, and save at the end."""
        began, sums = time.monotonic(), dict[str, float]()
        # A forked worker shares the files' pages; a spawned one would get a copy of gigabytes.
        loader = DataLoader(
            batches,
            batch_size=None,
            num_workers=1,
            prefetch_factor=2,
            multiprocessing_context="fork",
        )
        for batch in loader:
            losses = losses_of(batch)
            self._make_step(losses)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            if self.step % log_every == 0 and is_first():
                shown = " ".join(f"{name} {value / log_every:.3f}" for name, value in sums.items())
                log.info("step %d, %.0f s: %s", self.step, time.monotonic() - began, shown)
                sums.clear()
            if self.step % self._recipe.save_every == 0:
                self._save()
        self._save()

    def _make_step(self, losses: Mapping[str, Tensor]) -> None:
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self._recipe.learning_rate(self.step)
            optimizer.zero_grad(set_to_none=True)
        torch.stack([value.float() for value in losses.values()]).sum().backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), self._largest_gradient)
        for optimizer in self._optimizers.values():
            optimizer.step()
        self.step += 1
        # Its first values are those of no training, so at first it keeps less of them.
        self._follow(min(self._recipe.average, self.step / (self.step + 20)))

    @torch.no_grad()
    def _follow(self, keep: float) -> None:
        values = self._averaged.state_dict()
        for name, mean in self.average.state_dict().items():
            if mean.dtype.is_floating_point:
                mean.lerp_(values[name], 1 - keep)
            else:
                mean.copy_(values[name])

    def _save(self) -> None:
        if not is_first():
            return
        temporary = self._checkpoint.with_suffix(".tmp")
        states = {name: part.state_dict() for name, part in self._parts().items()}
        torch.save({**states, "step": self.step, "recipe": repr(self._recipe)}, temporary)
        temporary.replace(self._checkpoint)

    def _load(self) -> None:
        state = torch.load(self._checkpoint, weights_only=True)
        if state["recipe"] != repr(self._recipe):
            raise RuntimeError(
                f"{self._checkpoint} was trained by another recipe, {state['recipe']}, than "
                f"{self._recipe}; remove it to train anew"
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def _parts(self) -> dict[str, Any]:
        return {"learner": self.learner, "average": self.average, **self._optimizers}


def _optimizers(
    learner: nn.Module, recipe: PhasedRecipe[Any], by_muon: Collection[nn.Parameter]
) -> dict[str, torch.optim.Optimizer]:
    rate, chosen = recipe.phases[0].first, {id(p) for p in by_muon}
    others = [p for p in learner.parameters() if id(p) not in chosen]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizers: dict[str, torch.optim.Optimizer] = {
        "optimizer": torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)
    }
    if by_muon:
        optimizers["muon"] = Muon(by_muon, rate, recipe.weight_decay)
    return optimizers
