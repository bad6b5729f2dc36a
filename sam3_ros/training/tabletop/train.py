"""Trains the base: Muon and AdamW in phases, an average of the weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sam3_ros.training.tabletop.batches import CLICKS, PROMPTS, Batch, Batches
from sam3_ros.training.tabletop.dataset import SceneFiles
from sam3_ros.training.tabletop.losses import Objective
from sam3_ros.training.tabletop.network import IMAGE_STAGES, TabletopNetwork
from sam3_ros.training.tabletop.shares import Share, is_first, shared
from sam3_ros.training.tabletop.steps import PhasedRecipe, RatedPhase, TrainingSteps

_LARGEST_GRADIENT = 5.0
_SEEDS_APART = 7919
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase(RatedPhase):
    """Steps with so many prompts and clicks of each image; what there is none of does not learn."""

    prompts: int = PROMPTS
    clicks: int = CLICKS


@dataclass(frozen=True)
class Recipe(PhasedRecipe[Phase]):
    """Everything that a training depends on, beside the scenes and the network it begins with."""

    phases: tuple[Phase, ...]
    #: The image stages stay as they are.
    images_kept: bool = True
    batch_size: int = 8
    warm_up: int = 136
    weight_decay: float = 0.02
    average: float = 0.998
    seed: int = 0
    save_every: int = 100


#: The eight shapes are what is learned last and from the most views, so the image stages begin
#: alone, at a third of the cost.
IMAGES = Recipe(
    (Phase(1800, 2e-3, 1.2e-3, prompts=0, clicks=0), Phase(1400, 1.8e-3, 1e-5)), images_kept=False
)
#: On kept images, words and clicks share nothing: each learns on a core of its own.
CONCEPT = Recipe((Phase(3000, 1e-3, 1e-5, clicks=0),))
CLICKED = Recipe((Phase(2600, 1.5e-3, 1e-5, prompts=0, clicks=4),), batch_size=4)


def train(
    files: SceneFiles,
    encode: Callable[[str], np.ndarray],
    network: TabletopNetwork,
    recipe: Recipe,
    checkpoint: Path,
    share: Share | None = None,
) -> TabletopNetwork:
    """Train the network and return its average. Resume from `checkpoint` where there is one.

    share: of each batch, in one of `run_shares`' processes.

    Raises RuntimeError for a checkpoint of another recipe.
    """
    torch.manual_seed(recipe.seed)
    objective = Objective(network)
    objective.train().to(memory_format=torch.channels_last)
    if recipe.images_kept:
        objective.keep_images()
    matrices = [] if recipe.images_kept else image_matrices(network)
    training = TrainingSteps(
        objective, objective.network, recipe, checkpoint, _LARGEST_GRADIENT, matrices
    )
    learner, halves = shared(objective), computes_halves()
    if is_first():
        log.info("arithmetic: %s", "bfloat16" if halves else "float32")

    def losses_of(batch: Batch) -> dict[str, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=halves):
            losses: dict[str, Tensor] = learner(batch)
        return losses

    share = share or Share()
    size, seed = recipe.batch_size // share.count, recipe.seed + 1 + _SEEDS_APART * share.rank
    while training.step < recipe.steps:
        start, phase = recipe.phase_of(training.step)
        steps = range(training.step, start + phase.steps)
        asked = phase.prompts, phase.clicks
        batches = Batches(files, encode, size, steps, seed, *asked)
        training.run(batches, losses_of, log_every=50)
    average = training.average.eval()
    assert isinstance(average, TabletopNetwork)
    return average


def image_matrices(network: TabletopNetwork) -> list[nn.Parameter]:
    """Return the weights of linear layers and convolutions in the image stages."""
    layers = [layer for name in IMAGE_STAGES for layer in network.get_submodule(name).modules()]
    return [layer.weight for layer in layers if isinstance(layer, (nn.Linear, nn.Conv2d))]


def computes_halves() -> bool:
    """Return whether the CPU has instructions for bfloat16: without them a step takes ten times as
    long as in float32."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
