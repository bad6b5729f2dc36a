"""Trains the base: AdamW in phases, an average of the weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam3_ros.training.tabletop.batches import Batch, Batches
from sam3_ros.training.tabletop.dataset import SceneFiles
from sam3_ros.training.tabletop.losses import Objective
from sam3_ros.training.tabletop.network import TabletopNetwork
from sam3_ros.training.tabletop.steps import PhasedRecipe, RatedPhase, TrainingSteps

_LARGEST_GRADIENT = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase(RatedPhase):
    """Steps with or without prompts.

    Without prompts only the image stages learn, from the dense losses, three times as fast. With
    `images_kept` the image stages stay as their average was, and only the others learn: a step
    takes two thirds of the time.
    """

    with_prompts: bool = True
    images_kept: bool = False


@dataclass(frozen=True)
class Recipe(PhasedRecipe[Phase]):
    """Everything that training depends on, beside the scenes.

    The eight shapes are what is learned last and from the most views, so the image stages begin
    alone, at a third of the cost. They are ready first too, and the others go on without them.
    """

    phases: tuple[Phase, ...] = (
        Phase(2500, 2e-3, 1.2e-3, with_prompts=False),
        Phase(2200, 1.8e-3, 1e-5),
        Phase(2000, 8e-4, 1e-5, images_kept=True),
    )
    batch_size: int = 8
    warm_up: int = 136
    weight_decay: float = 0.02
    average: float = 0.998
    seed: int = 0
    save_every: int = 100


def train(
    files: SceneFiles,
    encode: Callable[[str], np.ndarray],
    known_tokens: list[int],
    recipe: Recipe,
    checkpoint: Path,
) -> TabletopNetwork:
    """Train and return the averaged network. Resume from `checkpoint` where there is one.

    Raises RuntimeError for a checkpoint of another recipe.
    """
    torch.manual_seed(recipe.seed)
    objective = Objective(TabletopNetwork(known_tokens))
    training = TrainingSteps(objective, objective.network, recipe, checkpoint, _LARGEST_GRADIENT)
    objective.train().to(memory_format=torch.channels_last)
    halves = computes_halves()
    log.info("arithmetic: %s", "bfloat16" if halves else "float32")

    def losses_of(batch: Batch) -> dict[str, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=halves):
            losses: dict[str, Tensor] = objective(batch)
        return losses

    while training.step < recipe.steps:
        start, phase = recipe.phase_of(training.step)
        steps = range(training.step, start + phase.steps)
        if phase.images_kept:
            objective.keep_images(training.average)
        batches = Batches(
            files, encode, recipe.batch_size, steps, recipe.seed + 1, phase.with_prompts
        )
        training.run(batches, losses_of, log_every=50)
    average = training.average.eval()
    assert isinstance(average, TabletopNetwork)
    return average


def computes_halves() -> bool:
    """Return whether the CPU has instructions for bfloat16: without them a step takes ten times as
    long as in float32."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
