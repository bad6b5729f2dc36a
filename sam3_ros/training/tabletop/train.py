"""The training loop: AdamW in phases, an average of the weights."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from sam3_ros.training.tabletop.batches import Batches
from sam3_ros.training.tabletop.dataset import SceneFiles
from sam3_ros.training.tabletop.losses import Objective
from sam3_ros.training.tabletop.network import TabletopNetwork

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """Steps with or without prompts.

    Without prompts only the image stages learn, from the dense losses, three times as fast.
    """

    steps: int
    #: The learning rate falls from `first` to `last` by a cosine.
    first: float
    last: float
    with_prompts: bool = True


@dataclass(frozen=True)
class Recipe:
    """Everything that training depends on, beside the scenes.

    The eight shapes are what is learned last and from the most views, so the image stages begin
    alone, at a third of the cost.
    """

    phases: tuple[Phase, ...] = (
        Phase(2500, 2e-3, 1.2e-3, with_prompts=False),
        Phase(3600, 1.8e-3, 1e-5),
    )
    batch_size: int = 8
    #: Steps at the start of each phase in which the rate grows from nothing.
    warm_up: int = 136
    weight_decay: float = 0.02
    average: float = 0.998
    seed: int = 0
    save_every: int = 100

    def learning_rate(self, step: int) -> float:
        """Return the rate of step 0, 1, ..."""
        start, phase = self.phase_of(step)
        share = (step - start) / phase.steps
        rate = phase.last + (phase.first - phase.last) * (1 + math.cos(math.pi * share)) / 2
        return rate * min(1.0, (step - start + 1) / self.warm_up)

    def phase_of(self, step: int) -> tuple[int, Phase]:
        """Return the first step of the phase that a step is in, and the phase."""
        start = 0
        for phase in self.phases:
            if step < start + phase.steps:
                return start, phase
            start += phase.steps
        raise IndexError(f"step {step}: the recipe has {start} steps")

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)


@dataclass(eq=False)
class TrainingProgress:
    """What a checkpoint holds."""

    objective: Objective
    average: TabletopNetwork
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    step: int = 0

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        torch.save({**parts, "step": self.step, "recipe": repr(self.recipe)}, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Load a checkpoint. Raises RuntimeError for one of another recipe."""
        state = torch.load(path, weights_only=True)
        if state["recipe"] != repr(self.recipe):
            raise RuntimeError(
                f"{path} was trained by another recipe, {state['recipe']}, than {self.recipe}; "
                "remove it to train anew"
            )
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]


_PARTS = ("objective", "average", "optimizer")


def train(
    files: SceneFiles,
    encode: Callable[[str], np.ndarray],
    known_tokens: list[int],
    recipe: Recipe,
    checkpoint: Path,
) -> TabletopNetwork:
    """Train and return the averaged network. Resume from `checkpoint` where there is one."""
    torch.manual_seed(recipe.seed)
    objective = Objective(TabletopNetwork(known_tokens))
    average = copy.deepcopy(objective.network).requires_grad_(False)
    progress = TrainingProgress(objective, average, _optimizer(objective, recipe), recipe)
    if checkpoint.exists():
        progress.load(checkpoint)
    objective.train().to(memory_format=torch.channels_last)
    while progress.step < recipe.steps:
        start, phase = recipe.phase_of(progress.step)
        steps = range(progress.step, start + phase.steps)
        batches = Batches(
            files, encode, recipe.batch_size, steps, recipe.seed + 1, phase.with_prompts
        )
        _run_phase(progress, batches, checkpoint)
    return average.eval()


def _run_phase(progress: TrainingProgress, batches: Batches, checkpoint: Path) -> None:
    recipe, halves = progress.recipe, computes_halves()
    log.info("arithmetic: %s", "bfloat16" if halves else "float32")
    began, sums = time.monotonic(), dict[str, float]()
    for batch in DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4):
        for group in progress.optimizer.param_groups:
            group["lr"] = recipe.learning_rate(progress.step)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=halves):
            losses = progress.objective(batch)
        progress.optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(progress.objective.parameters(), 5.0)
        progress.optimizer.step()
        progress.step += 1
        _follow(progress, min(recipe.average, progress.step / (progress.step + 20)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if progress.step % 50 == 0:
            shown = " ".join(f"{name} {value / 50:.3f}" for name, value in sums.items())
            log.info("step %d, %.0f s: %s", progress.step, time.monotonic() - began, shown)
            sums.clear()
        if progress.step % recipe.save_every == 0:
            progress.save(checkpoint)
    progress.save(checkpoint)


def computes_halves() -> bool:
    """Return whether the CPU has instructions for bfloat16: without them a step takes ten times as
    long as in float32."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


def _optimizer(objective: Objective, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [p for p in objective.parameters() if p.ndim >= 2]
    others = [p for p in objective.parameters() if p.ndim < 2]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.phases[0].first, betas=(0.9, 0.98), fused=True)


@torch.no_grad()
def _follow(progress: TrainingProgress, keep: float) -> None:
    averages, values = progress.average.state_dict(), progress.objective.network.state_dict()
    for name, mean in averages.items():
        if mean.dtype.is_floating_point:
            mean.lerp_(values[name], 1 - keep)
        else:
            mean.copy_(values[name])
