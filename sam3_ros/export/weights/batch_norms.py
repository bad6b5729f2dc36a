"""Statistics for the batch norms of a network with random weights.

Without them the features of many image encoders hardly depend on the image, and a comparison of two
implementations proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn

from sam3_ros.export.fills import natural_images
from sam3_ros.export.network import Network
from sam3_ros.export.stage import StageModule

#: Images of noise, and as many natural-looking ones.
IMAGES_OF_A_KIND = 2
#: Length of every axis that may grow, such as prompts.
LENGTH = 8
BatchNorm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def calibrate_batch_norms(network: Network, seed: int) -> None:
    """Set every batch norm's mean and variance to those of noise and natural-looking images.

    The stages run in order, up to the last one that a batch norm depends on. Each gets what the
    earlier ones computed, and its own examples for the rest. They must accept several images at
    once.
    """
    computed: dict[str, Tensor] = {}
    with torch.no_grad():
        for stage in _stages_to_run(network.stages()):
            inputs = _inputs(stage, computed, seed)
            with _measuring(stage):
                outputs = stage(*inputs.values())
            computed |= dict(zip(stage.outputs, outputs, strict=True))


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """Return every batch norm with statistics below a module."""
    found = [m for m in module.modules() if isinstance(m, BatchNorm)]
    return [norm for norm in found if norm.track_running_stats]


def _stages_to_run(stages: Mapping[str, StageModule]) -> list[StageModule]:
    """Return the stages with a batch norm, and those that compute what these take."""
    wanted: set[str] = set()
    needed: list[StageModule] = []
    for stage in reversed(list(stages.values())):
        if batch_norms(stage) or wanted.intersection(stage.outputs):
            wanted |= set(stage.inputs)
            needed.insert(0, stage)
    return needed


def _inputs(stage: StageModule, computed: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    lengths = {name: max(LENGTH, stage.shortest.get(name, 1)) for name in stage.lengths()}
    examples = stage.examples(lengths, seed)
    if "pixel_values" in examples:
        examples["pixel_values"] = _images(examples["pixel_values"].shape, seed)
    return {name: computed.get(name, example) for name, example in examples.items()}


def _images(shape: torch.Size, seed: int) -> Tensor:
    generator = Generator().manual_seed(seed)
    noise = torch.randn(IMAGES_OF_A_KIND, *shape[1:], generator=generator)
    natural = natural_images(IMAGES_OF_A_KIND, shape[-2], shape[-1], generator)
    return torch.cat([noise, natural])


@contextmanager
def _measuring(stage: StageModule) -> Iterator[None]:
    """Normalise by the current batch while open, and keep its mean and variance.

    So each batch norm measures what reaches it once those before it have their final values.
    """
    norms = batch_norms(stage)
    before = [(norm.training, norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # averages all that it measures
    try:
        yield
    finally:
        for norm, (training, momentum) in zip(norms, before, strict=True):
            norm.train(training)
            norm.momentum = momentum
