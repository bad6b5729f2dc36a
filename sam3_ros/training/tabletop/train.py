"""The training loop: AdamW, one cycle, bfloat16 autocast, an average of the weights."""

from __future__ import annotations

import copy
import logging
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
class Recipe:
    """Everything that training depends on, beside the scenes."""

    steps: int = 3400
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: float = 0.04
    average: float = 0.998
    seed: int = 0
    save_every: int = 250


def train(
    files: SceneFiles,
    encode: Callable[[str], np.ndarray],
    known_tokens: list[int],
    recipe: Recipe,
    checkpoint: Path,
) -> TabletopNetwork:
    """The averaged network. Goes on from `checkpoint` where there is one."""
    torch.manual_seed(recipe.seed)
    network = TabletopNetwork(known_tokens)
    objective = Objective(network)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = _optimizer(objective, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, recipe.steps, pct_start=recipe.warm_up
    )
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        objective.load_state_dict(state["objective"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        start = state["step"]
    objective.train()
    objective.to(memory_format=torch.channels_last)
    batches = Batches(files, encode, recipe.batch_size, range(start, recipe.steps), recipe.seed + 1)
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)
    began, sums = time.monotonic(), {}
    for step, batch in enumerate(loader, start=start + 1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = objective(batch)
        total = sum(losses.values())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        _follow(average, network, min(recipe.average, step / (step + 20)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if step % 50 == 0:
            shown = " ".join(f"{name} {value / 50:.3f}" for name, value in sums.items())
            log.info("step %d, %.0f s: %s", step, time.monotonic() - began, shown)
            sums = {}
        if step % recipe.save_every == 0 or step == recipe.steps:
            _save(checkpoint, objective, average, optimizer, schedule, step)
    return average.eval()


def _optimizer(objective: Objective, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [p for p in objective.parameters() if p.ndim >= 2]
    others = [p for p in objective.parameters() if p.ndim < 2]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))


@torch.no_grad()
def _follow(average: TabletopNetwork, network: TabletopNetwork, keep: float) -> None:
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    for mean, value in pairs:
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


def _save(
    path: Path,
    objective: Objective,
    average: TabletopNetwork,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    step: int,
) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(
        {
            "objective": objective.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "step": step,
        },
        temporary,
    )
    temporary.replace(path)
